import OpenvSwitch

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

    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
    mutating func number<T: FixedWidthInteger>(_: T.Type = T.self) -> T { T(truncatingIfNeeded: next()) }
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func chance(_ oneIn: Int) -> Bool { below(oneIn) == 0 }
    mutating func address() -> IPv6Address { IPv6Address(high: next(), low: next()) }
    /// Zero, all ones or anything.
    mutating func mask<T: FixedWidthInteger>(_: T.Type = T.self) -> T {
        switch below(3) {
        case 0: 0
        case 1: ~0
        default: number()
        }
    }
}
