import OpenvSwitch
import Synchronization

/// A megaflow as the packet threads see it.
///
/// An entry, the words that it compares and its counters lie in one block of memory, and the mask with that of all flows
/// that share it, so that a packet on its way touches as little memory as possible.
@safe
struct FlowEntry: ~Copyable {
    let datapath: UnsafeMutablePointer<DatapathEntry>
    /// The words of the mask, which its `MaskTable` owns.
    let mask: MaskWords
    /// As many words of the masked key.
    let words: UnsafePointer<UInt64>
    /// The options of a tunnel, masked, and behind them their mask; nil if there are none.
    let options: UnsafeMutablePointer<UInt8>?
    /// What to do; replaced as a whole.
    let program: Atomic<UnsafeMutablePointer<ActionProgram>>
    /// One for each reader.
    let counters: UnsafeMutablePointer<FlowCounters>
    /// Hash of the masked key, never 0.
    let hash: UInt32
    let optionCount: Int
    let readerCount: Int
    /// As the control thread's `Flow` has it.
    let serial: UInt64

    /// - Parameter mask: of the table that the flow is going to be in.
    static func make(
        serial: UInt64, match: FlowMatch, mask: MaskWords, datapath: UnsafeMutablePointer<DatapathEntry>,
        program: UnsafeMutablePointer<ActionProgram>, readerCount: Int
    ) -> UnsafeMutablePointer<FlowEntry> {
        let wordsStart = MemoryLayout<FlowEntry>.stride
        let countersStart = wordsStart + mask.count * MemoryLayout<UInt64>.stride
        let size = countersStart + readerCount * MemoryLayout<FlowCounters>.stride
        let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        let words = unsafe (block + wordsStart).bindMemory(to: UInt64.self, capacity: mask.count)
        var key = match.maskedKey
        let hash = unsafe key.withWords { (key: UnsafePointer<UInt64>) -> UInt32 in
            for index in 0..<mask.count { unsafe (words + index).initialize(to: key[mask.first + index]) }
            return unsafe mask.hash(of: key)
        }
        let counters = unsafe (block + countersStart).bindMemory(to: FlowCounters.self, capacity: readerCount)
        for index in 0..<readerCount { unsafe (counters + index).initialize(to: FlowCounters()) }
        let entry = unsafe block.bindMemory(to: FlowEntry.self, capacity: 1)
        unsafe entry.initialize(
            to: FlowEntry(
                datapath: datapath, mask: mask, words: UnsafePointer(words), options: copy(match.tunnelOptions),
                program: Atomic(program), counters: counters, hash: hash,
                optionCount: match.tunnelOptions.value.count, readerCount: readerCount, serial: serial))
        return unsafe entry
    }

    static func free(_ entry: UnsafeMutablePointer<FlowEntry>) {
        unsafe ActionProgram.free(entry.pointee.program.load(ordering: .relaxed))
        unsafe entry.pointee.counters.deinitialize(count: entry.pointee.readerCount)
        unsafe entry.pointee.options?.deallocate()
        unsafe entry.deinitialize(count: 1)
        unsafe UnsafeMutableRawPointer(entry).deallocate()
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
    /// - Parameters:
    ///   - packet: the words of its key.
    ///   - tunnelOptions: see `TunnelOptions.bytes`.
    @inline(__always)
    func matches(_ packet: UnsafePointer<UInt64>, _ tunnelOptions: UnsafePointer<UInt8>) -> Bool {
        unsafe mask.matches(packet, words) && (options == nil || matches(tunnelOptions))
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
}

/// Counters of one packet thread for one flow.
struct FlowCounters: ~Copyable {
    let packets = Counter()
    let bytes = Counter()
    /// Milliseconds of the monotonic clock at the last hit; 0 for never.
    let used = Counter()
    let tcpFlags = Counter()
}
