extension FlowKey: Equatable, Hashable {
    @inlinable
    public static func == (left: FlowKey, right: FlowKey) -> Bool {
        var difference: UInt64 = 0
        for index in 0..<wordCount { difference |= left.words[index] ^ right.words[index] }
        return difference == 0
    }

    public func hash(into hasher: inout Hasher) {
        unsafe withUnsafeBytes(of: words) { unsafe hasher.combine(bytes: $0) }
    }

    /// What a key says of a packet that is not in its headers: recirculation, hash, priority, mark and input port.
    public init(metadataOf key: FlowKey) {
        self.init()
        recircID = key.recircID
        dpHash = key.dpHash
        priority = key.priority
        skbMark = key.skbMark
        inPort = key.inPort
    }

    /// The key with every bit outside the mask cleared.
    @inlinable
    public func masked(by mask: FlowMask) -> FlowKey {
        var result = self
        for index in 0..<Self.wordCount { result.words[index] &= mask.words[index] }
        return result
    }

    /// The words that a mask touches: the first that is not zero up to behind the last.
    public var significantWords: Range<Int> {
        var first = 0
        while first < Self.wordCount, words[first] == 0 { first += 1 }
        var end = Self.wordCount
        while end > first, words[end - 1] == 0 { end -= 1 }
        return first..<end
    }
}
