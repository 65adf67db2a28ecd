import CLinux
import Glibc

/// A thread of the operating system, for work that waits in system calls. It takes no signals; it is joined exactly
/// once.
public struct PlainThread: Sendable {
    private let thread: pthread_t

    /// Starts a thread.
    /// - Parameters:
    ///   - name: at most 15 bytes count, for tools that list threads.
    ///   - body: what the thread does; it ends when this returns.
    /// - Throws: the error if the system has no room for another thread.
    public init(name: String, _ body: @escaping @Sendable () -> Void) throws(LinuxError) {
        // The thread takes over the box's one reference, or it is released below when there is no thread.
        let box = unsafe Unmanaged.passRetained(Box(name: name, body: body))
        var thread = pthread_t()
        var all = sigset_t()
        var before = sigset_t()
        // Signals are for those threads that the program has chosen; a thread inherits what its maker blocks.
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        let result = unsafe pthread_create(
            &thread, nil,
            { argument in
                if let argument = unsafe argument {
                    unsafe Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().run()
                }
                return nil
            }, box.toOpaque())
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        guard result == 0 else {
            unsafe box.release()
            throw LinuxError(errno: result, call: "pthread_create", message: "cannot start the thread \(name)")
        }
        self.thread = thread
    }

    /// Whether the caller is this thread.
    public var isCurrent: Bool { pthread_equal(thread, pthread_self()) != 0 }

    /// Waits for the thread's end. To be called once.
    public func join() { _ = pthread_join(thread, nil) }

    private final class Box {
        private let name: String
        private let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }

        func run() {
            // The shim reads the name during the call.
            _ = unsafe clinux_set_thread_name(name)
            body()
        }
    }
}
