public import Netlink
public import OpenvSwitch
import Synchronization

/// A megaflow as control knows it: a look at its `FlowEntry`, good until the flow is taken out.
///
/// Belongs to the switch's lock. Statistics are the sum of what each packet thread counted.
@safe
public struct Flow: Equatable {
    let entry: UnsafeMutablePointer<FlowEntry>

    init(_ entry: UnsafeMutablePointer<FlowEntry>) { unsafe self.entry = entry }

    public static func == (left: Flow, right: Flow) -> Bool { unsafe left.entry == right.entry }

    /// The place in a dump: a number that the flow keeps, and that another one has only when it has gone.
    public var place: UInt64 { UInt64(unsafe entry.pointee.place) }
    /// The client's identifier; nil if the flow is identified by its unmasked key.
    public var ufid: UFID? { unsafe entry.pointee.ufid }
    /// Key and mask. The key is as it was given if that identifies the flow; else it is masked.
    public var match: FlowMatch {
        let mask = sharedMask
        return FlowMatch(
            key: unsafe entry.pointee.key, mask: mask.mask,
            tunnelOptions: TunnelOptionsMatch(value: unsafe entry.pointee.optionValue, mask: mask.tunnelOptions))
    }
    /// Bytes of the actions, as `OVS_FLOW_ATTR_ACTIONS` has them.
    public var actionsCount: Int { unsafe entry.pointee.program.load(ordering: .relaxed).pointee.byteCount }

    /// Whether this is the key that the flow has: as it was given, or masked, see `match`.
    func hasKey(of other: FlowMatch) -> Bool {
        let options = other.tunnelOptions.value
        return unsafe entry.pointee.key == other.key && entry.pointee.optionValue == options
    }

    var table: UnsafeMutablePointer<MaskTable> { unsafe entry.pointee.table }
    var sharedMask: SharedMask { unsafe table.pointee.shared }

    /// Packets, bytes, last use and TCP flags since the flow was made or cleared.
    public var usage: FlowUsage {
        var usage = total
        guard let cleared = unsafe entry.pointee.cleared.load(ordering: .relaxed)?.pointee else { return usage }
        usage.packets &-= cleared.packets
        usage.bytes &-= cleared.bytes
        if usage.used <= cleared.used, usage.packets == 0 { usage.used = 0 }
        return usage
    }

    private var total: FlowUsage {
        var sum = FlowUsage()
        for reader in 0..<Int(unsafe entry.pointee.readerCount) {
            let counters = unsafe entry.pointee.counters + reader
            sum.packets &+= unsafe counters.pointee.packets.current
            sum.bytes &+= unsafe counters.pointee.bytes.current
            sum.used = max(sum.used, unsafe counters.pointee.used.current)
            sum.tcpFlags |= UInt16(truncatingIfNeeded: unsafe counters.pointee.tcpFlags.current)
        }
        return sum
    }

    /// Sets the statistics back to zero (`OVS_FLOW_ATTR_CLEAR`).
    func clearUsage() {
        let total = total
        if let cleared = unsafe entry.pointee.cleared.load(ordering: .relaxed) {
            unsafe cleared.pointee = total
        } else {
            let cleared = UnsafeMutablePointer<FlowUsage>.allocate(capacity: 1)
            unsafe cleared.initialize(to: total)
            unsafe entry.pointee.cleared.store(cleared, ordering: .relaxed)
        }
        for reader in 0..<Int(unsafe entry.pointee.readerCount) {
            unsafe entry.pointee.counters[reader].tcpFlags.set(0)
        }
    }
}

/// The statistics of a flow.
public struct FlowUsage: Equatable, Sendable {
    public var packets: UInt64 = 0
    /// Bytes of all packets, Ethernet headers included.
    public var bytes: UInt64 = 0
    /// Milliseconds of the monotonic clock at the last packet; 0 for never.
    public var used: UInt64 = 0
    /// All TCP flags seen.
    public var tcpFlags: UInt16 = 0
    public init() {}
}

extension Flow {
    /// Writes the flow as a message of family `ovs_flow`, in the kernel's order of attributes.
    /// - Throws: `noSpace`.
    public func write(
        to writer: inout MessageWriter, command: UInt8, datapathIfindex: Int32, omitting: UFIDFlags,
        flags: MessageFlags = [], sequence: UInt32 = 0, portID: UInt32 = 0
    ) throws(NetlinkError) {
        let start = writer.count
        do throws(NetlinkError) {
            let mark = try writer.begin(
                .flow, command: command, datapathIfindex: datapathIfindex, flags: flags, sequence: sequence,
                portID: portID)
            try ufid?.write(to: &writer)
            if ufid == nil || !omitting.contains(.omitKey) {
                let nest = try writer.begin(nested: FlowAttribute.key)
                if ufid == nil { try match.writeKey(to: &writer) } else { try match.writeMaskedKey(to: &writer) }
                try writer.end(nested: nest)
            }
            if !omitting.contains(.omitMask) {
                let nest = try writer.begin(nested: FlowAttribute.mask)
                try match.writeMask(to: &writer)
                try writer.end(nested: nest)
            }
            let usage = usage
            if usage.used != 0 { try writer.append(FlowAttribute.used, usage.used) }
            if usage.packets != 0 {
                try FlowStatistics(packets: usage.packets, octets: usage.bytes).write(to: &writer)
            }
            let flags = UInt8(truncatingIfNeeded: usage.tcpFlags)
            if flags != 0 { try writer.append(FlowAttribute.tcpFlags, flags) }
            if !omitting.contains(.omitActions) {
                // The program does not change and stays while control looks at it.
                let program = unsafe entry.pointee.program.load(ordering: .relaxed)
                let bytes = unsafe RawSpan(
                    _unsafeStart: program.pointee.bytes, byteCount: program.pointee.byteCount)
                try writer.append(FlowAttribute.actions, bytes: bytes)
            }
            writer.end(message: mark)
        } catch {
            writer.truncate(to: start)
            throw error
        }
    }

    /// Bytes that statistics may add to a message between its being measured and its being written.
    public static let usageAllowance = 12 + 20 + 8
}
