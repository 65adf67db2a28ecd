import Datapath
import Device
import Netlink
import OpenvSwitch
import Testing

/// What fuzzing the device has found.
@Suite struct FuzzFindTests {
    /// The answer to a request for a datapath whose LOCAL port is to have an interface index.
    private func makeDatapath(_ handle: Handle, _ name: String, ifindex: Int32?) throws -> (index: Int32?, errno: Int32)
    {
        var request = DatapathMessage(command: Command.new, name: name)
        request.upcallPortID = 0
        request.ifindex = ifindex
        var writer = MessageWriter()
        try request.write(to: &writer, flags: [.request, .echo])
        var output = MessageWriter(limit: 4096)
        let input = writer.bytes
        #expect(handle.control(.transact, input: input.rawSpan, output: &output).status == .success)
        let bytes = output.bytes
        let reply = try Message(bytes.rawSpan)
        if reply.header.type == .error { return (nil, -(try ErrorMessage(reply).error)) }
        return (try DatapathMessage(reply).datapathIfindex, 0)
    }

    /// The index behind the greatest one overflowed.
    @Test func theGreatestInterfaceIndexMayBeWished() throws {
        let bed = TestBed()
        let handle = try bed.device.open()
        #expect(try makeDatapath(handle, "br0", ifindex: .max) == (.max, 0))
        let next = try makeDatapath(handle, "br1", ifindex: nil)
        #expect(next.index == 1)
        _ = bed.host.plug("eth0")
        #expect(bed.host.interfaces().map(\.ifindex) == [1, 2, .max])
    }

    /// Two interfaces with one index could not be told apart.
    @Test func anInterfaceIndexIsGivenOnce() throws {
        let bed = TestBed()
        _ = bed.host.plug("eth0")
        let handle = try bed.device.open()
        #expect(try makeDatapath(handle, "br0", ifindex: 1) == (nil, Errno.busy))
        #expect(try makeDatapath(handle, "br0", ifindex: 2) == (2, 0))
        #expect(try makeDatapath(handle, "br1", ifindex: nil) == (3, 0))
        // 0 is no index, and no wish.
        #expect(try makeDatapath(handle, "br2", ifindex: 0) == (4, 0))
    }

    /// The room was reckoned for the flow in the request, and the reply tells of the one that is there, whose mask is
    /// longer: its actions were replaced, and then the call failed.
    @Test func aReplyWithoutRoomReplacesNoActions() throws {
        let bed = TestBed()
        let handle = try bed.device.open()
        let ifindex = try #require(try makeDatapath(handle, "br0", ifindex: nil).index)
        var flowKey = FlowKey()
        (flowKey.kind, flowKey.inPort) = (1, 1)
        (flowKey.etherType, flowKey.ipProtocol) = (EtherType.ipv6, IPProtocol.tcp)
        var keyWriter = MessageWriter()
        try flowKey.write(to: &keyWriter)
        let key = keyWriter.bytes
        let actions = try [Action.output(1)].encoded()

        func put(_ room: Int, mask: [UInt8]?, actions: [UInt8]) throws -> (result: IOResult, flow: FlowMessage?) {
            var request = FlowMessage(command: Command.new, datapathIfindex: ifindex)
            (request.key, request.mask, request.actions) = (key, mask, actions)
            var writer = MessageWriter()
            try request.write(to: &writer, flags: [.request, .echo])
            var output = MessageWriter(limit: room)
            let input = writer.bytes
            let result = handle.control(.transact, input: input.rawSpan, output: &output)
            let bytes = output.bytes
            guard !bytes.isEmpty else { return (result, nil) }
            return (result, try FlowMessage(Message(bytes.rawSpan)))
        }
        func flowActions() throws -> [UInt8]? {
            var request = FlowMessage(command: Command.get, datapathIfindex: ifindex)
            request.key = key
            var writer = MessageWriter()
            try request.write(to: &writer, flags: .request)
            var output = MessageWriter()
            let input = writer.bytes
            _ = handle.control(.transact, input: input.rawSpan, output: &output)
            let bytes = output.bytes
            return try FlowMessage(Message(bytes.rawSpan)).actions
        }

        #expect(try put(4096, mask: nil, actions: []).flow?.actions == [])
        var room = ErrorMessage.cappedSize
        var calls = 0
        while true {
            let (result, flow) = try put(room, mask: [], actions: actions)
            calls += 1
            guard result.status == .bufferTooSmall else {
                #expect(flow?.actions == actions)
                break
            }
            #expect(try flowActions() == [])
            room = Int(result.information)
        }
        #expect(calls == 2)
    }
}
