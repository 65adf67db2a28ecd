// The loads and stores that every reader and writer of this module, and of those below it, goes through.
//
// A load checks its bounds once and then reads without further checks; out of bounds it answers nil. Nothing here can trap.

extension RawSpan {
    /// The integer in host byte order at `offset`, or nil if it does not lie inside the span.
    @inlinable
    public func load<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: T.Type = T.self) -> T? {
        guard offset >= 0, offset <= byteCount - MemoryLayout<T>.size else { return nil }
        // The range was checked in the line above, and every bit pattern is a value of an integer type.
        return unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: T.self)
    }

    /// The integer in network byte order (big endian) at `offset`, or nil if it does not lie inside the span.
    @inlinable
    public func loadBigEndian<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: T.Type = T.self) -> T? {
        load(at: offset, as: T.self).map { T(bigEndian: $0) }
    }

    /// The bytes in `range` clamped to the span, so that no range can trap. Making the range can: where its lower bound may be
    /// greater than its upper one, use `clamped(from:)`.
    @inlinable
    @_lifetime(copy self)
    public func clamped(_ range: Range<Int>) -> RawSpan {
        let lower = min(max(range.lowerBound, 0), byteCount)
        let upper = min(max(range.upperBound, lower), byteCount)
        return extracting(lower..<upper)
    }

    /// The bytes from `offset` on; none if it lies behind the end. Unlike a range from `offset` to the end, which cannot even
    /// be made then, it does not trap.
    @inlinable
    @_lifetime(copy self)
    public func clamped(from offset: Int) -> RawSpan {
        extracting(min(max(offset, 0), byteCount)..<byteCount)
    }

    /// A copy of the bytes.
    @inlinable
    public func copyBytes() -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            // The array offers exactly `byteCount` bytes, and all of them are written.
            unsafe self.withUnsafeBytes { source in
                if source.count > 0 {
                    unsafe UnsafeMutableRawBufferPointer(buffer).copyMemory(from: source)
                }
            }
            count = byteCount
        }
    }

    /// Whether every byte is zero.
    @inlinable
    public var isAllZero: Bool {
        for offset in 0..<byteCount where load(at: offset, as: UInt8.self) != 0 { return false }
        return true
    }

    /// Whether both spans hold the same bytes.
    @inlinable
    public func equals(_ other: RawSpan) -> Bool {
        guard byteCount == other.byteCount else { return false }
        for offset in 0..<byteCount where load(at: offset, as: UInt8.self) != other.load(at: offset, as: UInt8.self) {
            return false
        }
        return true
    }
}

/// `length` rounded up to the four bytes that Netlink aligns messages and attributes to (`NLMSG_ALIGN`, `NLA_ALIGN`).
@inlinable
public func netlinkAligned(_ length: Int) -> Int { (length &+ 3) & ~3 }

extension [UInt8] {
    /// A view of the array's bytes, for the readers of this module.
    @inlinable
    public var rawSpan: RawSpan {
        @_lifetime(borrow self)
        // Bytes have no padding, so that every byte of the array is initialised.
        get { unsafe span.bytes }
    }
}
