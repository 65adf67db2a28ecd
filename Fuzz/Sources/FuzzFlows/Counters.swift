import Datapath
import FuzzSupport
import Netlink
import OpenvSwitch

/// What the datapath has counted: it must agree with what went in and came out.
struct Counters {
    var hit: UInt64 = 0
    var missed: UInt64 = 0
    var lost: UInt64 = 0
    var flows: UInt64 = 0
    var upcalls: UInt64 = 0
    var failedUpcalls: UInt64 = 0
    /// Frames and bytes to and from each port, as whoever is behind the port sees them.
    var ports: [Traffic] = []

    struct Traffic: Equatable {
        var fromSwitch: UInt64 = 0
        var fromSwitchBytes: UInt64 = 0
        var toSwitch: UInt64 = 0
        var toSwitchBytes: UInt64 = 0
    }

    init(_ bed: Bed) {
        let request = bed.request(.datapath, Cmd.get, Flag.request, [])
        guard let reply = bed.transact(request, isReplied: true).reply else { fatalError("no datapath") }
        let datapath = parsed(reply) { view throws(NetlinkError) in try DatapathMessage(view) }
        guard let statistics = datapath.stats else { fatalError("no statistics") }
        (hit, missed, lost, flows) = (statistics.hit, statistics.missed, statistics.lost, statistics.flows)

        for record in bed.records(.vport) {
            let port = parsed(record) { view throws(NetlinkError) in try VportMessage(view) }
            guard let statistics = port.stats, let upcallStatistics = port.upcallStats else {
                fatalError("no statistics")
            }
            upcalls += upcallStatistics.success
            failedUpcalls += upcallStatistics.fail
            let received = (statistics.receivedPackets, statistics.receivedBytes)
            let sent = (statistics.transmittedPackets, statistics.transmittedBytes)
            // An internal port's counters are the host's view.
            let (out, into) = port.type == .internal ? (received, sent) : (sent, received)
            ports.append(
                Traffic(fromSwitch: out.0, fromSwitchBytes: out.1, toSwitch: into.0, toSwitchBytes: into.1))
        }
    }
}

/// What a run has seen itself.
struct Observed {
    var ports = [Counters.Traffic](repeating: Counters.Traffic(), count: Bed.ports.count)
    var upcalls: UInt64 = 0
    var isComplete = true
    /// No flow has been taken out, and no statistics have been cleared.
    var keepsFlows = true

    func check(_ before: Counters, _ after: Counters, _ flows: [FlowMessage]) {
        require(after.flows == UInt64(flows.count), "\(after.flows) flows are counted, and \(flows.count) dumped")
        if keepsFlows {
            let packets = flows.reduce(0) { $0 + ($1.stats?.packets ?? 0) }
            require(after.hit - before.hit == packets, "\(after.hit - before.hit) hits and \(packets) packets of flows")
        }
        if isComplete {
            require(after.upcalls - before.upcalls == upcalls, "\(upcalls) upcalls came, and others were counted")
            for port in ports.indices {
                var counted = after.ports[port]
                counted.fromSwitch -= before.ports[port].fromSwitch
                counted.fromSwitchBytes -= before.ports[port].fromSwitchBytes
                counted.toSwitch -= before.ports[port].toSwitch
                counted.toSwitchBytes -= before.ports[port].toSwitchBytes
                require(counted == ports[port], "port \(port): \(counted) is counted, and \(ports[port]) was seen")
            }
        }
        require(
            after.lost - before.lost >= after.failedUpcalls - before.failedUpcalls, "failed upcalls that were not lost")
    }
}
