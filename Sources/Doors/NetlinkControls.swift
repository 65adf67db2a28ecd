import Netlink
import OpenvSwitch

// What goes in and out of the I/O controls of the Netlink door. All numbers are in host byte order. docs/device.md
// describes the same bytes.

/// A secret of one connection, by which a Netlink socket proves to be the one of that client.
struct NetlinkNonce: Hashable {
    private let halves: SIMD2<UInt64>

    static let size = 16

    /// Numbers that nobody can guess.
    init() { halves = SIMD2(.random(in: .min ... .max), .random(in: .min ... .max)) }

    /// The nonce in a datagram: a message of type `NLMSG_NOOP`, whose header is zero but for length and type, with the
    /// nonce behind it. nil if these are other bytes.
    init?(datagram: RawSpan) {
        guard datagram.byteCount == MessageHeader.size + Self.size,
            MessageHeader(datagram) == MessageHeader(length: UInt32(datagram.byteCount), type: .noop),
            let first: UInt64 = datagram.load(at: 16), let second: UInt64 = datagram.load(at: 24)
        else { return nil }
        halves = SIMD2(first, second)
    }

    var bytes: [UInt8] { hostBytes(halves.x, halves.y) }
}

/// What `netlinkOpen` puts out: 40 bytes.
struct NetlinkOpening {
    /// The port ID of the door's own Netlink socket.
    var portID: UInt32
    /// Which network namespace that socket is in.
    var namespace: NetworkNamespace
    var nonce: NetlinkNonce

    static let size = 40

    var bytes: [UInt8] {
        hostBytes(portID, 0) + hostBytes(namespace.device, namespace.inode) + nonce.bytes
    }
}

/// What the input of `netlinkSend` and `netlinkPull` begins with: 8 bytes.
struct NetlinkOptions {
    var flags: Flags
    /// Bytes of a dump's piece.
    var pieceSize: Int

    static let size = 8
    /// A reader of the kernel's dumps has room for so much, and a piece need not be larger than the kernel's.
    static let pieceSizes = 4096...32_768

    struct Flags: OptionSet {
        let rawValue: UInt32
        /// The socket has the option `NETLINK_EXT_ACK`.
        static let extendedAck = Flags(rawValue: 1)
        /// The socket has the option `NETLINK_CAP_ACK`.
        static let cappedAck = Flags(rawValue: 2)
        /// The client has a dump under way.
        static let dumping = Flags(rawValue: 4)
    }

    init?(_ bytes: RawSpan) {
        guard let flags: UInt32 = bytes.load(at: 0), let size: UInt32 = bytes.load(at: 4) else { return nil }
        self.flags = Flags(rawValue: flags)
        pieceSize = min(max(Int(size), Self.pieceSizes.lowerBound), Self.pieceSizes.upperBound)
    }
}

/// What `netlinkSend` puts out: 32 bytes.
struct NetlinkProgress {
    /// Bytes of the datagram that have been dealt with.
    var consumed = 0
    var flags: Flags = []
    /// Where in the datagram the request of the dump lies that has begun, for `netlinkPull`.
    var dump = 0..<0
    /// Where that dump goes on; zero if it is complete.
    var cursor = DumpCursor.start

    static let size = 32

    struct Flags: OptionSet {
        let rawValue: UInt32
        /// The client's socket had no room: something was not put into its queue.
        static let noRoom = Flags(rawValue: 1)
        /// The message at `consumed` is for the kernel.
        static let kernel = Flags(rawValue: 2)
        /// A dump has begun.
        static let dump = Flags(rawValue: 4)

        var bytes: [UInt8] { hostBytes(rawValue) }
    }

    var bytes: [UInt8] {
        hostBytes(
            UInt32(clamping: consumed), flags.rawValue, UInt32(clamping: dump.lowerBound), UInt32(clamping: dump.count))
            + cursor.bytes
    }
}

/// What `netlinkPull` puts out: 24 bytes.
struct NetlinkPiece {
    /// `noRoom` or nothing.
    var flags: NetlinkProgress.Flags
    /// Where the dump goes on; zero if it is complete.
    var cursor: DumpCursor

    static let size = 24

    var bytes: [UInt8] { hostBytes(flags.rawValue, 0) + cursor.bytes }
}
