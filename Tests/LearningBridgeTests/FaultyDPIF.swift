import DPIF
import NetlinkSocket
import OpenvSwitch
import Synchronization

/// A datapath that refuses what it is told to, and is otherwise as the one behind it.
final class FaultyDPIF: DPIF {
    private let real: NetlinkDPIF
    private let faults = Mutex(Faults())

    struct Faults {
        /// The error for an operation, which is then not carried out; nil to carry it out.
        var operation: @Sendable (Operation) -> SocketError? = { _ in nil }
        /// Errors to throw from `receiveUpcall`, the last one first.
        var receiving: [SocketError] = []
        var dumping: SocketError?
    }

    init(_ real: NetlinkDPIF) { self.real = real }

    func change(_ body: (inout Faults) -> Void) {
        faults.withLock { faults in body(&faults) }
    }

    func operate(_ operations: [Operation]) throws(SocketError) -> [SocketError?] {
        let refuse = faults.withLock { $0.operation }
        var results: [SocketError?] = []
        for operation in operations {
            if let error = refuse(operation) { results.append(error) } else { results += try real.operate([operation]) }
        }
        return results
    }

    func receiveUpcall() throws(SocketError) -> PacketMessage? {
        if let error = faults.withLock({ $0.receiving.popLast() }) { throw error }
        return try real.receiveUpcall()
    }

    func dumpFlows(
        omitting: UFIDFlags, _ body: (FlowMessage) throws(SocketError) -> Void
    ) throws(SocketError) -> Bool {
        if let error = faults.withLock({ $0.dumping }) { throw error }
        return try real.dumpFlows(omitting: omitting, body)
    }

    var name: String { real.name }
    var ifindex: Int32 { real.ifindex }
    var upcallPortID: UInt32 { real.upcallPortID }
    func delete() throws(SocketError) { try real.delete() }
    func information() throws(SocketError) -> DatapathMessage { try real.information() }
    func setMaskCacheSize(_ size: UInt32) throws(SocketError) { try real.setMaskCacheSize(size) }
    func addPort(
        _ name: String, type: VportType, number: UInt32?, upcalls: [UInt32]?
    ) throws(SocketError) -> VportMessage {
        try real.addPort(name, type: type, number: number, upcalls: upcalls)
    }
    func deletePort(_ number: UInt32) throws(SocketError) { try real.deletePort(number) }
    func port(_ number: UInt32) throws(SocketError) -> VportMessage { try real.port(number) }
    func port(named name: String) throws(SocketError) -> VportMessage { try real.port(named: name) }
    func setUpcalls(_ portIDs: [UInt32], ofPort number: UInt32) throws(SocketError) {
        try real.setUpcalls(portIDs, ofPort: number)
    }
    func ports() throws(SocketError) -> [VportMessage] { try real.ports() }
    func interfaces() throws(SocketError) -> [NetdevMessage] { try real.interfaces() }
    func putFlow(_ flow: FlowPut) throws(SocketError) { try real.putFlow(flow) }
    func flow(_ identity: FlowIdentity) throws(SocketError) -> FlowMessage { try real.flow(identity) }
    func deleteFlow(_ identity: FlowIdentity) throws(SocketError) -> FlowMessage { try real.deleteFlow(identity) }
    func flushFlows() throws(SocketError) { try real.flushFlows() }
    func meterFeatures() throws(SocketError) -> (maximumMeters: UInt32, maximumBands: UInt32) {
        try real.meterFeatures()
    }
    func setMeter(_ id: UInt32, _ meter: MeterPut) throws(SocketError) -> MeterStatistics? {
        try real.setMeter(id, meter)
    }
    func meter(_ id: UInt32) throws(SocketError) -> MeterStatistics { try real.meter(id) }
    func deleteMeter(_ id: UInt32) throws(SocketError) -> MeterStatistics? { try real.deleteMeter(id) }
    func execute(_ packet: PacketExecution) throws(SocketError) { try real.execute(packet) }
    func receiveUpcalls() throws(SocketError) { try real.receiveUpcalls() }
    func waitForUpcall() async throws(SocketError) { try await real.waitForUpcall() }
    func watchPorts() throws(SocketError) -> PortWatcher { try real.watchPorts() }
    func close() { real.close() }
}
