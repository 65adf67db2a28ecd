public import Netlink
public import OpenvSwitch
import Synchronization

/// A megaflow as the control thread knows it.
///
/// The packet threads see its `FlowEntry`; statistics are the sum of what each of them counted.
@safe
public final class Flow {
    /// Raised with every flow of a datapath: the order of insertion, and the place in a dump.
    public let serial: UInt64
    /// Key and mask as they were given.
    public let match: FlowMatch
    /// The client's identifier; nil if the flow is identified by its unmasked key.
    public let ufid: UFID?
    /// The contents of `OVS_FLOW_ATTR_ACTIONS`, as they were given.
    public internal(set) var actions: [UInt8]
    let entry: UnsafeMutablePointer<FlowEntry>
    /// The table of its mask, which stays while it has flows.
    let table: UnsafeMutablePointer<MaskTable>
    /// What the counters said when the statistics were last cleared.
    private var cleared = FlowUsage()

    init(
        serial: UInt64, match: FlowMatch, ufid: UFID?, actions: [UInt8], entry: UnsafeMutablePointer<FlowEntry>,
        table: UnsafeMutablePointer<MaskTable>
    ) {
        self.serial = serial
        self.match = match
        self.ufid = ufid
        self.actions = actions
        unsafe self.entry = entry
        unsafe self.table = table
    }

    /// Packets, bytes, last use and TCP flags since the flow was made or cleared.
    public var usage: FlowUsage {
        var usage = total
        usage.packets &-= cleared.packets
        usage.bytes &-= cleared.bytes
        if usage.used <= cleared.used, usage.packets == 0 { usage.used = 0 }
        return usage
    }

    private var total: FlowUsage {
        var sum = FlowUsage()
        for reader in 0..<(unsafe entry.pointee.readerCount) {
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
        cleared = total
        for reader in 0..<(unsafe entry.pointee.readerCount) {
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
            if !omitting.contains(.omitActions) { try writer.append(FlowAttribute.actions, bytes: actions) }
            writer.end(message: mark)
        } catch {
            writer.truncate(to: start)
            throw error
        }
    }

    /// Bytes that statistics may add to a message between its being measured and its being written.
    public static let usageAllowance = 12 + 20 + 8
}
