import Glibc
public import LinuxSystem

/// Captures in the classic pcap format: reading and writing files. `PcapReader` and `PcapWriter` do the rest in memory.
public enum PcapFile {
    /// Reads a whole file.
    /// - Parameter maximumSize: bytes; a longer file is refused.
    /// - Throws: the error of a system call, `EFBIG` for a file that is too long.
    public static func load(_ path: String, maximumSize: Int = 1 << 30) throws(LinuxError) -> [UInt8] {
        // The path is NUL-terminated during the call.
        let file = Descriptor(
            try Syscall.call("open", "cannot open \(path)") { unsafe open(path, O_RDONLY | O_CLOEXEC) })
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try Syscall.call("read", "cannot read \(path)") {
                // The kernel writes at most the array's bytes.
                unsafe piece.withUnsafeMutableBytes { unsafe read(file.raw, $0.baseAddress, $0.count) }
            }
            if count == 0 { return bytes }
            guard count <= maximumSize - bytes.count else {
                throw LinuxError(errno: EFBIG, explanation: "\(path) has more than \(maximumSize) bytes")
            }
            bytes.append(contentsOf: piece.prefix(count))
        }
    }

    /// Writes a whole file, in place of one that is there. Only its owner may read it.
    /// - Throws: the error of a system call.
    public static func save(_ bytes: [UInt8], to path: String) throws(LinuxError) {
        // The path is NUL-terminated during the call.
        let file = Descriptor(
            try Syscall.call("open", "cannot write \(path)") {
                unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            })
        var written = 0
        while written < bytes.count {
            let start = written
            written += try Syscall.call("write", "cannot write \(path)") {
                // `start` is less than the count, so base and length stay inside the array.
                unsafe bytes.withUnsafeBytes { source in
                    unsafe write(file.raw, source.baseAddress.map { unsafe $0 + start }, source.count - start)
                }
            }
        }
    }
}

/// What the packets of a capture are (`LINKTYPE_*`). Open: other numbers exist.
public struct PcapLinkType: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Ethernet frames.
    public static let ethernet = PcapLinkType(rawValue: 1)
    /// Netlink messages behind a 16-byte header in network byte order: packet type, ARP hardware type, ten reserved
    /// bytes, protocol.
    public static let netlink = PcapLinkType(rawValue: 253)
}

/// Units of a capture's times below the second.
public enum PcapResolution: Sendable {
    case microseconds, nanoseconds
}

/// Why bytes are not a capture, or not a whole one.
public struct PcapError: Error, Equatable, Sendable {
    public enum Code: UInt8, Sendable {
        /// The bytes do not begin with a number that marks a classic capture.
        case notCapture
        /// The format's version is not 2.
        case unsupportedVersion
        /// The bytes end before the header does, or before the packet its record promises.
        case truncated
        /// A record promises more bytes than a packet can have.
        case packetTooLong
    }

    public let code: Code
    /// Byte offset of the header or record at fault from the start of the capture.
    public let offset: Int

    public init(_ code: Code, at offset: Int) {
        self.code = code
        self.offset = offset
    }
}

extension PcapError: CustomStringConvertible {
    public var description: String {
        let what =
            switch code {
            case .notCapture: "these bytes are not a pcap capture"
            case .unsupportedVersion: "this version of pcap is not supported"
            case .truncated: "the capture ends too early"
            case .packetTooLong: "the record promises more bytes than a packet can have"
            }
        return "\(what), at byte \(offset)"
    }
}
