import Glibc

/// This program, and others that take its place.
extension Host {
    /// The directory of this program.
    static var executableDirectory: String {
        let path = (try? realPath("/proc/self/exe")) ?? ""
        return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }

    /// The path of a file without links.
    /// - Throws: the error number, if the file is not there or may not be read.
    static func realPath(_ path: String) throws(HostError) -> String {
        guard unsafe access(path, R_OK) == 0, let resolved = unsafe realpath(path, nil) else {
            throw HostError(number: errno)
        }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }

    /// A path that means the same in every directory. The file need not be there.
    static func absolutePath(_ path: String) -> String {
        guard !path.hasPrefix("/"), let directory = unsafe getcwd(nil, 0) else { return path }
        defer { unsafe free(directory) }
        return unsafe String(cString: directory) + "/" + path
    }

    static func setEnvironment(_ name: String, _ value: String) {
        // The strings are copied, and no other thread looks at the environment.
        _ = unsafe setenv(name, value, 1)
    }

    /// Becomes another program, which is looked for in `PATH` unless its name has a slash (`execvp`).
    /// - Parameter arguments: the program's name and its arguments.
    /// - Returns: the error number, if that fails.
    static func replaceProcess(with arguments: [String]) -> HostError {
        // The program is to take signals as from a shell, whatever this thread does with them.
        _ = signal(SIGPIPE, SIG_DFL)
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe pthread_sigmask(SIG_SETMASK, &none, nil)
        // A list of strings that ends with nil; it outlives the call.
        var list = unsafe arguments.map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe list.indices { unsafe free(list[index]) } }
        guard let name = unsafe list[0] else { return HostError(number: ENOMEM) }
        _ = unsafe execvp(name, &list)
        return HostError(number: errno)
    }
}
