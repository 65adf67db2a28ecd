import DPIF
import Datapath
import Device
import Netlink
import NetlinkSocket
import OpenvSwitch
import Testing

/// What happens to the host's interfaces becomes events of the device, and vports follow.
@Suite struct HostEventTests {
    private let bed = TestBed()
    private let events: EventSocket

    init() throws {
        events = try EventSocket(bed.device)
        try events.join(.netdev)
        try events.join(.vport)
        try events.join(.datapath)
    }

    private func play(_ script: String) throws { try bed.host.play(try HostScript(script)) }

    /// The events since the last call, each in a word or two.
    private func news() throws -> [String] {
        var lines: [String] = []
        while let bytes = try events.receive() {
            let message = try Message(bytes.rawSpan)
            #expect(message.header.sequence == 0 || message.header.type != Family.netdev.messageType)
            switch message.header.type {
            case Family.netdev.messageType:
                let netdev = try NetdevMessage(message)
                let verb = ["", "", "new", "del", "set"][Int(netdev.command)]
                var line = "\(verb) \(netdev.name ?? "-") \(netdev.changes?.rawValue ?? 0)"
                if let name = netdev.formerName { line += " was \(name)" }
                if let number = netdev.portNumber { line += " port \(number)" }
                lines.append(line)
            case Family.vport.messageType:
                let vport = try VportMessage(message)
                lines.append("vport \(vport.command) \(vport.portNumber ?? 0) \(vport.name ?? "-")")
            default:
                let datapath = try DatapathMessage(message)
                lines.append("datapath \(datapath.command) \(datapath.name ?? "-")")
            }
        }
        return lines
    }

    @Test func eachStepIsAnEvent() throws {
        try play("create nic1 mac=02:00:00:00:00:01 mtu=9000   # comes switched off")
        #expect(try news() == ["new nic1 64"])
        try play("connect nic1\nlink nic1 up\n\nmac nic1 02:00:00:00:00:02\nmtu nic1 1500\nrename nic1 nic2")
        #expect(
            try news() == ["set nic1 1", "set nic1 4", "set nic1 16", "set nic1 32", "set nic2 256 was nic1"])
        try play("link nic2 down\ndisconnect nic2\ndelete nic2")
        #expect(try news() == ["set nic2 8", "set nic2 2", "del nic2 128"])
    }

    /// One that comes or goes with its link says all of it, and several changes at once are one event.
    @Test func anEventTellsOfAllThatHasChanged() throws {
        _ = bed.host.plug("a")
        bed.host.change("a") { ($0.mtu, $0.mac, $0.hasCarrier) = (1400, 2, false) }
        bed.host.change("a") { $0.mtu = 1400 }  // nothing new
        bed.host.unplug("a")
        #expect(try news() == ["new a 69", "set a 56", "del a 130"])
    }

    /// An event has what GET says of the interface at that time.
    @Test func eventsCarryTheInterface() throws {
        try play("create a mac=02:00:00:00:00:0a mtu=1400\nconnect a\nlink a up")
        _ = try events.receive()
        _ = try events.receive()
        let bytes = try #require(try events.receive())
        let event = try NetdevMessage(try Message(bytes.rawSpan))
        #expect(event.mac == 0x0200_0000_000a)
        #expect(event.mtu == 1400)
        #expect(event.flags == [.up, .carrier, .ethernet])
        #expect(event.ifindex == bed.host.interface(named: "a").map { UInt32($0.ifindex) })
        #expect(event.changes == .linkUp)
    }

    @Test func aVportFollowsItsInterface() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        _ = try news()
        try play("rename a c")
        #expect(try news() == ["vport 4 1 c", "set c 256 was a port 1"])
        #expect(try dpif.port(named: "c").portNumber == 1)
        #expect(throws: SocketError.self) { try dpif.port(named: "a") }
        // It forwards as before, and its counters are its own.
        let (key, mask) = try Keys.inPort(1)
        try dpif.putFlow(FlowPut(key: key, mask: mask, actions: try [Action.output(2)].encoded()))
        ports[0].send(Frames.ethernet())
        #expect(ports[1].receiveAll().count == 1)
        #expect(try dpif.port(named: "c").stats?.receivedPackets == 1)
        // The name is free for another, and the port goes under its own.
        try play("create a\nconnect a")
        try dpif.addPort("a")
        try dpif.deletePort(1)
        _ = try news()
        #expect(try dpif.ports().compactMap(\.name) == ["br0", "b", "a"])
        // Taken off, it is an interface like any other.
        try play("rename c d\ndelete d")
        #expect(try news() == ["set d 256 was c", "del d 138"])
    }

    @Test func aVportGoesWithItsInterface() throws {
        let (dpif, _) = try bed.bridge("a")
        _ = try news()
        // A link that is down, and a NIC that is switched off, leave the vport where it is.
        try play("link a down\ndisconnect a")
        #expect(try news() == ["set a 8 port 1", "set a 2 port 1"])
        #expect(try dpif.ports().count == 2)
        try play("delete a")
        #expect(try news() == ["vport 2 1 a", "del a 128"])
        #expect(try dpif.ports().compactMap(\.name) == ["br0"])
    }

    @Test func aDatapathFollowsItsLocalPort() throws {
        let (dpif, _) = try bed.bridge("a")
        _ = try news()
        try play("rename br0 br1")
        #expect(try news() == ["vport 4 0 br1", "datapath 4 br1", "set br1 256 was br0 port 0"])
        #expect(try NetlinkDPIF.open("br1", over: bed.device).ifindex == dpif.ifindex)
        #expect(throws: SocketError.self) { try NetlinkDPIF.open("br0", over: bed.device) }
        #expect(try NetlinkDPIF.create("br0", over: bed.device).ifindex != dpif.ifindex)
    }

    /// The names of two interfaces are exchanged: each vport ends with its own.
    @Test func namesAreExchanged() throws {
        let (dpif, _) = try bed.bridge("a", "b")
        try play("rename a x\nrename b a\nrename x b")
        #expect(try dpif.port(named: "b").portNumber == 1)
        #expect(try dpif.port(named: "a").portNumber == 2)
        // A watcher that has lost news may tell of both at once: the first takes a name that is still the other's.
        bed.sw.withControl { control in
            guard let (datapath, second) = control.vport(named: "a"), let (_, first) = control.vport(named: "b")
            else { return #expect(Bool(false), "both are there") }
            control.rename(first, of: datapath, to: "a")
            control.rename(second, of: datapath, to: "b")
        }
        #expect(try dpif.port(named: "a").portNumber == 1)
        #expect(try dpif.port(named: "b").portNumber == 2)
        try dpif.deletePort(1)
        #expect(try dpif.port(named: "b").portNumber == 2)
        #expect(throws: SocketError.self) { try dpif.port(named: "a") }
    }

    /// Tunnels are no interfaces of the host: user space makes them, and no event does.
    @Test func noInterfaceBecomesATunnel() throws {
        let (dpif, _) = try bed.bridge("a")
        _ = try news()
        try play("create vxlan_sys_4789\nconnect vxlan_sys_4789")
        #expect(try news() == ["new vxlan_sys_4789 64", "set vxlan_sys_4789 1"])
        #expect(try dpif.ports().map(\.type) == [.internal, .netdev])
    }

    // MARK: Scripts

    @Test(arguments: [
        "create", "create a mtu=x", "create a mac=02:00", "create a colour=red", "link a", "link a sideways",
        "mac a 1:2",
        "mac a 02:00:00:00:00:0g", "mac a 002:0:00:00:00:00", "mtu a -1", "mtu a 4294967296", "rename a", "delete",
        "delete a b", "explode a",
    ])
    func scriptsAreRefused(_ line: String) {
        #expect(throws: HostScriptError(line: 3, message: "this is no step: \(line)")) {
            try HostScript("# comment\n\n\(line)\n")
        }
    }

    @Test(arguments: [
        ("connect x", "there is no interface x"), ("disconnect x", "there is no interface x"),
        ("link x up", "there is no interface x"), ("mac x 00:00:00:00:00:00", "there is no interface x"),
        ("mtu x 1", "there is no interface x"), ("rename x y", "there is no interface x"),
        ("delete x", "there is no interface x"), ("create a", "there is an interface a already"),
        ("rename b a", "there is an interface a already"),
    ])
    func stepsAreRefused(_ line: String, _ message: String) throws {
        #expect(throws: HostScriptError(line: 3, message: message)) {
            try play("create a\ncreate b\n\(line)\ndelete a")
        }
        #expect(try news() == ["new a 64", "new b 64"])
    }
}
