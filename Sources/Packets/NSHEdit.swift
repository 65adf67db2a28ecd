/// The fields of a network service header that an action may set; as a value or as a mask (`OVS_KEY_ATTR_NSH`).
public struct NSHEdit: Equatable, Sendable, BitwiseCopyable {
    /// Two bits.
    public var flags: UInt8
    /// Six bits.
    public var ttl: UInt8
    /// Path identifier (24 bits) and service index (8).
    public var path: UInt32
    /// The context words, two in a number: of metadata of type 1.
    public var contextHigh: UInt64
    public var contextLow: UInt64

    @inlinable
    public init(
        flags: UInt8 = 0, ttl: UInt8 = 0, path: UInt32 = 0, contextHigh: UInt64 = 0, contextLow: UInt64 = 0
    ) {
        self.flags = flags
        self.ttl = ttl
        self.path = path
        self.contextHigh = contextHigh
        self.contextLow = contextLow
    }
}

/// What a network service header that is pushed says beside its metadata; length and next protocol follow from these and
/// from the packet.
public struct NSHBase: Equatable, Sendable, BitwiseCopyable {
    /// Two bits.
    public var flags: UInt8
    /// Six bits.
    public var ttl: UInt8
    /// As `NSHHeader.metadataType`.
    public var metadataType: UInt8
    /// Path identifier (24 bits) and service index (8).
    public var path: UInt32

    @inlinable
    public init(flags: UInt8 = 0, ttl: UInt8 = 0, metadataType: UInt8 = NSHHeader.metadataType1, path: UInt32 = 0) {
        self.flags = flags
        self.ttl = ttl
        self.metadataType = metadataType
        self.path = path
    }
}
