import Bed
import DPIF
import Device
import Netlink
import NetlinkSocket
import OpenvSwitch

extension Case {
    /// Packets that go to a client and are read by it.
    static var slowPathCases: [Case] {
        [
            upcalls("miss, upcall, read", actions: nil),
            upcalls("userspace action, upcall, read", actions: "userspace(pid=%,userdata(0102030405060708))"),
            Case(name: "miss, nobody asks", group: .slow) { forwarding(try Bed(), [Frames.tcp()], outputs: 0) },
        ]
    }

    private static func upcalls(_ name: String, actions: String?) -> Case {
        Case(name: name, group: .slow) {
            let bed = try Bed()
            let handle = try bed.device.open()
            var output = MessageWriter(capacity: 65_536, limit: 65_536)
            let joined = handle.control(.subscribe, input: Subscription(.packet).bytes.rawSpan, output: &output)
            precondition(joined.status == .success, "no packet queue")
            if let actions {
                try bed.install(
                    "recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)",
                    actions.replacing("%", with: "\(handle.portID)"))
            } else {
                try bed.dpif.setUpcalls([handle.portID], ofPort: 1)
            }
            let batch = forwarding(bed, [Frames.tcp()], outputs: 0)
            return Prepared(
                body: { count in
                    var output = MessageWriter(capacity: 65_536, limit: 65_536)
                    for _ in 0..<(count / 32) {
                        batch.body(32)
                        for _ in 0..<32 {
                            output.removeAll()
                            let result = handle.control(.readPacket, input: RawSpan(), output: &output)
                            precondition(result.information > 100, "no upcall")
                        }
                    }
                },
                end: {
                    handle.close()
                    batch.end()
                })
        }
    }

    /// Requests in process.
    static var controlCases: [Case] {
        [
            Case(name: "port ID, no Netlink", group: .control) { try transactions(.getPortID) { _ in [] } },
            Case(name: "vport get", group: .control) {
                try transactions {
                    [VportMessage(command: Command.get, datapathIfindex: $0.dpif.ifindex, portNumber: 1)]
                }
            },
            Case(name: "vport get by a client", group: .control) {
                let bed = try Bed()
                return Prepared(
                    body: { count in
                        for _ in 0..<count {
                            do { use(try bed.dpif.port(1)) } catch { fatalError("\(error)") }
                        }
                    }, end: { bed.end() })
            },
            Case(name: "flow get", group: .control) {
                try transactions { bed in
                    try bed.dpif.putFlow(put)
                    return [try message(Command.get, bed)]
                }
            },
            Case(name: "flow put and delete", group: .control) {
                try transactions { [try message(Command.new, $0), try message(Command.delete, $0)] }
            },
            Case(name: "flow change", group: .control) {
                try transactions { bed in
                    try bed.dpif.putFlow(put)
                    return [try message(Command.set, bed)]
                }
            },
            Case(name: "packet execute", group: .control) {
                try transactions { bed in
                    [
                        PacketMessage(
                            command: PacketCommand.execute, datapathIfindex: bed.dpif.ifindex, packet: Frames.udp,
                            key: try bytes().key, actions: try Bed.actions("2"))
                    ]
                }
            },
            Case(name: "dump of 10,000 flows, each flow", group: .control, unit: 10_000) {
                let bed = try Bed()
                try bed.install(10_000) { try .udp(to: Microflows.address($0)) }
                let handle = try bed.device.open()
                var request = MessageWriter()
                try FlowMessage(command: Command.get, datapathIfindex: bed.dpif.ifindex)
                    .write(to: &request, flags: [.request, .root, .match], sequence: 1, portID: handle.portID)
                let bytes = request.bytes
                return Prepared(
                    body: { count in
                        var output = MessageWriter(capacity: 65_536, limit: 65_536)
                        for _ in 0..<(count / 10_000) {
                            var cursor = DumpCursor.start
                            repeat {
                                output.removeAll()
                                let input = cursor.bytes + bytes
                                let result = handle.control(.dump, input: input.rawSpan, output: &output)
                                precondition(result.status == .success, "the dump was refused")
                                cursor = DumpCursor(output.bytes.rawSpan) ?? .start
                            } while !cursor.isZero
                        }
                    },
                    end: {
                        handle.close()
                        bed.end()
                    })
            },
        ]
    }

    private static var put: FlowPut {
        get throws { FlowPut(key: try bytes().key, mask: try bytes().mask, actions: try Bed.actions("2")) }
    }

    private static func message(_ command: UInt8, _ bed: Bed) throws -> FlowMessage {
        var message = FlowMessage(command: command, datapathIfindex: bed.dpif.ifindex)
        message.key = try put.key
        if command == Command.new || command == Command.set {
            message.mask = try put.mask
            message.actions = try put.actions
        }
        return message
    }

    /// These requests in turn, one transaction each, straight on a handle and into a buffer that is used again. One
    /// operation is all of them.
    private static func transactions(
        _ code: IOControlCode = .transact, _ requests: (Bed) throws -> [any WritableMessage]
    ) throws -> Prepared {
        let bed = try Bed()
        let handle = try bed.device.open()
        // One run of bytes, as with frames.
        var inputs = MessageWriter()
        var ranges: [Range<Int>] = []
        for request in try requests(bed) {
            let start = inputs.count
            try request.write(to: &inputs, flags: [.request, .echo], sequence: 1, portID: handle.portID)
            ranges.append(start..<inputs.count)
        }
        if ranges.isEmpty { ranges = [0..<0] }
        let (bytes, places) = (inputs.bytes, ranges)
        return Prepared(
            body: { count in
                var output = MessageWriter(capacity: 65_536, limit: 65_536)
                for _ in 0..<count {
                    for index in places.indices {
                        output.removeAll()
                        let input = bytes.rawSpan.clamped(places[index])
                        let result = handle.control(code, input: input, output: &output)
                        precondition(result.status == .success, "the request was refused")
                    }
                }
            },
            end: {
                handle.close()
                bed.end()
            })
    }
}
