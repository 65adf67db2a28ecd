import Glibc

/// A thread of the operating system. It takes no signals; it is joined exactly once.
@safe
struct DoorThread: @unchecked Sendable {
    // Sendable: the thread's number is only compared, and joined by the one who has it.
    private let thread: pthread_t

    /// - Throws: the error number, if the system has no room for another thread.
    init(_ body: @escaping @Sendable () -> Void) throws(DoorErrno) {
        // The thread takes over the box's one reference, or it is released below when there is no thread.
        let box = unsafe Unmanaged.passRetained(Box(body))
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
                    unsafe Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
                }
                return nil
            }, box.toOpaque())
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        guard result == 0 else {
            unsafe box.release()
            throw DoorErrno(number: result, call: "pthread_create")
        }
        self.thread = thread
    }

    /// Whether the caller is this thread.
    var isCurrent: Bool { pthread_equal(thread, pthread_self()) != 0 }

    /// Waits for the thread's end.
    func join() { _ = pthread_join(thread, nil) }

    private final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
