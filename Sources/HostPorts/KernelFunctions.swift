import Glibc
import LinuxSystem
import Netlink

/// The functions that the kernel lends to BPF programs, by their numbers in its type information (BTF).
struct KernelFunctions {
    private let bytes: [UInt8]

    /// `BTF_KIND_FUNC`.
    private static let function: UInt32 = 12
    /// More than any kernel's type information has.
    private static let largest = 256 << 20

    /// The running kernel's.
    /// - Returns: nil if it has no type information (`CONFIG_DEBUG_INFO_BTF`).
    static func ofThisKernel() -> KernelFunctions? {
        // The path is a literal, NUL-terminated.
        let result = Syscall.raw { unsafe open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC) }
        guard result >= 0 else { return nil }
        let file = Descriptor(result)
        let size = Syscall.raw { lseek(file.raw, 0, Int32(SEEK_END)) }
        guard size > 0, size <= largest, lseek(file.raw, 0, Int32(SEEK_SET)) == 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        var count = 0
        while count < size {
            let piece = unsafe bytes.withUnsafeMutableBytes { buffer in
                // What is left of the buffer.
                Syscall.raw { unsafe read(file.raw, buffer.baseAddress.map { unsafe $0 + count }, size - count) }
            }
            guard piece > 0 else { return nil }
            count += piece
        }
        return KernelFunctions(bytes)
    }

    /// - Parameter bytes: type information as `/sys/kernel/btf/vmlinux` has it, in host byte order.
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The number of a function.
    /// - Returns: nil if there is none of this name, or the type information is broken.
    func number(of name: String) -> Int32? {
        let span = unsafe bytes.span.bytes
        // struct btf_header
        guard span.load(at: 0, as: UInt16.self) == 0xeb9f, let header = word(4), let typesOffset = word(8),
            let typesLength = word(12), let stringsOffset = word(16), let stringsLength = word(20)
        else { return nil }
        let strings = header + stringsOffset
        let end = header + typesOffset + typesLength
        guard end <= bytes.count, strings + stringsLength <= bytes.count else { return nil }
        let wanted = Array(name.utf8) + [0]
        var offset = header + typesOffset
        var number: Int32 = 1
        // struct btf_type and what follows it
        while offset < end {
            guard let text = word(offset), let information = word(offset + 4) else { return nil }
            let kind = UInt32(information >> 24 & 0x1f)
            if kind == Self.function, isText(wanted, at: strings + text, before: strings + stringsLength) {
                return number
            }
            guard let size = Self.size(kind, members: information & 0xffff) else { return nil }
            offset += size
            number += 1
        }
        return nil
    }

    private func word(_ offset: Int) -> Int? {
        unsafe bytes.span.bytes.load(at: offset, as: UInt32.self).map(Int.init)
    }

    private func isText(_ text: [UInt8], at offset: Int, before end: Int) -> Bool {
        guard offset + text.count <= end else { return false }
        for index in 0..<text.count where bytes[offset + index] != text[index] { return false }
        return true
    }

    /// Bytes of a type; nil for a kind that is not known.
    private static func size(_ kind: UInt32, members: Int) -> Int? {
        switch kind {
        case 2, 7, 8, 9, 10, 11, 12, 16, 18: 12  // one reference, or nothing, that `struct btf_type` holds itself
        case 1, 14, 17: 16  // INT, VAR, DECL_TAG
        case 3: 24  // ARRAY
        case 4, 5, 15, 19: 12 + 12 * members  // STRUCT, UNION, DATASEC, ENUM64
        case 6, 13: 12 + 8 * members  // ENUM, FUNC_PROTO
        default: nil
        }
    }
}
