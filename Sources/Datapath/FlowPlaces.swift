/// The flows of a datapath by number: what dumps walk over.
///
/// A flow keeps its number while it lives; later another one may have it. Blocks of places come and go with the flows, so
/// that nothing is copied when the table grows, and a walk over a table that has shrunk is short.
@safe
struct FlowPlaces: ~Copyable {
    typealias Place = UnsafeMutablePointer<FlowEntry>?

    /// 1,024 places.
    @safe
    private struct Block {
        /// nil if no place is taken.
        var places: UnsafeMutablePointer<Place>?
        /// Bit by bit which places are taken.
        var taken: InlineArray<16, UInt64> = InlineArray(repeating: 0)
        var count = 0
        /// Whether it stands in `withRoom`.
        var isListed = true

        mutating func set(_ index: Int, _ isTaken: Bool) {
            var words = taken.mutableSpan
            if isTaken {
                words[index / 64] |= 1 << UInt64(index % 64)
            } else {
                words[index / 64] &= ~(1 << UInt64(index % 64))
            }
            count += isTaken ? 1 : -1
        }

        /// The first taken place at or behind one, or nil.
        func next(from index: Int) -> Int? {
            let words = taken.span
            var word = index / 64
            var rest = words[word] & (UInt64.max << UInt64(index % 64))
            while rest == 0 {
                word += 1
                guard word < words.count else { return nil }
                rest = words[word]
            }
            return word * 64 + rest.trailingZeroBitCount
        }
    }

    private static let blockSize = 1024
    private var blocks: [Block] = []
    /// Blocks with a free place, perhaps with some that have none any more.
    private var withRoom: [Int] = []
    private(set) var count = 0

    deinit { for index in blocks.indices { unsafe blocks[index].places?.deallocate() } }

    /// The flow at a place.
    subscript(place: UInt32) -> UnsafeMutablePointer<FlowEntry>? {
        let (block, index) = Int(place).quotientAndRemainder(dividingBy: Self.blockSize)
        guard block < blocks.count, let places = unsafe blocks[block].places else { return nil }
        return unsafe places[index]
    }

    /// The flow at the first place that is taken at or behind `place`, or nil.
    func first(from place: UInt64) -> UnsafeMutablePointer<FlowEntry>? {
        guard place < UInt64(blocks.count * Self.blockSize) else { return nil }
        var (block, index) = Int(place).quotientAndRemainder(dividingBy: Self.blockSize)
        while block < blocks.count {
            if let places = unsafe blocks[block].places, let next = blocks[block].next(from: index) {
                return unsafe places[next]
            }
            block += 1
            index = 0
        }
        return nil
    }

    /// Finds a place that is free. It is taken by `set`.
    mutating func free() -> UInt32 {
        while let block = withRoom.last {
            if blocks[block].count < Self.blockSize {
                let taken = blocks[block].taken.span
                var word = 0
                while taken[word] == .max { word += 1 }
                return UInt32(block * Self.blockSize + word * 64 + (~taken[word]).trailingZeroBitCount)
            }
            withRoom.removeLast()
            blocks[block].isListed = false
        }
        blocks.append(Block())
        withRoom.append(blocks.count - 1)
        return UInt32((blocks.count - 1) * Self.blockSize)
    }

    /// Puts a flow at a free place.
    mutating func set(_ place: UInt32, _ flow: UnsafeMutablePointer<FlowEntry>) {
        let (block, index) = Int(place).quotientAndRemainder(dividingBy: Self.blockSize)
        if unsafe blocks[block].places == nil {
            let places = UnsafeMutablePointer<Place>.allocate(capacity: Self.blockSize)
            unsafe places.initialize(repeating: nil, count: Self.blockSize)
            unsafe blocks[block].places = places
        }
        unsafe blocks[block].places![index] = flow
        blocks[block].set(index, true)
        count += 1
    }

    mutating func remove(_ place: UInt32) {
        let (block, index) = Int(place).quotientAndRemainder(dividingBy: Self.blockSize)
        if !blocks[block].isListed {
            withRoom.append(block)
            blocks[block].isListed = true
        }
        unsafe blocks[block].places![index] = nil
        blocks[block].set(index, false)
        count -= 1
        if blocks[block].count == 0 {
            unsafe blocks[block].places?.deallocate()
            unsafe blocks[block].places = nil
        }
    }
}
