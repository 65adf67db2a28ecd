/// Numbers found by a hash: an open-addressed table of 8 bytes for each number. What a number stands for knows whether it
/// is the one looked for.
struct HashIndex {
    /// Hash (upper half) and number (lower half); 0 where there is none.
    private var slots: [UInt64] = [UInt64](repeating: 0, count: Self.leastCapacity)
    private(set) var count = 0
    private static let leastCapacity = 16

    private static func word(_ hash: UInt32, _ number: UInt32) -> UInt64 {
        // So that no word is 0.
        UInt64(hash | 1) << 32 | UInt64(number)
    }

    private func home(_ word: UInt64) -> Int { Int(truncatingIfNeeded: word >> 33) & (slots.count - 1) }

    /// The number with this hash for which `isWanted`, or nil.
    func find(_ hash: UInt32, where isWanted: (UInt32) -> Bool) -> UInt32? {
        let wanted = Self.word(hash, 0) >> 32
        var index = home(Self.word(hash, 0))
        while slots[index] != 0 {
            let number = UInt32(truncatingIfNeeded: slots[index])
            if slots[index] >> 32 == wanted, isWanted(number) { return number }
            index = (index + 1) & (slots.count - 1)
        }
        return nil
    }

    /// Puts a number in. It may be there already with another hash, not with this one.
    mutating func insert(_ hash: UInt32, _ number: UInt32) {
        if (count + 1) * 4 > slots.count * 3 { resize(slots.count * 2) }
        put(Self.word(hash, number))
        count += 1
    }

    mutating func remove(_ hash: UInt32, _ number: UInt32) {
        let wanted = Self.word(hash, number)
        var index = home(wanted)
        while slots[index] != wanted {
            guard slots[index] != 0 else { return }
            index = (index + 1) & (slots.count - 1)
        }
        // Those behind it move up, unless they would come to stand in front of their home.
        var hole = index
        while true {
            index = (index + 1) & (slots.count - 1)
            guard slots[index] != 0 else { break }
            let distance = (index - home(slots[index])) & (slots.count - 1)
            guard distance >= (index - hole) & (slots.count - 1) else { continue }
            slots[hole] = slots[index]
            hole = index
        }
        slots[hole] = 0
        count -= 1
        if slots.count > Self.leastCapacity, count * 8 < slots.count { resize(slots.count / 2) }
    }

    private mutating func put(_ word: UInt64) {
        var index = home(word)
        while slots[index] != 0 { index = (index + 1) & (slots.count - 1) }
        slots[index] = word
    }

    private mutating func resize(_ capacity: Int) {
        let old = slots
        slots = [UInt64](repeating: 0, count: capacity)
        for word in old where word != 0 { put(word) }
    }
}
