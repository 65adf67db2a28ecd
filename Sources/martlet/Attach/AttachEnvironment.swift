/// The environment of a program that is to run on Martlet's datapath.
struct AttachEnvironment: Equatable {
    /// The variable that names libraries which the loader loads first.
    static let preload = "LD_PRELOAD"

    /// Names and values.
    let variables: [(name: String, value: String)]

    /// - Parameters:
    ///   - library: path of the library.
    ///   - socket: path of the datapath's socket.
    ///   - preloaded: what is to be loaded already; the library comes in front of it.
    init(library: String, socket: String, preloaded: String?) {
        let others = (preloaded ?? "").split(whereSeparator: { $0 == ":" || $0 == " " }).filter { $0 != library }
        variables = [
            (Self.preload, ([library] + others.map(String.init)).joined(separator: ":")), ("MARTLET_SOCKET", socket),
        ]
    }

    static func == (a: Self, b: Self) -> Bool { a.variables.elementsEqual(b.variables, by: ==) }

    /// Commands for a POSIX shell that set the variables for all programs it starts.
    var shellLines: [String] { variables.map { "export \($0.name)=\(Self.quoted($0.value))" } }

    /// A word of a shell that means the text, whatever is in it.
    static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
