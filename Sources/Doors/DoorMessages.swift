public import Device
import Netlink
public import OpenvSwitch

// What travels over the Unix socket: one greeting, then requests one way and answers the other. Each is a datagram; all
// numbers are in host byte order. docs/device.md describes the same bytes for clients in other languages.

/// What a door carries at most.
enum DoorLimits {
    /// Bytes of a request's input.
    static let input = 128 << 10
    /// Bytes of an answer's output. A larger buffer is as good as one of this size.
    static let output = 192 << 10
    /// Bytes on their way to a peer: an answer of full size, and more behind it.
    static let sendBuffer: Int32 = 512 << 10
}

/// What the door says first: 32 bytes.
public struct DoorGreeting: Equatable, Sendable {
    /// `success`, or why there is no handle; the connection is then closed.
    public var status: IOStatus
    /// The handle's port ID.
    public var portID: UInt32
    /// What the peer may do.
    public var access: Access

    /// What a greeting begins with.
    public static let magic: [UInt8] = Array("MARTLET\0".utf8)
    /// Version of the wire format.
    public static let version: UInt32 = 1
    /// Bytes on the wire.
    public static let size = 32

    public init(_ status: IOStatus, portID: UInt32 = 0, access: Access = .read) {
        self.status = status
        self.portID = portID
        self.access = access
    }

    /// nil if this is no greeting of a version known here.
    public init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= Self.size, bytes.clamped(0..<8).equals(Self.magic.rawSpan),
            bytes.load(at: 8) == Self.version, let status: UInt32 = bytes.load(at: 12),
            let portID: UInt32 = bytes.load(at: 16), let access: UInt32 = bytes.load(at: 20)
        else { return nil }
        self.init(IOStatus(rawValue: status), portID: portID, access: access == 2 ? .change : .read)
    }

    /// The bytes on the wire.
    public var bytes: [UInt8] {
        let rights: UInt32 = status != .success ? 0 : access == .change ? 2 : 1
        return Self.magic
            + doorBytes(
                Self.version, status.rawValue, portID, rights, UInt32(DoorLimits.input), UInt32(DoorLimits.output))
    }
}

/// The header of a request: 16 bytes; the input is behind it.
public struct DoorRequest: Equatable, Sendable {
    /// Chosen by the client; the answer brings it back.
    public var tag: UInt32
    /// Which I/O control.
    public var code: IOControlCode
    /// Bytes of the client's output buffer.
    public var capacity: UInt32
    /// Bytes behind the header.
    public var inputLength: UInt32

    /// Bytes on the wire.
    public static let size = 16

    public init(tag: UInt32, code: IOControlCode, capacity: Int, inputLength: Int) {
        self.tag = tag
        self.code = code
        self.capacity = UInt32(clamping: capacity)
        self.inputLength = UInt32(clamping: inputLength)
    }

    /// nil if there are fewer bytes than a header has. The input's length is not checked.
    public init?(_ bytes: RawSpan) {
        guard let tag: UInt32 = bytes.load(at: 0), let code: UInt32 = bytes.load(at: 4),
            let capacity: UInt32 = bytes.load(at: 8), let inputLength: UInt32 = bytes.load(at: 12)
        else { return nil }
        self.tag = tag
        self.code = IOControlCode(rawValue: code)
        self.capacity = capacity
        self.inputLength = inputLength
    }

    /// The bytes on the wire.
    public var bytes: [UInt8] { doorBytes(tag, code.rawValue, capacity, inputLength) }

    /// The input of an I/O control that takes a number.
    static func input(_ number: UInt32) -> [UInt8] { doorBytes(number) }
}

/// The header of an answer: 16 bytes; the output is behind it.
public struct DoorAnswer: Equatable, Sendable {
    /// That of the request.
    public var tag: UInt32
    /// How the I/O control ended.
    public var result: IOResult
    /// Bytes behind the header.
    public var outputLength: UInt32

    /// Bytes on the wire.
    public static let size = 16

    public init(tag: UInt32, _ result: IOResult, outputLength: Int = 0) {
        self.tag = tag
        self.result = result
        self.outputLength = UInt32(clamping: outputLength)
    }

    /// nil if the length of the output is not that of the bytes behind the header.
    public init?(_ bytes: RawSpan) {
        guard let tag: UInt32 = bytes.load(at: 0), let status: UInt32 = bytes.load(at: 4),
            let information: UInt32 = bytes.load(at: 8), let outputLength: UInt32 = bytes.load(at: 12),
            Int(outputLength) == bytes.byteCount - Self.size
        else { return nil }
        self.tag = tag
        result = IOResult(IOStatus(rawValue: status), information: Int(information))
        self.outputLength = outputLength
    }

    /// The bytes on the wire.
    public var bytes: [UInt8] { doorBytes(tag, result.status.rawValue, result.information, outputLength) }
}

private func doorBytes(_ numbers: UInt32...) -> [UInt8] {
    // Integers have no padding: every byte of the array is initialised.
    unsafe numbers.withUnsafeBytes { unsafe Array($0) }
}
