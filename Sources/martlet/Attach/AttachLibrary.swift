/// The library that `martlet attach` loads into a program.
enum AttachLibrary {
    static let fileName = "libmartlet-attach.so"

    /// Where the library is looked for, from the directory of the program `martlet`: where it is built, and where it is
    /// installed.
    static let places = [".", "../lib/martlet", "../lib"]

    /// The absolute path of the library.
    /// - Parameter given: a path to use instead of the usual ones.
    /// - Throws: if it is not there, or its path cannot be named to the loader.
    static func find(_ given: String?) throws(CommandError) -> String {
        let path = if let given { try path(given) } else { try usualPath() }
        // The loader takes both for the end of a path.
        guard !path.contains(" "), !path.contains(":") else {
            throw CommandError("loading \(path) failed", advice: "its path must have neither space nor colon")
        }
        return path
    }

    private static func path(_ given: String) throws(CommandError) -> String {
        do { return try Host.realPath(given) } catch {
            throw CommandError("loading \(given) failed", reason: Host.text(error.number))
        }
    }

    private static func usualPath() throws(CommandError) -> String {
        let directory = Host.executableDirectory
        for place in places {
            if let path = try? Host.realPath("\(directory)/\(place)/\(fileName)") { return path }
        }
        throw CommandError(
            "finding \(fileName) failed",
            advice:
                "it is neither in \(directory) nor in ../lib/martlet or ../lib from there; --library says where it is")
    }
}
