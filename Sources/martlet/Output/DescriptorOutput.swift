import Glibc

/// Text to a file descriptor, without a buffer: what is written is seen at once, also through a pipe.
struct DescriptorOutput: TextOutput {
    let descriptor: Int32

    static let standard = DescriptorOutput(descriptor: STDOUT_FILENO)
    static let standardError = DescriptorOutput(descriptor: STDERR_FILENO)

    func write(_ text: String) throws(OutputClosed) {
        let number = Self.write(Array(text.utf8), to: descriptor)
        guard number == 0 else { throw OutputClosed(number: number) }
    }

    /// Writes all bytes.
    /// - Returns: 0, or the error number of the call that failed.
    static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
        var written = 0
        while written < bytes.count {
            let start = written
            // `start` is less than the count, so base and length stay inside the array.
            let result = unsafe bytes.withUnsafeBytes { source in
                unsafe Glibc.write(descriptor, source.baseAddress.map { unsafe $0 + start }, source.count - start)
            }
            if result > 0 {
                written += result
            } else if errno == EAGAIN {
                // A terminal or pipe that someone has made non-blocking: wait until it takes more.
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&waiting, 1, -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }
}
