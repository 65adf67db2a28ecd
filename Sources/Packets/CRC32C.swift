/// The checksum of SCTP (RFC 9260, appendix A): CRC32c with the polynomial 0x1edc6f41, bits reflected.
public enum CRC32C {
    /// The polynomial with its bits reflected: bit 31 stands for x^0, and x^32 is implied.
    static let polynomial: UInt32 = 0x82f6_3b78

    /// The CRC of `bytes`. A field that is to count as zero is named by its offset; its four bytes are skipped.
    public static func checksum(_ bytes: RawSpan, zeroFieldAt field: Int = -4) -> UInt32 {
        // The remainders of the sixteen values of half a byte; computing them costs less than a table kept in memory.
        var table = InlineArray<16, UInt32>(repeating: 0)
        for index in 0..<16 {
            var entry = UInt32(index)
            for _ in 0..<4 { entry = timesX(entry) }
            table[index] = entry
        }
        var crc = ~UInt32(0)
        for offset in 0..<bytes.byteCount {
            // `offset` is below the byte count.
            let byte = unsafe bytes.bigEndian(offset, as: UInt8.self)
            crc ^= offset >= field && offset &- field < 4 ? 0 : UInt32(byte)
            crc = crc &>> 4 ^ table[Int(crc & 0xf)]
            crc = crc &>> 4 ^ table[Int(crc & 0xf)]
        }
        return ~crc
    }

    /// What to xor into the CRC when four bytes of its message change.
    ///
    /// The CRC is linear, so the old CRC need not be right and the rest of the message is not read: what remains of an
    /// error is the same error.
    /// - Parameters:
    ///   - change: old xor new of the four bytes, as a number in network byte order.
    ///   - following: number of bytes of the message behind them.
    public static func difference(of change: UInt32, followedBy following: Int) -> UInt32 {
        var remainder = change.byteSwapped
        for _ in 0..<32 { remainder = timesX(remainder) }
        // Times x^8 for every byte behind, by squaring.
        var count = max(following, 0)
        var power: UInt32 = 0x0080_0000
        while count > 0 {
            if count & 1 != 0 { remainder = product(remainder, power) }
            power = product(power, power)
            count &>>= 1
        }
        return remainder
    }

    @inline(__always)
    private static func timesX(_ value: UInt32) -> UInt32 { value & 1 != 0 ? value &>> 1 ^ polynomial : value &>> 1 }

    /// The product of two polynomials, modulo that of the CRC.
    private static func product(_ left: UInt32, _ right: UInt32) -> UInt32 {
        var result: UInt32 = 0
        var left = left
        var right = right
        while left != 0 {
            if left & 0x8000_0000 != 0 { result ^= right }
            left &<<= 1
            right = timesX(right)
        }
        return result
    }
}
