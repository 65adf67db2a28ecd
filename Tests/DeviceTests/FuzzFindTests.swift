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
}
