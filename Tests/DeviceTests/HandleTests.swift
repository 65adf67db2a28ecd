import DPIF
import Datapath
import Device
import Netlink
import NetlinkSocket
import OpenvSwitch
import Synchronization
import Testing

@Suite struct HandleTests {
    /// Remembers how a pended request ended.
    final class Outcome: Sendable {
        private let statuses = Mutex<[IOStatus]>([])
        var all: [IOStatus] { statuses.withLock { $0 } }
        func record(_ status: IOStatus) { statuses.withLock { $0.append(status) } }
    }

    private func control(
        _ handle: Handle, _ code: IOControlCode, _ input: [UInt8] = [], limit: Int = 65_536, outcome: Outcome? = nil
    ) -> (result: IOResult, output: [UInt8]) {
        var output = MessageWriter(limit: limit)
        let completion = outcome.map { outcome -> @Sendable (IOStatus) -> Void in { outcome.record($0) } }
        let result = handle.control(code, input: input.rawSpan, output: &output, completion: completion)
        return (result, output.bytes)
    }

    private func pend(_ handle: Handle, _ queue: QueueKind, _ outcome: Outcome) -> IOStatus {
        let input: [UInt8] = [UInt8(queue.rawValue), 0, 0, 0]
        return control(handle, .pend, input, outcome: outcome).result.status
    }

    @Test func plainControlsNeedNoNetlink() throws {
        let bed = TestBed()
        let first = try bed.device.open()
        let second = try bed.device.open()
        #expect(first.portID != second.portID)
        let portID = control(first, .getPortID).output
        #expect(portID == (0..<4).map { UInt8(truncatingIfNeeded: first.portID >> UInt32(8 * $0)) })
        #expect(control(first, .getPortID, limit: 3).result == IOResult(.invalidLength, information: 4))
        #expect(control(first, .getVersion).output == [1, 0, 0, 0])
        #expect(control(first, IOControlCode(rawValue: 42)).result.status == .invalidDeviceRequest)
    }

    /// Takes messages as long as there is room.
    final class Receiver: MessageReceiver {
        private let state: Mutex<(messages: [[UInt8]], room: Int)>
        init(room: Int) { state = Mutex(([], room)) }
        var messages: [[UInt8]] { state.withLock { $0.messages } }
        func receive(event message: RawSpan) { _ = receive(message) }
        func receive(_ upcalls: Upcalls) -> TakenUpcalls { upcalls.forEach(receive) }
        private func receive(_ message: RawSpan) -> UpcallResult {
            let bytes = message.copyBytes()
            return state.withLock { state in
                guard state.messages.count < state.room else { return .queueFull }
                state.messages.append(bytes)
                return .delivered
            }
        }
    }

    @Test func portIDsKeepClearOfThoseOfNetlinkSockets() throws {
        let bed = TestBed()
        let handles = try (0..<10).map { _ in try bed.device.open() }
        for handle in handles { #expect((1 << 30..<1 << 31).contains(handle.portID)) }
        #expect(Set(handles.map(\.portID)).count == 10)
        let next = handles[9].portID + 1
        // A port ID from outside that the device would give next is passed over.
        let outside = try bed.device.open(.change, portID: next, receiver: Receiver(room: 1))
        #expect(try bed.device.open().portID == next + 1)
        #expect(throws: DeviceError(.deviceBusy)) {
            _ = try bed.device.open(.change, portID: next, receiver: Receiver(room: 1))
        }
        #expect(throws: DeviceError(.deviceBusy)) {
            _ = try bed.device.open(.change, portID: handles[0].portID, receiver: Receiver(room: 1))
        }
        #expect(throws: DeviceError(.invalidParameter)) {
            _ = try bed.device.open(.change, portID: 0, receiver: Receiver(room: 1))
        }
        // Closing twice does not close the one that has got the port ID since.
        outside.close()
        let again = try bed.device.open(.change, portID: next, receiver: Receiver(room: 1))
        let before = bed.device.openHandles
        outside.close()
        #expect(bed.device.openHandles == before)
        again.close()
        #expect(bed.device.openHandles == before - 1)
    }

    @Test func aReceiverGetsMessagesAtOnce() throws {
        let bed = TestBed()
        let receiver = Receiver(room: 3)
        let handle = try bed.device.open(.change, portID: 4711, receiver: receiver)
        #expect(control(handle, .subscribe, Subscription(.event, group: .vport).bytes).result.status == .success)
        let (dpif, ports) = try bed.bridge("a")
        #expect(receiver.messages.count == 1)
        // Upcalls need no subscription.
        var set = VportMessage(command: Command.set, datapathIfindex: dpif.ifindex, portNumber: 1)
        set.upcallPortIDs = [4711]
        var request = MessageWriter()
        try set.write(to: &request, flags: [.request, .echo], sequence: 1, portID: 0)
        let reply = control(handle, .transact, request.bytes).output
        #expect(try Message(reply.rawSpan).header.portID == 4711)
        #expect(receiver.messages.count == 1)  // its own echo is no event
        for _ in 0..<5 { ports[0].send(Frames.ethernet()) }
        #expect(receiver.messages.count == 3)
        for bytes in receiver.messages.dropFirst() {
            #expect(try PacketMessage(try Message(bytes.rawSpan)).packet == Frames.ethernet())
        }
        // What it has no room for is lost and counted as with a queue.
        #expect(try dpif.information().stats?.lost == 3)
        #expect(try dpif.port(1).upcallStats?.fail == 3)
        #expect(try dpif.port(1).upcallStats?.success == 2)
        // There are no queues.
        #expect(pend(handle, .event, Outcome()) == .invalidParameter)
        #expect(control(handle, .subscribe, Subscription(.packet).bytes).result.status == .success)
        #expect(pend(handle, .packet, Outcome()) == .invalidParameter)
        #expect(control(handle, .readPacket).output.isEmpty)
        handle.close()
        ports[0].send(Frames.ethernet())
        #expect(receiver.messages.count == 3)
        #expect(try dpif.information().stats?.lost == 4)
    }

    @Test func aPendedRequestCompletesWhenAnEventComes() throws {
        let bed = TestBed()
        let handle = try bed.device.open()
        let outcome = Outcome()
        #expect(pend(handle, .event, outcome) == .invalidParameter)  // not subscribed
        #expect(control(handle, .subscribe, Subscription(.event, group: .vport).bytes).result.status == .success)
        #expect(pend(handle, .event, outcome) == .pending)
        #expect(pend(handle, .event, outcome) == .deviceBusy)
        // Other calls go on while it is pended.
        #expect(control(handle, .readEvent).output.isEmpty)
        let (_, _) = try bed.bridge("a")
        #expect(outcome.all == [.success])
        // Something waits: it completes at once.
        #expect(pend(handle, .event, outcome) == .success)
        let event = control(handle, .readEvent).output
        let vport = try VportMessage(try Message(event.rawSpan))
        #expect(vport.name == "a")
        #expect(vport.command == Command.new)
        #expect(pend(handle, .event, outcome) == .pending)
        #expect(control(handle, .cancel).result.status == .success)
        #expect(outcome.all == [.success, .cancelled])
    }

    @Test func closingCancelsInEveryOrder() throws {
        let bed = TestBed()
        let before = bed.device.openHandles
        for closeFirst in [true, false] {
            let handle = try bed.device.open()
            let outcome = Outcome()
            _ = control(handle, .subscribe, Subscription(.packet).bytes)
            #expect(pend(handle, .packet, outcome) == .pending)
            if closeFirst {
                handle.close()
                #expect(
                    control(handle, .subscribe, Subscription(.packet, join: false).bytes).result.status
                        == .invalidParameter)
            } else {
                _ = control(handle, .subscribe, Subscription(.packet, join: false).bytes)
                #expect(outcome.all == [.cancelled])
                handle.close()
            }
            handle.close()
            #expect(outcome.all == [.cancelled])
            #expect(pend(handle, .packet, outcome) == .invalidParameter)
        }
        #expect(bed.device.openHandles == before)
    }

    @Test func overflowIsReportedOnceAndCounted() throws {
        let bed = TestBed()
        let (dpif, ports) = try bed.bridge("a", upcalls: true)
        let frame = Frames.ethernet(payload: [UInt8](repeating: 1, count: 60_000))
        let sent = 100
        for _ in 0..<sent { ports[0].send(frame) }
        let statistics = try #require(try dpif.information().stats)
        #expect(statistics.missed == UInt64(sent))
        #expect(statistics.lost > 0)
        do {
            _ = try dpif.receiveUpcall()
            Issue.record("the loss was not reported")
        } catch { #expect(error == .lost(UInt32(statistics.lost))) }
        var received = 0
        while let upcall = try dpif.receiveUpcall() {
            #expect(upcall.packet == frame)
            received += 1
        }
        #expect(received + Int(statistics.lost) == sent)
        // The queue works on.
        ports[0].send(frame)
        #expect(try dpif.receiveUpcall()?.packet == frame)
        let port = try #require(try dpif.port(1).upcallStats)
        #expect(port.fail == statistics.lost)
        #expect(port.success == UInt64(sent + 1) - statistics.lost)
    }

    @Test func aTooSmallBufferChangesNothingAndSaysHowMuchIsNeeded() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        _ = bed.host.plug("b")
        let handle = try bed.device.open()
        func request(_ message: some WritableMessage, _ flags: MessageFlags) throws -> [UInt8] {
            var writer = MessageWriter()
            try message.write(to: &writer, flags: flags.union(.request), sequence: 1, portID: 0)
            return writer.bytes
        }
        let (key, mask) = try Keys.inPort(1)
        var flow = FlowMessage(command: Command.new, datapathIfindex: dpif.ifindex)
        flow.key = key
        flow.mask = mask
        flow.actions = []
        var datapath = DatapathMessage(command: Command.new, name: "br1")
        datapath.upcallPortID = 0
        let delete = VportMessage(command: Command.delete, datapathIfindex: dpif.ifindex, portNumber: 1)
        let requests: [[UInt8]] = [
            try request(flow, .echo), try request(datapath, .echo),
            try request(
                VportMessage(
                    command: Command.new, datapathIfindex: dpif.ifindex, type: .netdev, name: "b",
                    upcallPortIDs: [0]), .echo),
            try request(delete, .echo),
            try request(DatapathMessage(command: Command.get, datapathIfindex: dpif.ifindex), []),
        ]
        for bytes in requests {
            let before = try snapshot(bed, dpif)
            let (result, output) = control(handle, .transact, bytes, limit: 40)
            #expect(result.status == .bufferTooSmall)
            #expect(output.isEmpty)
            #expect(try snapshot(bed, dpif) == before)
            // One byte less than it says is refused too, and what it says suffices.
            let needed = Int(result.information)
            #expect(control(handle, .transact, bytes, limit: needed).result.status == .success)
        }
        #expect(try NetlinkDPIF.datapaths(over: bed.device).count == 2)
        #expect(control(handle, .transact, requests[4], limit: 35).result.status == .invalidLength)
    }

    private func snapshot(_ bed: TestBed, _ dpif: NetlinkDPIF) throws -> [String] {
        var result = try NetlinkDPIF.datapaths(over: bed.device).map { "\($0.name ?? "") \($0.stats?.flows ?? 0)" }
        result += try dpif.ports().map { $0.name ?? "" }
        return result
    }

    @Test func readersMayReadAndNoMore() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        let handle = try bed.device.open(.read)
        func transact(_ message: some WritableMessage) throws -> Int32 {
            var writer = MessageWriter()
            try message.write(to: &writer, flags: [.request, .ack], sequence: 9, portID: handle.portID)
            let output = control(handle, .transact, writer.bytes).output
            var messages = MessageSequence(output.rawSpan)
            while let message = try messages.next() {
                if message.header.type == .error { return try ErrorMessage(message).error }
            }
            return 0
        }
        #expect(try transact(VportMessage(command: Command.get, datapathIfindex: dpif.ifindex, portNumber: 1)) == 0)
        #expect(
            try transact(VportMessage(command: Command.delete, datapathIfindex: dpif.ifindex, portNumber: 1))
                == -Errno.notPermitted)
        #expect(
            try transact(FlowMessage(command: Command.delete, datapathIfindex: dpif.ifindex)) == -Errno.notPermitted)
        #expect(control(handle, .subscribe, Subscription(.packet).bytes).result.status == .accessDenied)
        #expect(control(handle, .subscribe, Subscription(.event, group: .trace).bytes).result.status == .accessDenied)
        #expect(control(handle, .subscribe, Subscription(.event, group: .vport).bytes).result.status == .success)
    }

    @Test func errorsNameTheAttributeAndItsPlace() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        let (key, mask) = try Keys.inPort(1)
        let actions = try [Action.drop(0), .output(1)].encoded()
        do {
            try dpif.putFlow(FlowPut(key: key, mask: mask, actions: actions))
            Issue.record("drop must be last")
        } catch {
            guard case .refused(let refusal) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(refusal.errno == Errno.invalid)
            #expect(refusal.message.contains("drop"))
            // Three headers, the key, the mask, and the header of the actions.
            let expected = 24 + 4 + netlinkAligned(key.count) + 4 + netlinkAligned(mask.count) + 4
            #expect(refusal.offset == expected)
        }
    }

    @Test func aBatchIsCarriedOutInOrderThroughAnyBuffer() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        let socket = try TransactionSocket(bed.device)
        var requests: [(message: any WritableMessage, flags: MessageFlags)] = []
        for source in UInt64(1)...500 {
            let (key, mask) = try Keys.inPort(1, ethernetSource: source % 250)
            var flow = FlowMessage(command: Command.new, datapathIfindex: dpif.ifindex)
            flow.key = key
            flow.mask = mask
            flow.actions = []
            requests.append((flow, [.create, .echo]))
        }
        let results = try socket.transact(batch: requests)
        #expect(results.count == 500)
        for (index, result) in results.enumerated() {
            switch result {
            case .success(let reply): #expect(index < 250 && reply != nil)
            case .failure(let error): #expect(index >= 250 && error.errno == Errno.exists)
            }
        }
        #expect(try dpif.information().stats?.flows == 250)
    }

    @Test func interfacesMakeEventsAndAVanishedOneLosesItsPort() async throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        let watcher = try dpif.watchPorts()
        _ = bed.host.plug("b")
        bed.host.setCarrier("a", false)
        bed.host.unplug("a")
        var names: [String] = []
        for _ in 0..<4 {
            switch try await watcher.next() {
            case .interfaceAdded(let netdev): names.append("+\(netdev.name ?? "")")
            case .interfaceChanged(let netdev):
                names.append("~\(netdev.name ?? "") \(netdev.flags?.contains(.carrier) ?? true)")
            case .interfaceDeleted(let netdev): names.append("-\(netdev.name ?? "")")
            case .portDeleted(let vport): names.append("-port \(vport.portNumber ?? 0)")
            default: names.append("?")
            }
        }
        #expect(names == ["+b", "~a false", "-port 1", "-a"])
        #expect(try dpif.ports().map(\.name) == ["br0"])
    }

    @Test func waitingTasksCanBeCancelled() async throws {
        let bed = TestBed()
        let socket = try EventSocket(bed.device)
        try socket.join(.vport)
        let task = Task { () -> SocketError? in
            do throws(SocketError) {
                _ = try await socket.next()
                return nil
            } catch { return error }
        }
        task.cancel()
        #expect(await task.value == .device(DeviceError(.cancelled)))
    }

    @Test func theTraceShowsEveryControlOfOthers() throws {
        let bed = TestBed()
        let watcher = try EventSocket(bed.device)
        try watcher.join(.trace)
        let (_, _) = try bed.bridge("a")
        var names: [String] = []
        while let bytes = try watcher.receive() {
            let message = try Message(bytes.rawSpan)
            let set = try Policy([
                ControlAttribute.traceCode: .u32, ControlAttribute.traceInput: .any, ControlAttribute.traceOutput: .any,
            ]).parse(message.attributes(at: OVSHeader.attributesOffset))
            let number: UInt32? = set.integer(ControlAttribute.traceCode)
            let code = IOControlCode(rawValue: try #require(number))
            let payload = set.payload(ControlAttribute.traceInput)
            let sent = try #require(payload)
            let input = try Message(sent.rawSpan)
            names.append("\(code.name) \(input.header.type.rawValue) \(try input.genericHeader().command)")
        }
        #expect(names == ["transact 18 1", "transact 20 1"])
    }
}
