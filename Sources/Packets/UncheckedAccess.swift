// The loads and stores of this module. A header's bounds are checked once, with `holds`; what follows is not checked
// again in a release build. In a debug build every access is asserted, so that the tests find a load that nothing has
// vouched for.

public import OpenvSwitch

extension RawSpan {
    /// Whether `count` bytes lie at `offset`. No numbers can make this trap.
    @inlinable
    func holds(_ count: Int, at offset: Int) -> Bool {
        offset >= 0 && count >= 0 && byteCount &- offset >= count
    }

    /// The integer in network byte order at `offset`, which the caller has checked with `holds`.
    @unsafe
    @inlinable
    @inline(__always)
    func bigEndian<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type) -> T {
        assert(holds(MemoryLayout<T>.size, at: offset))
        return unsafe T(bigEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: T.self))
    }

    /// The 48-bit number that the six bytes at `offset` make, which the caller has checked with `holds`.
    @unsafe
    @inlinable
    @inline(__always)
    func mac(_ offset: Int) -> UInt64 {
        let high = unsafe bigEndian(offset, as: UInt32.self)
        let low = unsafe bigEndian(offset &+ 4, as: UInt16.self)
        return UInt64(high) &<< 16 | UInt64(low)
    }

    /// The IPv6 address in the 16 bytes at `offset`, which the caller has checked with `holds`.
    @unsafe
    @inlinable
    @inline(__always)
    func ipv6Address(_ offset: Int) -> IPv6Address {
        unsafe IPv6Address(high: bigEndian(offset, as: UInt64.self), low: bigEndian(offset &+ 8, as: UInt64.self))
    }

    /// The bytes from `offset` on, which the caller has checked to be at most `byteCount`.
    @unsafe
    @inlinable
    @inline(__always)
    @_lifetime(copy self)
    func from(_ offset: Int) -> RawSpan {
        assert(holds(0, at: offset))
        return unsafe extracting(unchecked: Range(uncheckedBounds: (offset, byteCount)))
    }
}

extension Packet {
    /// Whether `count` bytes of the frame lie at `offset`.
    @inlinable
    func holds(_ count: Int, at offset: Int) -> Bool {
        offset >= 0 && count >= 0 && length &- offset >= count
    }

    /// The integer in network byte order at `offset` of the frame, which the caller has checked with `holds`.
    @unsafe
    @inline(__always)
    func bigEndian<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type) -> T {
        unsafe bytes.bigEndian(offset, as: T.self)
    }

    /// Writes an integer in network byte order to `offset` of the frame, which the caller has checked with `holds`.
    @unsafe
    @inline(__always)
    mutating func setBigEndian<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _ value: T) {
        assert(holds(MemoryLayout<T>.size, at: offset))
        unsafe (slot + start + offset).storeBytes(of: value.bigEndian, as: T.self)
    }

    /// Writes a MAC address to the six bytes at `offset`, which the caller has checked with `holds`.
    @unsafe
    @inline(__always)
    mutating func setMAC(_ offset: Int, _ value: UInt64) {
        unsafe setBigEndian(offset, UInt32(truncatingIfNeeded: value &>> 16))
        unsafe setBigEndian(offset &+ 4, UInt16(truncatingIfNeeded: value))
    }

    /// Writes an IPv6 address to the 16 bytes at `offset`, which the caller has checked with `holds`.
    @unsafe
    @inline(__always)
    mutating func setIPv6Address(_ offset: Int, _ value: IPv6Address) {
        unsafe setBigEndian(offset, value.high)
        unsafe setBigEndian(offset &+ 8, value.low)
    }
}
