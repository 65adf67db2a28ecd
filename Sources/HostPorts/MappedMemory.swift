import Glibc
import LinuxSystem

/// Memory that is mapped as long as this value lives. It is owned alone, so that it may move to another thread.
@safe
struct MappedMemory: ~Copyable, @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let size: Int

    /// Maps part of a descriptor, shared with the kernel.
    init(_ descriptor: Int32, offset: Int, size: Int) throws(LinuxError) {
        try self.init(descriptor, offset, size, MAP_SHARED | MAP_POPULATE)
    }

    /// Maps memory of its own, all of it present.
    init(size: Int) throws(LinuxError) { try self.init(-1, 0, size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE) }

    private init(_ descriptor: Int32, _ offset: Int, _ size: Int, _ flags: Int32) throws(LinuxError) {
        // A mapping at an address that the kernel chooses touches no other memory.
        let result = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, flags, descriptor, off_t(offset))
        guard let result = unsafe result, unsafe result != MAP_FAILED else {
            throw LinuxError(errno: errno, call: "mmap", message: "cannot map the memory of an AF_XDP socket")
        }
        unsafe base = result
        self.size = size
    }

    deinit { unsafe munmap(base, size) }
}
