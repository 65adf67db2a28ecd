import Device
import Netlink
import OpenvSwitch

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
struct DoorGreeting: Equatable {
    /// `success`, or why there is no handle; the connection is then closed.
    var status: IOStatus
    var portID: UInt32
    var access: Access

    static let magic: [UInt8] = Array("MARTLET\0".utf8)
    static let version: UInt32 = 1
    static let size = 32

    init(_ status: IOStatus, portID: UInt32 = 0, access: Access = .read) {
        self.status = status
        self.portID = portID
        self.access = access
    }

    /// nil if this is no greeting of a version known here.
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= Self.size, bytes.clamped(0..<8).equals(Self.magic.rawSpan),
            bytes.load(at: 8) == Self.version, let status: UInt32 = bytes.load(at: 12),
            let portID: UInt32 = bytes.load(at: 16), let access: UInt32 = bytes.load(at: 20)
        else { return nil }
        self.init(IOStatus(rawValue: status), portID: portID, access: access == 2 ? .change : .read)
    }

    var bytes: [UInt8] {
        let rights: UInt32 = status != .success ? 0 : access == .change ? 2 : 1
        return Self.magic
            + doorBytes(Self.version, status.rawValue, portID, rights, UInt32(DoorLimits.input), UInt32(DoorLimits.output))
    }
}

/// The header of a request: 16 bytes; the input is behind it.
struct DoorRequest: Equatable {
    /// Chosen by the client; the answer brings it back.
    var tag: UInt32
    var code: IOControlCode
    /// Bytes of the client's output buffer.
    var capacity: UInt32
    var inputLength: UInt32

    static let size = 16

    init(tag: UInt32, code: IOControlCode, capacity: Int, inputLength: Int) {
        self.tag = tag
        self.code = code
        self.capacity = UInt32(clamping: capacity)
        self.inputLength = UInt32(clamping: inputLength)
    }

    /// nil if there are fewer bytes than a header has. The input's length is not checked.
    init?(_ bytes: RawSpan) {
        guard let tag: UInt32 = bytes.load(at: 0), let code: UInt32 = bytes.load(at: 4),
            let capacity: UInt32 = bytes.load(at: 8), let inputLength: UInt32 = bytes.load(at: 12)
        else { return nil }
        self.tag = tag
        self.code = IOControlCode(rawValue: code)
        self.capacity = capacity
        self.inputLength = inputLength
    }

    var bytes: [UInt8] { doorBytes(tag, code.rawValue, capacity, inputLength) }

    /// The input of an I/O control that takes a number.
    static func input(_ number: UInt32) -> [UInt8] { doorBytes(number) }
}

/// The header of an answer: 16 bytes; the output is behind it.
struct DoorAnswer: Equatable {
    var tag: UInt32
    var result: IOResult
    var outputLength: UInt32

    static let size = 16

    init(tag: UInt32, _ result: IOResult, outputLength: Int = 0) {
        self.tag = tag
        self.result = result
        self.outputLength = UInt32(clamping: outputLength)
    }

    /// nil if the length of the output is not that of the bytes behind the header.
    init?(_ bytes: RawSpan) {
        guard let tag: UInt32 = bytes.load(at: 0), let status: UInt32 = bytes.load(at: 4),
            let information: UInt32 = bytes.load(at: 8), let outputLength: UInt32 = bytes.load(at: 12),
            Int(outputLength) == bytes.byteCount - Self.size
        else { return nil }
        self.tag = tag
        result = IOResult(IOStatus(rawValue: status), information: Int(information))
        self.outputLength = outputLength
    }

    var bytes: [UInt8] { doorBytes(tag, result.status.rawValue, result.information, outputLength) }
}

private func doorBytes(_ numbers: UInt32...) -> [UInt8] {
    // Integers have no padding: every byte of the array is initialised.
    unsafe numbers.withUnsafeBytes { unsafe Array($0) }
}
