// Loops go through the span of the words: the subscript of an inline array copies the whole array where the index is not a
// constant.

extension FlowKey: Equatable, Hashable {
    @inlinable
    public static func == (left: FlowKey, right: FlowKey) -> Bool {
        let (left, right) = (left.words.span, right.words.span)
        var difference: UInt64 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }

    public func hash(into hasher: inout Hasher) {
        let words = words.span
        for index in words.indices { hasher.combine(words[index]) }
    }

    /// Lends the words where they stand: the span of an array inside a larger value copies the array first.
    @inlinable
    @inline(__always)
    public mutating func withWords<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafePointer<UInt64>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe withUnsafeMutablePointer(to: &words) { (words) throws(Failure) in
            // An inline array is its elements and nothing else.
            try unsafe body(UnsafeRawPointer(words).assumingMemoryBound(to: UInt64.self))
        }
    }

    /// Lends the words where they stand, to be changed.
    @inlinable
    @inline(__always)
    public mutating func withMutableWords<Result: ~Copyable>(
        _ body: (UnsafeMutablePointer<UInt64>) -> Result
    ) -> Result {
        unsafe withUnsafeMutablePointer(to: &words) { words in
            // As above.
            unsafe body(UnsafeMutableRawPointer(words).assumingMemoryBound(to: UInt64.self))
        }
    }

    /// Makes all words zero, in place.
    @inlinable
    @inline(__always)
    public mutating func clear() {
        unsafe withMutableWords { words in
            for index in 0..<Self.wordCount { unsafe words[index] = 0 }
        }
    }

    /// What a key says of a packet that is not in its headers: recirculation, hash, priority, mark, input port, connection
    /// and tunnel.
    public init(metadataOf key: FlowKey) {
        self.init()
        (words[0], words[1]) = (key.words[0], key.words[1])
        inPort = key.inPort
        tunnelFamily = key.tunnelFamily
        var words = self.words.mutableSpan
        let other = key.words.span
        for index in Self.metadataWords { words[index] = other[index] }
    }

    /// Connection and tunnel.
    private static let metadataWords = 16..<wordCount

    /// The key with every bit outside the mask cleared.
    @inlinable
    public func masked(by mask: FlowMask) -> FlowKey {
        var result = self
        var words = result.words.mutableSpan
        let mask = mask.words.span
        for index in words.indices { words[index] &= mask[index] }
        return result
    }

    /// The words that a mask touches: the first that is not zero up to behind the last.
    public var significantWords: Range<Int> {
        let words = words.span
        var first = 0
        while first < Self.wordCount, words[first] == 0 { first += 1 }
        var end = Self.wordCount
        while end > first, words[end - 1] == 0 { end -= 1 }
        return first..<end
    }
}
