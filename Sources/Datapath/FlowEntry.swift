import OpenvSwitch
import Synchronization

/// A megaflow: what packet threads need of it, and behind that what only control does (`Flow`).
///
/// An entry, the words that it compares, its counters and its identity lie in one block of memory, and the mask with that
/// of all flows that share it, so that a packet on its way touches as little memory as possible, and a million flows do
/// not take much.
@safe
struct FlowEntry: ~Copyable {
    /// nil once the flow has been taken out; see `RemovedFlows`.
    private let datapath: Atomic<UnsafeMutablePointer<DatapathEntry>?>
    /// The words of the mask, which its `SharedMask` owns.
    let mask: MaskWords
    /// As many words of the masked key.
    let words: UnsafePointer<UInt64>
    /// The options of a tunnel, masked, and behind them their mask; nil if none are compared.
    let options: UnsafeMutablePointer<UInt8>?
    /// What to do; replaced as a whole.
    let program: Atomic<UnsafeMutablePointer<ActionProgram>>
    /// One for each reader.
    let counters: UnsafeMutablePointer<FlowCounters>

    // What follows is control's.

    /// The table of its mask, which stays while it has flows.
    let table: UnsafeMutablePointer<MaskTable>
    /// What the counters said when the statistics were last cleared; nil if they never were.
    let cleared: Atomic<UnsafeMutablePointer<FlowUsage>?>
    /// Hash of the masked key, never 0.
    let hash: UInt32
    /// Where the flow stands among those of its datapath.
    let place: UInt32
    let optionCount: UInt8
    let readerCount: UInt8
    /// The words of the unmasked key that are not zero, behind the counters, if there is no UFID.
    let keyStart: UInt8
    let keyCount: UInt8
    /// What stands behind the counters is the client's identifier, a `UFID`; else it is the unmasked key, and the
    /// unmasked options of its tunnel.
    let hasUFID: Bool

    /// - Parameter table: the one that the flow is going to be in.
    static func make(
        place: UInt32, match: FlowMatch, ufid: UFID?, table: UnsafeMutablePointer<MaskTable>,
        datapath: UnsafeMutablePointer<DatapathEntry>, program: UnsafeMutablePointer<ActionProgram>, readerCount: Int
    ) -> UnsafeMutablePointer<FlowEntry> {
        let mask = unsafe table.pointee.mask
        let keyRange = ufid == nil ? match.key.significantWords : 0..<0
        let optionCount = match.tunnelOptions.value.count
        let wordsStart = MemoryLayout<FlowEntry>.stride
        let countersStart = wordsStart + mask.count * MemoryLayout<UInt64>.stride
        let identityStart = countersStart + readerCount * MemoryLayout<FlowCounters>.stride
        let identitySize =
            ufid == nil ? keyRange.count * MemoryLayout<UInt64>.stride + optionCount : MemoryLayout<UFID>.stride
        let block = UnsafeMutableRawPointer.allocate(byteCount: identityStart + identitySize, alignment: 16)

        let words = unsafe (block + wordsStart).bindMemory(to: UInt64.self, capacity: mask.count)
        var key = match.maskedKey
        let hash = unsafe key.withWords { (key: UnsafePointer<UInt64>) -> UInt32 in
            for index in 0..<mask.count { unsafe (words + index).initialize(to: key[mask.first + index]) }
            return unsafe mask.hash(of: key, table.pointee.factors)
        }
        let counters = unsafe (block + countersStart).bindMemory(to: FlowCounters.self, capacity: readerCount)
        for index in 0..<readerCount { unsafe (counters + index).initialize(to: FlowCounters()) }
        let identity = unsafe block + identityStart
        if let ufid {
            unsafe identity.initializeMemory(as: UFID.self, to: ufid)
        } else {
            let all = match.key.words.span
            let key = unsafe identity.bindMemory(to: UInt64.self, capacity: keyRange.count)
            for index in keyRange { unsafe (key + (index - keyRange.lowerBound)).initialize(to: all[index]) }
            let options = unsafe identity + keyRange.count * MemoryLayout<UInt64>.stride
            for index in 0..<optionCount {
                unsafe options.storeBytes(of: match.tunnelOptions.value[index], toByteOffset: index, as: UInt8.self)
            }
        }
        let entry = unsafe block.bindMemory(to: FlowEntry.self, capacity: 1)
        unsafe entry.initialize(
            to: FlowEntry(
                datapath: Atomic(datapath), mask: mask, words: UnsafePointer(words), options: copy(match.tunnelOptions),
                program: Atomic(program), counters: counters, table: table, cleared: Atomic(nil), hash: hash,
                place: place,
                optionCount: UInt8(optionCount), readerCount: UInt8(readerCount), keyStart: UInt8(keyRange.lowerBound),
                keyCount: UInt8(keyRange.count), hasUFID: ufid != nil))
        return unsafe entry
    }

    /// Frees the entry, not its program.
    static func free(_ entry: UnsafeMutablePointer<FlowEntry>) {
        unsafe entry.pointee.counters.deinitialize(count: Int(entry.pointee.readerCount))
        unsafe entry.pointee.options?.deallocate()
        unsafe entry.pointee.cleared.load(ordering: .relaxed)?.deallocate()
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

    // MARK: Packet threads

    /// Whether the flow is one of a datapath. Ask this of a flow that was found some time ago before anything else.
    @inline(__always)
    func isIn(_ datapath: UnsafeMutablePointer<DatapathEntry>) -> Bool {
        unsafe self.datapath.load(ordering: .relaxed) == datapath
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
        let optionCount = Int(optionCount)
        var difference: UInt8 = 0
        for index in 0..<optionCount {
            difference |= unsafe (tunnelOptions[index] & options[optionCount &+ index]) ^ options[index]
        }
        return difference == 0
    }

    // MARK: Control

    /// Says that the flow has been taken out.
    func leaveDatapath() { unsafe datapath.store(nil, ordering: .releasing) }

    /// The client's identifier, if it gave one.
    var ufid: UFID? { unsafe hasUFID ? identity.assumingMemoryBound(to: UFID.self).pointee : nil }

    /// The key: as it was given, or masked if the flow has an identifier of its own.
    var key: FlowKey {
        var key = FlowKey()
        var all = key.words.mutableSpan
        if hasUFID {
            for index in 0..<mask.count { all[mask.first + index] = unsafe words[index] }
        } else {
            let words = unsafe identity.assumingMemoryBound(to: UInt64.self)
            for index in 0..<Int(keyCount) { all[Int(keyStart) + index] = unsafe words[index] }
        }
        return key
    }

    /// The options of the tunnel, as `key`.
    var optionValue: [UInt8] {
        let count = Int(optionCount)
        guard count > 0 else { return [] }
        if !hasUFID {
            let bytes = unsafe identity + Int(keyCount) * MemoryLayout<UInt64>.stride
            return (0..<count).map { unsafe bytes.load(fromByteOffset: $0, as: UInt8.self) }
        }
        guard let options = unsafe options else { return [UInt8](repeating: 0, count: count) }
        return (0..<count).map { unsafe options[$0] }
    }

    /// Whether this is the flow without identifier that was made with a key.
    func hasKey(_ other: UnsafePointer<UInt64>, options: [UInt8]) -> Bool {
        guard !hasUFID, Int(optionCount) == options.count else { return false }
        let words = unsafe identity.assumingMemoryBound(to: UInt64.self)
        let own = Int(keyStart)..<Int(keyStart) + Int(keyCount)
        var difference: UInt64 = 0
        for index in 0..<FlowKey.wordCount {
            difference |= unsafe other[index] ^ (own.contains(index) ? words[index - own.lowerBound] : 0)
        }
        return difference == 0 && optionValue == options
    }

    private var identity: UnsafeRawPointer { unsafe UnsafeRawPointer(counters + Int(readerCount)) }
}

/// Counters of one packet thread for one flow.
struct FlowCounters: ~Copyable {
    let packets = Counter()
    let bytes = Counter()
    /// Milliseconds of the monotonic clock at the last hit; 0 for never.
    let used = Counter()
    let tcpFlags = Counter()
}
