import CLinux
import Glibc

/// A thread of the operating system, for work that waits in system calls. It is joined exactly once.
@safe
struct PlainThread: @unchecked Sendable {
    private let thread: pthread_t

    /// Starts a thread.
    /// - Parameter name: at most 15 bytes, for tools that list threads.
    /// - Throws: `LinuxError` if the system has no room for another thread.
    init(name: String, _ body: @escaping @Sendable () -> Void) throws(LinuxError) {
        // The thread takes over the box's one reference, or it is released below when there is no thread.
        let box = unsafe Unmanaged.passRetained(Box(name: name, body: body))
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread, nil,
            { argument in
                if let argument = unsafe argument {
                    unsafe Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().run()
                }
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            unsafe box.release()
            throw LinuxError(errno: result, call: "pthread_create", message: "cannot start the thread \(name)")
        }
        self.thread = thread
    }

    /// Waits for the thread's end.
    func join() { _ = pthread_join(thread, nil) }

    private final class Box {
        private let name: String
        private let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }

        func run() {
            _ = unsafe clinux_set_thread_name(name)
            body()
        }
    }
}
