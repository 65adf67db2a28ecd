import OpenvSwitch
import Synchronization

/// A megaflow as the packet threads see it.
@safe
struct FlowEntry: ~Copyable {
    /// The key, masked.
    let key: FlowKey
    /// The mask. Shared by all flows of a mask table; a copy here keeps a look-up in one place of memory.
    let mask: FlowMask
    /// The words in which the mask is not all zero.
    let firstWord: Int
    let endWord: Int
    /// The options of a tunnel, masked, and behind them their mask; nil if there are none.
    let options: UnsafeMutablePointer<UInt8>?
    let optionCount: Int
    /// Hash of the masked key, never 0.
    let hash: UInt32
    /// As the control thread's `Flow` has it.
    let serial: UInt64
    let datapath: UnsafeMutablePointer<DatapathEntry>
    /// What to do; replaced as a whole.
    let program: Atomic<UnsafeMutablePointer<ActionProgram>>
    /// One for each reader.
    let counters: UnsafeMutablePointer<FlowCounters>
    let readerCount: Int

    init(
        serial: UInt64, match: FlowMatch, datapath: UnsafeMutablePointer<DatapathEntry>,
        program: UnsafeMutablePointer<ActionProgram>, readerCount: Int
    ) {
        self.serial = serial
        key = match.maskedKey
        mask = match.mask
        let words = match.mask.significantWords
        firstWord = words.lowerBound
        endWord = words.upperBound
        hash = match.maskedKey.maskedHash(match.mask, firstWord, endWord)
        optionCount = match.tunnelOptions.value.count
        unsafe options = Self.copy(match.tunnelOptions)
        unsafe self.datapath = datapath
        unsafe self.program = Atomic(program)
        self.readerCount = readerCount
        unsafe counters = .allocate(capacity: readerCount)
        for index in 0..<readerCount { unsafe (counters + index).initialize(to: FlowCounters()) }
    }

    deinit {
        unsafe ActionProgram.free(program.load(ordering: .relaxed))
        unsafe counters.deinitialize(count: readerCount)
        unsafe counters.deallocate()
        unsafe options?.deallocate()
    }

    private static func copy(_ options: TunnelOptionsMatch) -> UnsafeMutablePointer<UInt8>? {
        // Options of which nothing is compared need not be there.
        guard options.mask.contains(where: { $0 != 0 }) else { return nil }
        let bytes = options.maskedValue + options.mask
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
        for (index, byte) in bytes.enumerated() { unsafe (memory + index).initialize(to: byte) }
        return unsafe memory
    }

    /// Whether a packet matches.
    /// - Parameter tunnelOptions: see `TunnelOptions.bytes`.
    @inline(__always)
    func matches(_ packet: borrowing FlowKey, _ tunnelOptions: UnsafePointer<UInt8>) -> Bool {
        unsafe matches(packet) && (options == nil || matches(tunnelOptions))
    }

    /// Whether the options of a tunnel match. The key has been compared, and with it how many there are.
    @inline(never)
    private func matches(_ tunnelOptions: UnsafePointer<UInt8>) -> Bool {
        guard let options = unsafe options else { return true }
        var difference: UInt8 = 0
        for index in 0..<optionCount {
            difference |= unsafe (tunnelOptions[index] & options[optionCount &+ index]) ^ options[index]
        }
        return difference == 0
    }

    /// Whether a packet's key matches.
    @inline(__always)
    private func matches(_ packet: borrowing FlowKey) -> Bool {
        let (packet, mask, key) = (packet.words.span, mask.words.span, key.words.span)
        var difference: UInt64 = 0
        var index = firstWord
        while index < endWord {
            difference |= (packet[index] & mask[index]) ^ key[index]
            index &+= 1
        }
        return difference == 0
    }
}

/// Counters of one packet thread for one flow.
struct FlowCounters: ~Copyable {
    let packets = Counter()
    let bytes = Counter()
    /// Milliseconds of the monotonic clock at the last hit; 0 for never.
    let used = Counter()
    let tcpFlags = Counter()
}

extension FlowKey {
    /// Hash of the key's words under a mask; never 0.
    @inline(__always)
    func maskedHash(_ mask: borrowing FlowMask, _ first: Int, _ end: Int) -> UInt32 {
        let (words, mask) = (words.span, mask.words.span)
        var hash: UInt64 = 0x9e37_79b9_7f4a_7c15
        var index = first
        while index < end {
            hash = (hash ^ (words[index] & mask[index])) &* 0xff51_afd7_ed55_8ccd
            hash ^= hash &>> 32
            index &+= 1
        }
        let folded = UInt32(truncatingIfNeeded: hash ^ (hash &>> 29))
        return folded == 0 ? 1 : folded
    }
}
