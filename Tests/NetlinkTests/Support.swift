import Netlink
import Testing

/// A small generator of random numbers: the same seed gives the same numbers, so that a failure can be repeated.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

/// The error that `body` throws, or nil.
func fault(_ body: () throws(NetlinkError) -> Void) -> NetlinkError? {
    do {
        try body()
        return nil
    } catch { return error }
}

/// The bytes of an integer in host byte order.
func host<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    var bytes = (0..<MemoryLayout<T>.size).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    if 1.bigEndian == 1 { bytes.reverse() }
    return bytes
}

/// An attribute made by hand: a header, a payload and, unless told otherwise, padding.
func attribute(_ type: UInt16, _ payload: [UInt8], length: UInt16? = nil, padded: Bool = true) -> [UInt8] {
    var bytes = host(length ?? UInt16(payload.count + 4)) + host(type) + payload
    while padded, bytes.count % 4 != 0 { bytes.append(0) }
    return bytes
}

/// A message header made by hand.
func header(length: UInt32, type: UInt16 = 18, flags: UInt16 = 1, sequence: UInt32 = 7, portID: UInt32 = 9) -> [UInt8] {
    host(length) + host(type) + host(flags) + host(sequence) + host(portID)
}
