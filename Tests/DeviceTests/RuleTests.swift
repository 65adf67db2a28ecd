import DPIF
import Datapath
import Device
import Netlink
import OpenvSwitch
import Synchronization
import Testing

/// The rules that every request must keep to, and those of the older pair `write` and `read`.
@Suite struct RuleTests {
    private typealias Answer = (result: IOResult, output: [UInt8])

    private func control(
        _ handle: Handle, _ code: IOControlCode, _ input: [UInt8] = [], limit: Int = 65_536,
        completion: (@Sendable (IOStatus) -> Void)? = nil
    ) -> Answer {
        var output = MessageWriter(limit: limit)
        let result = handle.control(code, input: input.rawSpan, output: &output, completion: completion)
        return (result, output.bytes)
    }

    /// A request whose every field the test chooses.
    private func request(
        _ type: UInt16, _ command: UInt8, flags: UInt16 = 1, version: UInt8? = nil, portID: UInt32 = 0,
        datapath: UInt32 = 0, _ attributes: [UInt8] = []
    ) -> [UInt8] {
        let version = version ?? (type == Family.datapath.id ? 2 : 1)
        return host(UInt32(24 + attributes.count)) + host(type) + host(flags) + host(UInt32(7)) + host(portID)
            + [command, version, 0, 0] + host(datapath) + attributes
    }

    private func attribute(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
        host(UInt16(4 + payload.count)) + host(type) + payload
            + [UInt8](repeating: 0, count: (4 - payload.count % 4) % 4)
    }

    private func host<T: FixedWidthInteger & BitwiseCopyable>(_ number: T) -> [UInt8] {
        unsafe withUnsafeBytes(of: number) { unsafe Array($0) }
    }

    /// The error number in the `NLMSG_ERROR` that answers; 0 if something else does, or nothing.
    private func errno(_ output: [UInt8], from offset: Int = 0) -> Int32 {
        guard let message = try? Message(output.rawSpan.clamped(offset..<output.count)),
            message.header.type == .error, let error = try? ErrorMessage(message)
        else { return 0 }
        return -error.error
    }

    // MARK: Which command comes by which I/O control

    @Test func everyCommandComesByItsOwnWayAndByNoOther() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        let handle = try bed.device.open()
        var counts = (transact: 0, dump: 0, write: 0)
        for family in Family.all {
            for command in UInt8(0)...255 {
                let rule = CommandRule.of(family, command)
                let of = rule?.isOfHandle == true ? 0 : UInt32(dpif.ifindex)
                let name = "\(family.name) \(command)"

                let transacted = control(handle, .transact, request(family.id, command, datapath: of))
                #expect(transacted.result.status == .success)
                let mayTransact = rule?.operations.contains(.transact) == true
                // What may not come is not supported; what may is refused for what it lacks, or done.
                #expect((errno(transacted.output) == Errno.notSupported) == !mayTransact, "\(name) by transact")

                let dump = request(family.id, command, flags: 0x301, datapath: of)
                let mayDump = rule?.operations.contains(.dump) == true
                let dumped = control(handle, .dump, DumpCursor.start.bytes + dump)
                #expect(dumped.result.status == .success)
                #expect((errno(dumped.output, from: 16) == Errno.notSupported) == !mayDump, "\(name) by dump")
                #expect(errno(control(handle, .transact, dump).output) == Errno.notSupported)
                let written = control(handle, .write, dump) { _ in }.result.status
                #expect((written == .success) == mayDump, "\(name) by write")

                if mayTransact { counts.transact += 1 }
                if mayDump { counts.dump += 1 }
                if rule?.operations.contains(.write) == true { counts.write += 1 }
                _ = control(handle, .cancel)
            }
        }
        #expect(counts == (22, 4, 4))
    }

    @Test func familiesThatAreNotThere() throws {
        let bed = TestBed()
        let handle = try bed.device.open()
        for type in [UInt16(16), 26, 200, 0x0200, .max] {
            #expect(errno(control(handle, .transact, request(type, 3)).output) == Errno.noEntry)
            let dump = request(type, 3, flags: 0x301)
            #expect(errno(control(handle, .dump, DumpCursor.start.bytes + dump).output, from: 16) == Errno.noEntry)
            #expect(control(handle, .write, dump).result.status == .invalidParameter)
        }
        // Connection tracking is known by its numbers, and what it lacks is said.
        for type in [UInt16(23), 0x0100, 0x0101, 0x0102] {
            let output = control(handle, .transact, request(type, 1, flags: 0x1)).output
            #expect(errno(output) == Errno.notSupported)
            let dump = request(type, 1, flags: 0x301)
            #expect(
                errno(control(handle, .dump, DumpCursor.start.bytes + dump).output, from: 16) == Errno.notSupported)
            #expect(control(handle, .write, dump).result.status == .invalidParameter)
        }
        let answer = control(handle, .transact, request(0x0102, 0, flags: 0x1)).output
        let refusal = try ErrorMessage(try Message(answer.rawSpan))
        #expect(refusal.message == "connection tracking (message type 258) is not supported by this datapath yet")
        // Control types are no requests.
        #expect(control(handle, .transact, request(15, 3)).output.isEmpty)
    }

    @Test func versionDatapathAndPortIDAreChecked() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        let handle = try bed.device.open()
        let name = attribute(VportAttribute.name, Array("a\0".utf8))
        for (version, expected) in [(UInt8(0), Errno.invalid), (1, 0), (2, 0), (255, 0)] {
            let get = request(Family.vport.id, Command.get, version: version, name)
            #expect(errno(control(handle, .transact, get).output) == expected)
            let dump = request(
                Family.vport.id, Command.get, flags: 0x301, version: version, datapath: UInt32(dpif.ifindex))
            #expect(errno(control(handle, .dump, DumpCursor.start.bytes + dump).output, from: 16) == expected)
            #expect((control(handle, .write, dump).result.status == .success) == (expected == 0))
        }
        // A datapath's client from before version 2 is known to the kernel, and here.
        let old = request(
            Family.datapath.id, Command.get, version: 1, attribute(DatapathAttribute.name, Array("br0\0".utf8)))
        #expect(errno(control(handle, .transact, old).output) == 0)
        for (portID, expected) in [(UInt32(0), Int32(0)), (handle.portID, 0), (handle.portID + 1, Errno.invalid)] {
            let get = request(Family.vport.id, Command.get, portID: portID, name)
            #expect(errno(control(handle, .transact, get).output) == expected)
            let dump = request(
                Family.vport.id, Command.get, flags: 0x301, portID: portID, datapath: UInt32(dpif.ifindex))
            #expect(errno(control(handle, .dump, DumpCursor.start.bytes + dump).output, from: 16) == expected)
            #expect((control(handle, .write, dump).result.status == .success) == (expected == 0))
        }
        // A subscription is a handle's and no datapath's.
        let join = attribute(0, host(UInt32(101))) + attribute(1, [1])
        for (datapath, expected) in [(UInt32(0), IOStatus.success), (UInt32(dpif.ifindex), .invalidParameter)] {
            #expect(control(handle, .write, request(17, 2, datapath: datapath, join)).result.status == expected)
        }
    }

    @Test func rightsComeAfterTheRules() throws {
        let bed = TestBed()
        let reader = try bed.device.open(.read)
        // What there is not, nobody may; what there is and changes something, a reader may not.
        #expect(errno(control(reader, .transact, request(Family.vport.id, 9)).output) == Errno.notSupported)
        for rule in CommandRule.all where rule.operations.contains(.transact) {
            let number = errno(control(reader, .transact, request(rule.family.id, rule.command)).output)
            #expect((number == Errno.notPermitted) == !rule.isRead, "\(rule.family.name) \(rule.name)")
        }
        let packets = attribute(2, [1]) + attribute(3, host(reader.portID))
        #expect(control(reader, .write, request(17, 3, packets)).result.status == .accessDenied)
        let events = attribute(0, host(UInt32(101))) + attribute(1, [1])
        #expect(control(reader, .write, request(17, 2, events)).result.status == .success)
    }

    // MARK: Lengths

    @Test func outputAndInputThatAreTooShortSayWhatIsDemanded() throws {
        let bed = TestBed()
        let handle = try bed.device.open()
        func invalid(_ code: IOControlCode, input: Int, limit: Int = 65_536) -> UInt32? {
            let result = control(handle, code, [UInt8](repeating: 0, count: input), limit: limit).result
            return result.status == .invalidLength ? result.information : nil
        }
        // The output comes first, as in the Windows interface.
        #expect(invalid(.transact, input: 0, limit: 35) == 36)
        #expect(invalid(.transact, input: 15) == 16)
        #expect(invalid(.dump, input: 0, limit: 51) == 52)
        for count in [0, 15, 16, 31] { #expect(invalid(.dump, input: count) == 32) }
        for count in [0, 23] { #expect(invalid(.write, input: count) == 24) }
        for count in [0, 11] { #expect(invalid(.subscribe, input: count) == 12) }
        for count in [0, 3] { #expect(invalid(.pend, input: count) == 4) }
        for count in [1, 3] { #expect(invalid(.cancel, input: count) == 4) }
        for limit in [0, 3] { #expect(invalid(.getPortID, input: 0, limit: limit) == 4) }
        for code in [IOControlCode.read, .readEvent, .readPacket] { #expect(invalid(code, input: 0, limit: 35) == 36) }
        // Longer than what is demanded is no request that the code takes.
        for (code, count) in [(IOControlCode.subscribe, 13), (.pend, 5), (.cancel, 5)] {
            #expect(
                control(handle, code, [UInt8](repeating: 0, count: count)).result == IOResult(.invalidParameter))
        }
        // No input is looked at where none is taken.
        for code in [IOControlCode.getPortID, .getVersion, .read, .readEvent, .readPacket] {
            #expect(control(handle, code, [1, 2, 3]).result.status == .success)
        }
    }

    // MARK: Clients of the Windows interface

    @Test func aClientOfTheWindowsInterfaceSetsItsProperties() throws {
        let bed = TestBed()
        let handle = try bed.device.open()
        func properties(_ attributes: [UInt8], flags: UInt16 = 0) -> [UInt8] {
            control(handle, .transact, request(17, 6, flags: flags, portID: handle.portID, attributes)).output
        }
        // It sends no NLM_F_REQUEST, and has its reply all the same: 40 bytes, in this order.
        let both = attribute(0, host(UInt32(16))) + attribute(1, host(handle.portID))
        for flags in [UInt16(0), 1] {
            let reply = properties(both, flags: flags)
            #expect(
                reply == host(UInt32(40)) + host(UInt16(17)) + host(UInt16(2)) + host(UInt32(7)) + host(handle.portID)
                    + [6, 1, 0, 0] + host(UInt32(0)) + attribute(1, host(handle.portID))
                    + attribute(0, host(UInt32(16))))
        }
        // What was said is kept; 0 asks.
        #expect(properties(attribute(0, host(UInt32(12)))).count == 40)
        #expect(Array(properties([]).suffix(4)) == host(UInt32(12)))
        #expect(Array(properties(attribute(0, host(UInt32(0)))).suffix(4)) == host(UInt32(12)))
        #expect(errno(properties(attribute(1, host(handle.portID + 1)))) == Errno.invalid)
        #expect(errno(properties(attribute(0, host(UInt32(15))))) == Errno.protocolNotSupported)
        for bad in [attribute(0, [16, 0]), attribute(0, host(UInt64(16))), both + [0], both.dropLast(4) + []] {
            #expect(errno(properties(bad)) == Errno.invalid)
        }
        #expect(Array(properties([]).suffix(4)) == host(UInt32(12)))
        // Elsewhere a message that does not say that it is a request is none.
        #expect(control(handle, .transact, request(Family.vport.id, 3, flags: 0)).output.isEmpty)
        let missing = attribute(NetdevAttribute.name, Array("nowhere\0".utf8))
        #expect(errno(control(handle, .transact, request(22, 1, flags: 0, missing)).output) == Errno.noDevice)
    }

    @Test func upcallsByCPUAreRefusedToAClientOfTheWindowsInterface() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        let handle = try bed.device.open()
        func set(_ features: UserFeatures) -> Int32 {
            errno(
                control(
                    handle, .transact,
                    request(
                        Family.datapath.id, Command.set, datapath: UInt32(dpif.ifindex),
                        attribute(DatapathAttribute.userFeatures, host(features.rawValue)))
                ).output)
        }
        #expect(set(.dispatchUpcallPerCPU) == 0)
        _ = control(handle, .transact, request(17, 6, flags: 0, attribute(0, host(UInt32(16)))))
        #expect(set(.dispatchUpcallPerCPU) == Errno.notSupported)
        // It goes on as with a datapath that does not know of it.
        #expect(set(.vportPortIDs) == 0)
        #expect(try dpif.information().userFeatures == .vportPortIDs)
    }

    @Test func controlCommandsByWriteAreReadStrictly() throws {
        let bed = TestBed()
        let handle = try bed.device.open()
        func write(_ command: UInt8, _ attributes: [UInt8]) -> IOStatus {
            control(handle, .write, request(17, command, flags: 0, attributes)).result.status
        }
        let group = attribute(0, host(UInt32(101)))
        #expect(write(2, group + attribute(1, [1])) == .success)
        #expect(write(2, group + attribute(1, [1])) == .success)  // once more is nothing new
        let bad: [[UInt8]] = [
            [], group, attribute(1, [1]), attribute(0, host(UInt32(100))) + attribute(1, [1]),
            attribute(0, host(UInt32(1))) + attribute(1, [1]), attribute(0, [101, 0]) + attribute(1, [1]),
            group + attribute(1, [1, 0]), group + attribute(1, [1]) + [0, 0], group + [9, 0, 1, 0, 1, 0, 0, 0],
        ]
        for attributes in bad { #expect(write(2, attributes) == .invalidParameter, "\(attributes)") }
        let portID = attribute(3, host(handle.portID))
        #expect(write(3, attribute(2, [1]) + portID) == .success)
        for attributes in [attribute(2, [1]), portID, attribute(2, [1]) + attribute(3, host(handle.portID + 1))] {
            #expect(write(3, attributes) == .invalidParameter)
        }
        // What the message does not cover does not matter, as in the Windows interface.
        let leave = request(17, 2, flags: 0, group + attribute(1, [0]))
        #expect(control(handle, .write, leave + [1, 2, 3]).result.status == .success)
        for (command, expected) in [(UInt8(0), IOStatus.invalidParameter), (1, .pending)] {
            #expect(control(handle, .write, request(17, command, flags: 0)) { _ in }.result.status == expected)
        }
        for command in [UInt8(4), 5, 6, 7] { #expect(write(command, []) == .invalidParameter) }
        // A length that lies is nothing to begin with.
        #expect(control(handle, .write, host(UInt32(99)) + leave.dropFirst(4)).result.status == .invalidParameter)
    }

    @Test func aDumpThatCannotBeginIsRefusedByWrite() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        let handle = try bed.device.open()
        let datapath = UInt32(dpif.ifindex)
        let short = attribute(FlowAttribute.ufidFlags, [1])
        for flags in [UInt16(0), 1, 0x101, 0x201, 0x300] {
            let begin = request(Family.flow.id, Command.get, flags: flags, datapath: datapath)
            #expect(control(handle, .write, begin).result.status == .invalidParameter, "\(flags)")
        }
        let faulty = request(Family.flow.id, Command.get, flags: 0x301, datapath: datapath, short)
        #expect(control(handle, .write, faulty).result.status == .invalidParameter)
        #expect(errno(control(handle, .dump, DumpCursor.start.bytes + faulty).output, from: 16) == Errno.range)
        #expect(control(handle, .read).result == IOResult(.success))
        // One that is refused leaves the one that is under way.
        let sound = request(Family.vport.id, Command.get, flags: 0x301, datapath: datapath)
        #expect(control(handle, .write, sound).result.status == .success)
        #expect(control(handle, .write, faulty).result.status == .invalidParameter)
        let records = control(handle, .read).output
        #expect(try Message(records.rawSpan).header.type == Family.vport.messageType)
        #expect(control(handle, .read).output.isEmpty)
        // A datapath that is not there is told of in the end of the dump.
        let nowhere = request(Family.vport.id, Command.get, flags: 0x301, datapath: 9999)
        #expect(control(handle, .write, nowhere).result.status == .success)
        let end = control(handle, .read).output
        #expect(try Message(end.rawSpan).header.type == .done)
        #expect(Array(end[16...]) == host(-Errno.noDevice))
    }

    // MARK: Pending

    @Test func aHandlePendsOneRequestForEachQueue() throws {
        let bed = TestBed()
        let (dpif, ports) = try bed.bridge("a")
        let handle = try bed.device.open()
        let ends = Mutex<[String]>([])
        func pend(_ queue: QueueKind, _ name: String) -> IOStatus {
            control(handle, .pend, host(queue.rawValue)) { status in
                ends.withLock { $0.append("\(name) \(status.rawValue == 0 ? "news" : "cancelled")") }
            }.result.status
        }
        func take() -> [String] {
            ends.withLock { list in
                defer { list = [] }
                return list
            }
        }
        _ = control(handle, .subscribe, Subscription(.event, group: .vport).bytes)
        _ = control(handle, .subscribe, Subscription(.packet).bytes)
        #expect(pend(.event, "event") == .pending)
        #expect(pend(.packet, "packet") == .pending)
        #expect(pend(.event, "another") == .deviceBusy)
        #expect(pend(.packet, "another") == .deviceBusy)
        // News of one queue completes its request alone.
        var set = VportMessage(command: Command.set, datapathIfindex: dpif.ifindex, portNumber: 1)
        set.upcallPortIDs = [handle.portID]
        var writer = MessageWriter()
        try set.write(to: &writer, flags: [.request, .echo], sequence: 1, portID: 0)
        _ = control(handle, .transact, writer.bytes)
        #expect(take() == [])
        ports[0].send(Frames.ethernet())
        #expect(take() == ["packet news"])
        // By its queue a request is cancelled alone; without one, both are.
        #expect(pend(.packet, "packet") == .success)
        #expect(!control(handle, .readPacket).output.isEmpty)
        #expect(pend(.packet, "packet") == .pending)
        #expect(control(handle, .cancel, host(QueueKind.packet.rawValue)).result.status == .success)
        #expect(take() == ["packet cancelled"])
        #expect(control(handle, .cancel, host(UInt32(2))).result.status == .invalidParameter)
        #expect(pend(.packet, "packet") == .pending)
        #expect(control(handle, .cancel).result.status == .success)
        #expect(take() == ["event cancelled", "packet cancelled"])
        // Leaving a queue cancels what waits for it, and nothing else.
        #expect(pend(.event, "event") == .pending)
        #expect(pend(.packet, "packet") == .pending)
        _ = control(handle, .subscribe, Subscription(.packet, join: false).bytes)
        #expect(take() == ["packet cancelled"])
        handle.close()
        #expect(take() == ["event cancelled"])
    }

    @Test func whatThereIsNotIsReadAsNothing() throws {
        let bed = TestBed()
        let handle = try bed.device.open()
        for code in [IOControlCode.read, .readEvent, .readPacket] {
            let (result, output) = control(handle, code)
            #expect(result == IOResult(.success))
            #expect(output.isEmpty)
        }
    }
}
