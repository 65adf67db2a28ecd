import Testing

@testable import Datapath
@testable import HostPorts

@Suite struct PortTableTests {
    @Test func tokensBecomeStale() {
        let table = PortTable()
        // Never looked into: the table only keeps it.
        var place = 0
        let reference = unsafe withUnsafeMutableBytes(of: &place) { unsafe PortReference($0.baseAddress!) }
        let first = table.open(PortTable.Endpoint(descriptor: 7, kind: .packetSocket), at: 3)
        #expect(first != PortWorker.controlToken)
        #expect(table.endpoint(first) == PortTable.Endpoint(descriptor: 7, kind: .packetSocket))
        #expect(table.receiver(first) == nil)
        table.setReceiver(reference, lanes: nil, first)
        #expect(table.receiver(first) != nil)
        table.countReceiveErrors(2, first)
        #expect(table.receiveErrors(first) == 2)
        table.clearReceiver(first)
        #expect(table.receiver(first) == nil)

        table.close(first)
        #expect(table.endpoint(first) == nil)
        let second = table.open(PortTable.Endpoint(descriptor: 8, kind: .tap), at: 3)
        #expect(second != first)
        #expect(table.endpoint(first) == nil)
        #expect(table.endpoint(second) == PortTable.Endpoint(descriptor: 8, kind: .tap))
        #expect(table.receiveErrors(second) == 0)
        table.setReceiver(reference, lanes: nil, second)
        #expect(table.receiver(first) == nil)
    }

    @Test func noTokenTraps() {
        let table = PortTable()
        for token: UInt64 in [0, 1, .max, 1 << 32, 1 << 63, 0xffff_ffff, UInt64(PortTable.capacity), 1 << 32 | 4096] {
            #expect(table.endpoint(token) == nil)
            #expect(table.receiver(token) == nil || token == 0)
            table.countReceiveErrors(1, token)
            table.clearReceiver(token)
        }
        let last = table.open(PortTable.Endpoint(descriptor: 1, kind: .packetSocket), at: PortTable.capacity - 1)
        #expect(table.endpoint(last) != nil)
    }
}

@Suite struct InterfaceNameTests {
    @Test func names() {
        for name in ["a", "eth0", "fifteen-letters", "veth@x", "ü"] { #expect(RouteSocket.isName(name), "\(name)") }
        for name in ["", ".", "..", "a/b", "a b", "a:b", "a\tb", "a\0", "sixteen-letters-", "üüüüüüüü"] {
            #expect(!RouteSocket.isName(name), "\(name)")
        }
    }
}
