public import OpenvSwitch

/// The checksum of IPv4, TCP, UDP, ICMP and ICMPv6: the complement of a ones' complement sum (RFC 1071).
///
/// A sum is carried in 64 bits and brought down to 16 by `fold` at the end. Sums of several pieces may be added, as
/// long as every piece but the last has an even number of bytes. Words count as numbers in network byte order.
public enum InternetChecksum {
    /// The sum of all bytes, as 16-bit words; an odd last byte is followed by a zero.
    @inlinable
    public static func sum(_ bytes: RawSpan) -> UInt64 {
        let count = bytes.byteCount
        var offset = 0
        var sum: UInt64 = 0
        // The loop condition has checked eight bytes. In host byte order this sum is the wanted one with its two bytes
        // swapped (RFC 1071, 2 B); 32-bit halves leave room for the carries of more bytes than memory has.
        while offset &+ 8 <= count {
            let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
            sum &+= (word & 0xffff_ffff) &+ (word &>> 32)
            offset &+= 8
        }
        sum = UInt64(UInt16(bigEndian: fold(sum)))
        while offset &+ 2 <= count {
            sum &+= unsafe UInt64(bytes.bigEndian(offset, as: UInt16.self))
            offset &+= 2
        }
        if offset < count { sum &+= unsafe UInt64(bytes.bigEndian(offset, as: UInt8.self)) &<< 8 }
        return sum
    }

    /// Brings a sum down to 16 bits by adding the carries back in. Only a sum of zeros gives 0.
    @inlinable
    public static func fold(_ sum: UInt64) -> UInt16 {
        var sum = (sum & 0xffff_ffff) &+ (sum &>> 32)
        sum = (sum & 0xffff) &+ (sum &>> 16)
        sum = (sum & 0xffff) &+ (sum &>> 16)
        sum = (sum & 0xffff) &+ (sum &>> 16)
        return UInt16(truncatingIfNeeded: sum)
    }

    /// The checksum of `bytes`, whose checksum field must be zero.
    @inlinable
    public static func checksum(_ bytes: RawSpan) -> UInt16 { ~fold(sum(bytes)) }

    /// The sum over the pseudo header of TCP and UDP over IPv4 (RFC 9293, 3.1).
    /// - Parameter length: bytes of transport header and payload.
    @inlinable
    public static func pseudoHeader(source: UInt32, destination: UInt32, protocolNumber: UInt8, length: Int) -> UInt64 {
        UInt64(source) &+ UInt64(destination) &+ UInt64(protocolNumber) &+ UInt64(UInt32(truncatingIfNeeded: length))
    }

    /// The sum over the pseudo header of TCP, UDP and ICMPv6 over IPv6 (RFC 8200, 8.1).
    /// - Parameter length: bytes of transport header and payload.
    @inlinable
    public static func pseudoHeader(
        source: IPv6Address, destination: IPv6Address, protocolNumber: UInt8, length: Int
    ) -> UInt64 {
        halves(source) &+ halves(destination) &+ UInt64(protocolNumber) &+ UInt64(UInt32(truncatingIfNeeded: length))
    }

    /// What to add to a sum in which `old` was replaced by `new`: ~m + m' (RFC 1624, 3).
    @inlinable
    public static func difference(from old: UInt32, to new: UInt32) -> UInt64 { UInt64(~old) &+ UInt64(new) }

    /// What to add to a sum in which an address was replaced.
    @inlinable
    public static func difference(from old: IPv6Address, to new: IPv6Address) -> UInt64 {
        halves(IPv6Address(high: ~old.high, low: ~old.low)) &+ halves(new)
    }

    /// A checksum after a change of what it covers: HC' = ~(~HC + ~m + m') (RFC 1624, equation 3).
    @inlinable
    public static func updated(_ checksum: UInt16, by difference: UInt64) -> UInt16 {
        ~fold(UInt64(~checksum) &+ difference)
    }

    @inlinable
    static func halves(_ address: IPv6Address) -> UInt64 {
        (address.high &>> 32) &+ (address.high & 0xffff_ffff) &+ (address.low &>> 32) &+ (address.low & 0xffff_ffff)
    }
}
