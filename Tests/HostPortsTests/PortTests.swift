import CLinux
import Foundation
import Glibc
import LinuxSystem
import OpenvSwitch
import Packets
import Synchronization
import Testing

@testable import Datapath
@testable import HostPorts

/// Everything that needs root and network namespaces, one after the other.
@Suite(.serialized, .enabled(if: TestHost.shouldRun, "needs root and network namespaces"))
struct PortTests {
    // MARK: Attaching

    @Test func attachingIsUndoneByClosing() throws {
        let hosts = try TwoHosts()
        try hosts.s.ip("addr add 10.0.0.9/24 dev sa")
        #expect(try TestHost.pings("10.0.0.9", from: hosts.a))
        try hosts.s.enter {
            var route = try RouteSocket()
            let before = try route.link(named: "sa")
            #expect(before.promiscuity == 0)
            let sw = try TestSwitch()
            let device = try sw.openInterface("sa")
            #expect(device.ifindex == before.ifindex)
            #expect(device.mtu == 1500)
            #expect(device.takesOffloads)
            #expect(try route.link(named: "sa").promiscuity == 1)
            #expect(IngressGuard.holds(device.ifindex))
            // The host's own stack does not answer while the interface is a port.
            #expect(try !TestHost.pings("10.0.0.9", from: hosts.a))

            sw.ports.close(device)
            #expect(try route.link(named: "sa").promiscuity == 0)
            #expect(!IngressGuard.holds(device.ifindex))
            #expect(try TestHost.pings("10.0.0.9", from: hosts.a))

            // The same by the end of all.
            let again = try sw.openInterface("sa")
            #expect(again.token != device.token)
            sw.ports.shutdown()
            sw.ports.shutdown()
            #expect(try route.link(named: "sa").promiscuity == 0)
            #expect(!IngressGuard.holds(device.ifindex))
            #expect(throws: PortError.self) { try sw.openInterface("sa") }
        }
    }

    @Test func attachingIsUndoneByKilling() throws {
        let hosts = try TwoHosts()
        try hosts.s.ip("addr add 10.0.0.9/24 dev sa")
        let holder = try Command(
            [try #require(TestHolder.executable)] + TestHolder.arguments,
            environment: ["MARTLET_TEST_HOLD": "\(hosts.s.name) sa"])
        #expect(holder.waitFor("holding sa"))
        try hosts.s.enter {
            var route = try RouteSocket()
            let link = try route.link(named: "sa")
            #expect(link.promiscuity == 1)
            #expect(IngressGuard.holds(link.ifindex))
            #expect(try !TestHost.pings("10.0.0.9", from: hosts.a))
            // Held by another process.
            let sw = try TestSwitch()
            expectError(EBUSY, "another process") { try sw.openInterface("sa") }

            holder.kill(SIGKILL)
            #expect(try TestHost.eventually { try route.link(named: "sa").promiscuity == 0 })
            #expect(TestHost.eventually { !IngressGuard.holds(link.ifindex) })
            #expect(try TestHost.pings("10.0.0.9", from: hosts.a))
        }
    }

    @Test func errorsOfOpening() throws {
        let hosts = try TwoHosts()
        try hosts.s.ip("link add br0 type bridge")
        try hosts.s.ip("link add c0 type veth peer name c1")
        try hosts.s.ip("link set c0 master br0")
        try hosts.s.ip("link property add dev c1 altname other")
        try hosts.s.ip("tuntap add mode tun name tun0")
        try hosts.s.enter {
            let sw = try TestSwitch()
            expectError(ENODEV, "nothing") { try sw.openInterface("nothing") }
            expectError(ENODEV, "no interface") { try sw.openInterface("") }
            expectError(ENODEV, "a/b") { try sw.openInterface("a/b") }
            expectError(ENODEV, "sixteen") { try sw.openInterface("sixteen-letters-") }
            expectError(ENODEV, "other") { try sw.openInterface("other") }
            expectError(EINVAL, "loopback") { try sw.openInterface("lo") }
            expectError(EINVAL, "Ethernet") { try sw.openInterface("tun0") }
            expectError(EBUSY, "bridge") { try sw.openInterface("c0") }
            let sa = try sw.openInterface("sa")
            expectError(EBUSY, "already a port") { try sw.openInterface("sa") }
            expectError(EEXIST, "sb") { try sw.openInternal("sb") }
            expectError(EEXIST, "other") { try sw.openInternal("other") }
            expectError(EINVAL, "name") { try sw.openInternal("a b") }
            expectError(EINVAL, "name") { try sw.openInternal("sixteen-letters-") }
            let tap = try sw.openInternal("int0")
            expectError(EEXIST, "int0") { try sw.openInternal("int0") }
            expectError(EINVAL, "internal") { try sw.openInterface("int0") }
            expectError(EBUSY, "index") { try sw.openInternal("int1", ifindex: sa.ifindex) }
            expectError(EAFNOSUPPORT, "type 4") {
                try sw.ports.open(PortRequest(name: "vxlan0", type: .vxlan))
            }
            // Nothing was left behind by what failed.
            let names = Set(sw.ports.interfaces().map(\.name))
            #expect(names == ["lo", "sa", "sb", "br0", "c0", "c1", "tun0", "int0"])
            sw.ports.close(tap)
            #expect(!sw.ports.interfaces().contains { $0.name == "int0" })
            let chosen = try sw.openInternal("int2", ifindex: 7777)
            #expect(chosen.ifindex == 7777)
        }
    }

    private func expectError(
        _ errno: Int32, _ words: String, sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () throws -> PortDevice
    ) {
        do {
            _ = try body()
            Issue.record("no error", sourceLocation: sourceLocation)
        } catch let error as PortError {
            #expect(error.errno == errno, "\(error.message)", sourceLocation: sourceLocation)
            #expect(error.message.contains(words), "\(error.message)", sourceLocation: sourceLocation)
        } catch { Issue.record(error, sourceLocation: sourceLocation) }
    }

    // MARK: Traffic

    @Test(arguments: [1, 2]) func pingBetweenInterfaces(workers: Int) throws {
        let hosts = try TwoHosts()
        #expect(try !TestHost.pings("10.0.0.2", from: hosts.a))
        try hosts.attached(workers: workers) { sw, sa, sb in
            #expect(try TestHost.pings("10.0.0.2", from: hosts.a, count: 3))
            #expect(try TestHost.pings("10.0.0.1", from: hosts.b, count: 3))
            // As long as the MTU.
            #expect(try TestHost.pings("10.0.0.2", from: hosts.a, size: 1468))
            let statistics = try #require(sw.ports.statistics(of: sa))
            #expect(statistics.receivedPackets >= 7)
            #expect(statistics.transmittedPackets >= 7)
            #expect(statistics.receivedBytes >= 1514)
            #expect(statistics.receiveDropped == 0)
            #expect(statistics.receiveErrors == 0)
            // Down and up again.
            try hosts.s.ip("link set sa down")
            #expect(try !TestHost.pings("10.0.0.2", from: hosts.a))
            try hosts.s.ip("link set sa up")
            #expect(try TestHost.pings("10.0.0.2", from: hosts.a, count: 5))
            // Stopped, nothing comes in.
            sw.ports.stop(sb)
            #expect(try !TestHost.pings("10.0.0.2", from: hosts.a))
        }
        #expect(try !TestHost.pings("10.0.0.2", from: hosts.a))
    }

    @Test func segmentsTravelWhole() throws {
        let hosts = try TwoHosts()
        let result = try hosts.attached { sw, sa, sb in
            let result = try TCPRun(from: hosts.a, to: hosts.b, address: "10.0.0.2")
            let statistics = try #require(sw.ports.statistics(of: sa))
            // Far more bytes in a frame than the MTU: offloads are taken and given.
            #expect(statistics.receivedBytes / max(statistics.receivedPackets, 1) > 5000)
            #expect(try #require(sw.ports.statistics(of: sb)).transmittedBytes > result.bytes)
            return result
        }
        print("TCP between packet sockets: \(result)")
        #expect(result.megabitsPerSecond > 500)
        // Frames may overtake each other where a thread moves to another processor; not one segment of a hundred.
        #expect(result.retransmits < Int(result.bytes / 1448 / 100))
    }

    @Test func udpChecksumsAreCompleted() throws {
        let hosts = try TwoHosts()
        let received = try hosts.attached { _, _, _ in
            let server = try Command([
                "ip", "netns", "exec", hosts.b.name, "python3", "-u", "-c",
                """
                import socket
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("10.0.0.2", 4000)); s.settimeout(3)
                print("ready"); print("got", len(s.recv(9000)))
                """,
            ])
            #expect(server.waitFor("ready"))
            let script = """
                import socket
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x" * 1000, ("10.0.0.2", 4000))
                """
            try TestHost.run(["ip", "netns", "exec", hosts.a.name, "python3", "-c", script])
            return server.finish().output
        }
        #expect(received.contains("got 1000"))
    }

    @Test func vlanTagsArriveAndLeave() throws {
        let hosts = try TwoHosts()
        let output = try hosts.attached { _, _, _ in
            // Sees the tag that its kernel took out, the virtio-net header, and the frame.
            let listener = try Command([
                "ip", "netns", "exec", hosts.b.name, "python3", "-u", "-c",
                """
                import socket, struct
                s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
                s.bind(("b0", 0)); s.settimeout(3)
                s.setsockopt(263, 8, 1); s.setsockopt(263, 15, 1); print("ready")
                seen = 0
                while seen < 4:
                    data, control, _, _ = s.recvmsg(4096, 256)
                    frame = data[10:]
                    if frame[6:12] != bytes.fromhex("020000000001"): continue
                    seen += 1
                    status, length, snap, mac, net, tci, tpid = struct.unpack("=IIIHHHH", control[0][2][:20])
                    tag = "%04x:%04x" % (tpid, tci) if status & 16 else "none"
                    flags, gso, header, size, start, offset = struct.unpack("=BBHHHH", data[:10])
                    print("frame", len(frame), tag, frame[12:16].hex(), "csum", flags & 1, start, offset)
                """,
            ])
            #expect(listener.waitFor("ready"))
            let sender = try TestHost.run([
                "ip", "netns", "exec", hosts.a.name, "python3", "-c",
                """
                import socket, struct
                s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0); s.bind(("a0", 0))
                s.setsockopt(263, 15, 1)
                addresses = bytes.fromhex("ffffffffffff020000000001")
                plain = struct.pack("=BBHHHH", 0, 0, 0, 0, 0, 0)
                ip = bytes.fromhex("4500002e000000004011000001010101" "02020202")
                ip += struct.pack("!HHHH", 1, 2, 26, 0) + b"y" * 18
                s.send(plain + addresses + bytes.fromhex("0800") + ip)
                s.send(plain + addresses + bytes.fromhex("8100a064" "0800") + ip)
                s.send(plain + addresses + bytes.fromhex("88a80005" "81000006" "0800") + ip)
                partial = struct.pack("=BBHHHH", 1, 0, 46, 0, 38, 6)
                s.send(partial + addresses + bytes.fromhex("81000064" "0800") + ip)
                """,
            ])
            #expect(sender.status == 0, "\(sender.output)")
            return listener.finish().output
        }
        #expect(output.contains("frame 60 none 08004500 csum 0"), "\(output)")
        #expect(output.contains("frame 60 8100:a064 08004500 csum 0"), "\(output)")
        #expect(output.contains("frame 64 88a8:0005 81000006 csum 0"), "\(output)")
        // The place of the checksum is counted without the tag again: it moved by four on the way in, and was right
        // out.
        #expect(output.contains("frame 60 8100:0064 08004500 csum 1 34 6"), "\(output)")
    }

    @Test func internalPortIsAnInterfaceOfTheHost() throws {
        let hosts = try TwoHosts()
        try hosts.s.enter {
            let sw = try TestSwitch()
            let sa = try sw.openInterface("sa")
            let tap = try sw.openInternal("br0")
            #expect(tap.takesOffloads)
            sw.connect(sa, tap)
            let interface = try #require(sw.ports.interfaces().first { $0.name == "br0" })
            #expect(interface.ifindex == tap.ifindex)
            #expect(interface.isEthernet)
            #expect(!interface.isUp)
            try hosts.s.ip("addr add 10.0.0.7/24 dev br0")
            try hosts.s.ip("link set br0 up")
            #expect(try TestHost.pings("10.0.0.1", from: hosts.s, count: 3))
            #expect(try TestHost.pings("10.0.0.7", from: hosts.a, count: 3))

            // The host's view: it sent and received.
            let statistics = try #require(sw.ports.statistics(of: tap))
            #expect(statistics.receivedPackets >= 6)
            #expect(statistics.transmittedPackets >= 6)

            let up = try TCPRun(from: hosts.s, to: hosts.a, address: "10.0.0.1")
            let down = try TCPRun(from: hosts.a, to: hosts.s, address: "10.0.0.7")
            print("TCP from the host: \(up)\nTCP to the host: \(down)")
            #expect(up.megabitsPerSecond > 500)
            #expect(down.megabitsPerSecond > 500)

            // Down, what is sent to it is dropped; deleted by someone, its counters are gone and nothing spins.
            try hosts.s.ip("link set br0 down")
            #expect(try !TestHost.pings("10.0.0.7", from: hosts.a))
            try hosts.s.ip("link del br0")
            #expect(sw.ports.statistics(of: tap) == nil)
            let waits = try String(
                contentsOfFile: "/proc/self/fdinfo/\(sw.ports.workers[0].poller.raw)", encoding: .utf8)
            // The control descriptor and the other port are still waited for, the device that has gone is not.
            #expect(waits.split(separator: "\n").filter { $0.hasPrefix("tfd") }.count == 2, "\(waits)")
            sw.ports.close(tap)
            let again = try sw.openInternal("br0")
            #expect(again.token != tap.token)
            #expect(sw.ports.statistics(of: tap) == nil)
        }
    }

    @Test func transmittingCountsWhatWasTaken() throws {
        let hosts = try TwoHosts()
        try hosts.s.enter {
            let sw = try TestSwitch()
            let sa = try sw.openInterface("sa")
            let tap = try sw.openInternal("br0")
            var pool = PacketPool(capacity: 64)

            /// Transmits frames of these sizes to a device.
            func transmit(_ sizes: [Int], etherType: [UInt8] = [0x88, 0xb5], to token: UInt64) throws -> Int {
                pool.reset()
                var packets: [Packet] = []
                for size in sizes {
                    guard var packet = pool.take() else { throw TestHost.Unfit(description: "the pool is too small") }
                    var frame = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8] + etherType
                    frame += [UInt8](repeating: 0, count: size - frame.count)
                    let isAssigned = unsafe packet.assign(frame.span.bytes)
                    #expect(isAssigned)
                    packets.append(packet)
                }
                return unsafe packets.withUnsafeMutableBufferPointer { unsafe sw.ports.transmit($0, to: token) }
            }
            func received() throws -> UInt64 {
                try hosts.a.enter {
                    var route = try RouteSocket()
                    return try route.statistics(index: route.link(named: "a0").ifindex).receivedPackets
                }
            }
            let before = try received()
            // One that is too long is left out, those behind it are not.
            #expect(try transmit([60, 1514, 1515, 60, 9000, 60], to: sa.token) == 4)
            #expect(try transmit([1518, 1519], etherType: [0x81, 0, 0, 5, 8, 0], to: sa.token) == 1)
            #expect(try transmit([Int](repeating: 100, count: 64), to: sa.token) == 64)
            #expect(try transmit([], to: sa.token) == 0)
            #expect(try TestHost.eventually { try received() == before + 69 })
            // Tokens that stand for nothing.
            #expect(try transmit([60], to: sa.token &+ 1 << 32) == 0)
            #expect(try transmit([60], to: sa.token &+ 100) == 0)
            #expect(try transmit([60], to: .max) == 0)
            #expect(try transmit([60], to: 0) == 0)
            // A device that is down takes nothing.
            #expect(try transmit([60, 60], to: tap.token) == 0)
            try hosts.s.ip("link set br0 up")
            #expect(try transmit([60, 1514, 60], to: tap.token) == 3)
            #expect(try #require(sw.ports.statistics(of: tap)).receivedPackets == 3)
            try hosts.s.ip("link set sa down")
            #expect(try transmit([60, 60], to: sa.token) == 0)
            try hosts.s.ip("link set sa up")
            #expect(try transmit([60, 60], to: sa.token) == 2)
            sw.ports.close(sa)
            #expect(try transmit([60], to: sa.token) == 0)
        }
    }

    // MARK: Closing

    @Test func closingUnderTrafficLeavesNothingOpen() throws {
        let hosts = try TwoHosts()
        try hosts.s.enter {
            try hosts.a.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev a0")
            let flood = try Command([
                "ip", "netns", "exec", hosts.a.name, "python3", "-u", "-c",
                """
                import socket
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); print("ready")
                while True: s.sendto(b"x" * 1000, ("10.0.0.2", 9))
                """,
            ])
            defer { flood.kill(SIGKILL) }
            #expect(flood.waitFor("ready"))
            let sw = try TestSwitch(workers: 2)
            let ports = sw.ports
            func round() throws {
                let sa = try sw.openInterface("sa")
                let sb = try sw.openInterface("sb")
                sw.connect(sa, sb)
                usleep(2000)
                ports.stop(sa)
                ports.stop(sb)
                ports.close(sa)
                ports.close(sb)
                ports.stop(sa)
                ports.close(sa)  // a stale device is harmless
            }
            try round()
            let (socketsBefore, programsBefore) = try (TestHost.socketsOfNamespace(), TestHost.programDescriptors())
            for _ in 0..<100 { try round() }
            let (sockets, programs) = try (TestHost.socketsOfNamespace(), TestHost.programDescriptors())
            #expect(sockets == socketsBefore)
            // Other tests may have some; a leak would be a hundred.
            #expect(programs < programsBefore + 50, "\(programsBefore) before, \(programs) after")
            var route = try RouteSocket()
            #expect(try route.link(named: "sa").promiscuity == 0)
        }
    }

    @Test func interfaceThatGoesIsHarmless() throws {
        let hosts = try TwoHosts()
        try hosts.attached { sw, sa, sb in
            #expect(try TestHost.pings("10.0.0.2", from: hosts.a))
            try hosts.a.ip("link del a0")
            #expect(sw.ports.statistics(of: sa) == nil)
            #expect(sw.ports.statistics(of: sb) != nil)
            sw.ports.stop(sa)
            sw.ports.close(sa)
            // The other one goes on, and the name can come back.
            try hosts.a.connect("a0", to: "sa", in: hosts.s)
            try hosts.a.ip("addr add 10.0.0.1/24 dev a0")
            sw.ports.stop(sb)
            let again = try sw.openInterface("sa")
            sw.connect(again, sb)
            #expect(try TestHost.pings("10.0.0.2", from: hosts.a, count: 3))
        }
    }

    // MARK: Watching

    @Test func watcherReportsWithin200Milliseconds() throws {
        try TestHost.require()
        let namespace = try TestNamespace()
        try namespace.enter {
            let ports = try LinuxPorts(workers: 1)
            defer { ports.shutdown() }
            let events = Mutex<[HostInterfaceEvent]>([])
            ports.watchInterfaces { event in events.withLock { $0.append(event) } }

            /// How long each news took, in seconds: whoever shares the machine may hold one up, but not most.
            var delays: [Double] = []
            /// Waits for something that is news.
            func isTold(_ condition: () -> Bool) -> Bool {
                let begin = Date()
                defer { delays.append(-begin.timeIntervalSinceNow) }
                return TestHost.eventually(condition)
            }
            /// Runs a command and waits for its news.
            func expect(_ line: String, _ isNews: @escaping (HostInterfaceEvent) -> Bool) throws {
                events.withLock { $0 = [] }
                try namespace.ip(line)
                let found = isTold { events.withLock { $0.contains(where: isNews) } }
                #expect(found, "\(line): \(events.withLock { $0 })")
            }
            try expect("link add w0 type veth peer name w1") {
                guard case .added(let new) = $0 else { return false }
                return new.name == "w0" && !new.isUp && new.isEthernet && new.mac != 0
            }
            try expect("link set w0 up") {
                if case .changed(let new, from: _) = $0 {
                    new.name == "w0" && new.isUp && !new.hasCarrier
                } else {
                    false
                }
            }
            try expect("link set w1 up") {
                if case .changed(let new, from: _) = $0 {
                    new.name == "w0" && new.isUp && new.hasCarrier
                } else {
                    false
                }
            }
            try expect("link set w0 mtu 1400") {
                if case .changed(let new, from: _) = $0 { new.name == "w0" && new.mtu == 1400 } else { false }
            }
            try expect("link set w0 address 02:00:00:00:12:34") {
                if case .changed(let new, from: _) = $0 { new.mac == 0x0200_0000_1234 } else { false }
            }
            try expect("link set w0 down") {
                if case .changed(let new, from: _) = $0 { new.name == "w0" && !new.isUp } else { false }
            }
            try expect("link set w0 name w2") {
                if case .changed(let new, let old) = $0 { new.name == "w2" && old.name == "w0" } else { false }
            }
            // In a bridge and out of it: neither is a removal.
            try namespace.ip("link add b0 type bridge")
            try namespace.ip("link set w2 master b0")
            events.withLock { $0 = [] }
            try namespace.ip("link set w2 nomaster")
            #expect(isTold { events.withLock { !$0.isEmpty } })
            usleep(50_000)
            #expect(!events.withLock { $0.contains { if case .removed = $0 { true } else { false } } })
            try expect("link set w1 down") {
                if case .changed(let new, from: _) = $0 { new.name == "w1" && !new.isUp } else { false }
            }
            try expect("link del w2") { if case .removed(let old) = $0 { old.name == "w2" } else { false } }
            #expect(
                isTold {
                    events.withLock {
                        $0.contains { if case .removed(let old) = $0 { old.name == "w1" } else { false } }
                    }
                })
            #expect(delays.sorted()[delays.count / 2] < 0.2, "\(delays)")
            // Each came and went once.
            try namespace.ip("link add w3 type veth peer name w4")
            events.withLock { $0 = [] }
            ports.shutdown()
            try namespace.ip("link del w3")
            usleep(20_000)
            #expect(events.withLock { $0.isEmpty })
        }
    }

    @Test func watcherLosesNothing() throws {
        try TestHost.require()
        let namespace = try TestNamespace()
        try namespace.enter {
            let watcher = try InterfaceWatcher()
            defer { watcher.stop() }
            let gate = DispatchSemaphore(value: 0)
            let names = Mutex<[Int32: String]>([:])
            let isFirst = Mutex(true)
            watcher.setHandler { event in
                if isFirst.withLock({ first in
                    defer { first = false }; return first
                }) {
                    gate.wait()
                }
                names.withLock { names in
                    switch event {
                    case .added(let new), .changed(let new, from: _): names[new.ifindex] = new.name
                    case .removed(let old): names[old.ifindex] = nil
                    }
                }
            }
            // While the handler holds the watcher up, far more changes than its socket has room for.
            let batch = FileManager.default.temporaryDirectory.appendingPathComponent("\(namespace.name).batch")
            defer { try? FileManager.default.removeItem(at: batch) }
            var lines = (0..<100).map { "link add p\($0) type veth peer name q\($0)" }
            lines += (0..<20).flatMap { _ in (0..<100).flatMap { ["link set p\($0) up", "link set p\($0) down"] } }
            lines += (0..<50).map { "link del p\($0)" }
            lines += (50..<60).map { "link set p\($0) name r\($0)" }
            try lines.joined(separator: "\n").write(to: batch, atomically: false, encoding: .utf8)
            try namespace.ip("-batch \(batch.path)")
            gate.signal()

            var route = try RouteSocket()
            let links = try route.links().filter { $0.name != "lo" }
            let expected = Dictionary(uniqueKeysWithValues: links.map { ($0.ifindex, $0.name ?? "") })
            #expect(expected.count == 100)
            let isSame = TestHost.eventually { names.withLock { $0 == expected } }
            #expect(isSame, "\(expected.filter { pair in names.withLock { $0[pair.key] } != pair.value })")
            #expect(names.withLock { $0.count } == expected.count)
            #expect(watcher.resynchronizations > 0)
        }
    }
}

/// Bytes sent over one TCP connection for a second or two.
struct TCPRun: Sendable, CustomStringConvertible {
    var bytes: UInt64
    var seconds: Double
    var retransmits: Int

    var megabitsPerSecond: Double { Double(bytes) * 8 / seconds / 1e6 }
    var description: String { "\(Int(megabitsPerSecond)) Mbit/s, \(retransmits) retransmits" }

    init(from: TestNamespace, to: TestNamespace, address: String) throws {
        let server = try Command([
            "ip", "netns", "exec", to.name, "python3", "-u", "-c",
            """
            import socket, time
            l = socket.create_server(("\(address)", 5000)); l.settimeout(5); print("ready")
            c, _ = l.accept(); c.settimeout(5); n = 0; t = time.monotonic()
            buffer = bytearray(1 << 20)
            while True:
                k = c.recv_into(buffer)
                if k == 0: break
                n += k
            print("result", n, time.monotonic() - t)
            """,
        ])
        #expect(server.waitFor("ready"))
        let client = try TestHost.run([
            "ip", "netns", "exec", from.name, "python3", "-c",
            """
            import socket, time, struct
            s = socket.create_connection(("\(address)", 5000), 5)
            end = time.monotonic() + 1.5; piece = b"z" * (1 << 18)
            while time.monotonic() < end: s.sendall(piece)
            print("retransmits", struct.unpack("=I", s.getsockopt(6, 11, 256)[100:104])[0])
            """,
        ])
        let words = (server.finish().output + " " + client.output).split { $0.isWhitespace }.map(String.init)
        func number(_ word: String, _ offset: Int) throws -> Double {
            let index = try #require(words.firstIndex(of: word), "\(words)")
            return try #require(index + offset < words.count ? Double(words[index + offset]) : nil)
        }
        bytes = UInt64(try number("result", 1))
        seconds = try number("result", 2)
        retransmits = Int(try number("retransmits", 1))
    }
}
