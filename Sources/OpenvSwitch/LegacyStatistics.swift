import Netlink

/// What the legacy device answers to `getStatistics`: a structure of fixed places in host byte order, without Netlink.
///
/// It begins with its own size and version. A later version is longer and keeps what is here where it is.
public struct LegacyStatistics: Equatable, Sendable {
    /// Bytes that the device has to tell; more than `size` if it is of a later version.
    public var fullSize: UInt32
    public var version: UInt32
    /// Milliseconds since the device was made.
    public var uptime: UInt64 = 0
    public var datapaths: UInt64 = 0
    public var vports: UInt64 = 0
    /// Flows and masks of all datapaths.
    public var flows: UInt64 = 0
    public var masks: UInt64 = 0
    /// Packets that matched a flow, that matched none, and upcalls that were lost, of the datapaths that are there now.
    public var hit: UInt64 = 0
    public var missed: UInt64 = 0
    public var lost: UInt64 = 0
    /// Handles that are open, of the Netlink device and of the legacy device.
    public var handles: UInt64 = 0
    public var legacyHandles: UInt64 = 0

    /// Bytes of this version.
    public static let size = 88

    public init() {
        fullSize = UInt32(Self.size)
        version = 1
    }

    /// nil if there are fewer bytes than version 1 has. What a later version has behind them is passed over.
    public init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= Self.size, let size: UInt32 = bytes.load(at: 0),
            let version: UInt32 = bytes.load(at: 4)
        else { return nil }
        func number(_ index: Int) -> UInt64 { bytes.load(at: 8 + 8 * index) ?? 0 }
        fullSize = size
        self.version = version
        uptime = number(0)
        datapaths = number(1)
        vports = number(2)
        flows = number(3)
        masks = number(4)
        hit = number(5)
        missed = number(6)
        lost = number(7)
        handles = number(8)
        legacyHandles = number(9)
    }

    public var bytes: [UInt8] {
        hostBytes([fullSize, version])
            + hostBytes([uptime, datapaths, vports, flows, masks, hit, missed, lost, handles, legacyHandles])
    }
}
