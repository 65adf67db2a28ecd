import Datapath
import Device
import FuzzSupport
import Netlink
import OpenvSwitch
import Packets

// A whole device: I/O controls on a few handles, and frames between them. Each step is a byte that says what to do, and what
// that takes.

/// One switch in memory for the life of the process; between runs everything in it is deleted.
private final class Bed: Sendable {
    let host = MemoryPorts()
    let sw: Switch
    let device: Device

    init() {
        sw = Switch(provider: host)
        host.attach(to: sw)
        device = Device(sw)
        for name in ["p0", "p1", "p2"] { _ = host.plug(name) }
    }
}
private let bed = Bed()

@main
enum FuzzDevice: Fuzzer {
    static func main() { unsafe main { unsafe FuzzDevice.call($0, $1) } }

    static func run(_ bytes: RawSpan) {
        var handles: [Handle] = []
        for access in [Access.change, .change, .read] {
            do { handles.append(try bed.device.open(access)) } catch { fatalError("\(error)") }
        }
        prepare(handles[0])
        var input = Input(bytes)
        var steps = 0
        while !input.isEmpty, steps < 64 {
            steps += 1
            step(&input, handles)
        }
        for handle in handles { handle.close() }
        require(bed.device.openHandles == 0, "a handle stays open")
        bed.sw.withControl { control in
            for datapath in control.datapaths { control.remove(datapath) }
        }
        for name in ["p0", "p1", "p2"] {
            _ = bed.host.port(name)?.receiveAll()
            bed.host.unplug(name)
            _ = bed.host.plug(name)
        }
    }
}

/// A datapath with a port, so that inputs need not make one first.
private func prepare(_ handle: Handle) {
    var writer = MessageWriter()
    var datapath = DatapathMessage(command: Command.new, name: "dp")
    datapath.upcallPortID = handle.portID
    do { try datapath.write(to: &writer, flags: [.request, .echo]) } catch { fatalError("\(error)") }
    var output = MessageWriter(limit: 4096)
    _ = handle.control(.transact, input: writer.bytes.rawSpan, output: &output)
    guard let message = try? Message(output.bytes.rawSpan), let reply = try? DatapathMessage(message) else {
        fatalError("no datapath")
    }
    writer.removeAll()
    let port = VportMessage(
        command: Command.new, datapathIfindex: reply.datapathIfindex, portNumber: 1, type: .netdev, name: "p0",
        upcallPortIDs: [handle.portID])
    do { try port.write(to: &writer, flags: [.request]) } catch { fatalError("\(error)") }
    var nothing = MessageWriter(limit: 4096)
    let result = handle.control(.transact, input: writer.bytes.rawSpan, output: &nothing)
    require(result.status == .success && nothing.count == 0, "no port")
}

@_lifetime(input: copy input)
private func step(_ input: inout Input, _ handles: [Handle]) {
    let what = input.byte()
    let handle = handles[Int(what >> 6) % handles.count]
    switch what & 0x3f {
    case 0...11:
        let code = IOControlCode.all[Int(what & 0x3f) % IOControlCode.all.count]
        // A room of 0 to 65535 bytes.
        let room = Int(input.integer(UInt16.self))
        let length = Int(input.integer(UInt16.self) & 0xfff)
        control(handle, code, input.bytes(length), room)
    case 12:
        let code = IOControlCode(rawValue: input.integer())
        control(handle, code, input.bytes(16), 64)
    case 13...15: receive(&input, 1)
    case 16: handle.close()
    case 17: bed.host.unplug("p0")
    case 18: _ = bed.host.plug("p0")
    case 19: bed.host.setCarrier("p1", input.byte() & 1 == 0)
    case 20: bed.host.advanceClock(by: UInt64(input.byte()))
    case 21...25: request(&input, handle, flags: [.request])
    case 26...28: request(&input, handle, flags: [.request, .echo, .ack])
    case 29...31: flow(&input, handle)
    case 32: dumpAll(&input, handle)
    case 33: receive(&input, Int(input.byte()))
    default: break
    }
}

private func control(_ handle: Handle, _ code: IOControlCode, _ input: RawSpan, _ room: Int) {
    var output = MessageWriter(capacity: 256, limit: room)
    let result = handle.control(code, input: input, output: &output) { _ in }
    require(output.count <= room, "the output has \(output.count) bytes and room for \(room)")
    if result.status == .success {
        require(Int(result.information) == output.count, "the result tells of another number of bytes")
    } else {
        require(output.count == 0, "a failure with output")
    }
    if result.status == .bufferTooSmall {
        require(Int(result.information) > room, "a size that is said not to suffice, and does")
    }
}

/// A frame through a port.
@_lifetime(input: copy input)
private func receive(_ input: inout Input, _ times: Int) {
    let names = ["p0", "p1", "p2", "dp"]
    let choice = input.byte()
    var offload = Offload()
    if choice & 0x80 != 0 {
        offload.flags = input.byte()
        offload.segmentation = input.byte()
        offload.segmentSize = input.integer()
        offload.checksumStart = UInt16(input.byte())
        offload.checksumOffset = UInt16(input.byte())
    }
    let frame = input.bytes(Int(input.byte())).copyBytes()
    for _ in 0..<times { bed.host.port(names[Int(choice) & 3])?.send(frame, offload: offload) }
}

/// A request whose three headers are right: family, command, datapath and attributes come from the input.
@_lifetime(input: copy input)
private func request(_ input: inout Input, _ handle: Handle, flags: MessageFlags) {
    let family = Family.all[Int(input.byte()) % Family.all.count]
    let command = input.byte() & 7
    let attributes = input.bytes(Int(input.integer(UInt16.self) & 0x7ff))
    var writer = MessageWriter()
    do {
        let mark = try writer.begin(family, command: command, datapathIfindex: localIfindex, flags: flags, sequence: 1)
        try writer.append(raw: attributes)
        writer.end(message: mark)
    } catch { fatalError("\(error)") }
    control(handle, .transact, writer.bytes.rawSpan, Int(input.integer(UInt16.self)))
}

/// A new flow with the key of a frame, a mask and actions.
@_lifetime(input: copy input)
private func flow(_ input: inout Input, _ handle: Handle) {
    var key = FlowKey()
    key.inPort = UInt16(input.byte() & 3)
    guard KeyExtraction.extract(input.bytes(Int(input.byte())), offload: Offload(), into: &key) != nil else { return }
    let length = input.byte()
    // Bytes as they are, or the exact mask with some of its bits.
    let mask = length < 128 ? input.bytes(Int(length)).copyBytes() : maskBytes(key, pattern: input.integer())
    let actions = input.bytes(Int(input.byte()))
    var writer = MessageWriter()
    do {
        let mark = try writer.begin(
            .flow, command: Command.new, datapathIfindex: localIfindex, flags: [.request, .create, .echo])
        try writer.append(nested: FlowAttribute.key) { writer throws(NetlinkError) in try key.write(to: &writer) }
        if !mask.isEmpty { try writer.append(FlowAttribute.mask, bytes: mask) }
        try writer.append(FlowAttribute.actions, bytes: actions)
        writer.end(message: mark)
    } catch { fatalError("\(error)") }
    control(handle, .transact, writer.bytes.rawSpan, 4096)
}

private func maskBytes(_ key: FlowKey, pattern: UInt64) -> [UInt8] {
    var writer = MessageWriter()
    do {
        try key.write(to: &writer)
        let bytes = writer.bytes
        var mask = try FlowMatch(key: Attributes(bytes.rawSpan), mask: nil).mask
        for index in 0..<FlowKey.wordCount where pattern >> UInt64(index) & 1 != 0 {
            mask.words[index] &= pattern &* 0x9e37_79b9_7f4a_7c15
        }
        writer.removeAll()
        try key.write(mask: mask, to: &writer)
        return writer.bytes
    } catch { return [] }
}

/// A dump from its beginning to its end in small pieces.
@_lifetime(input: copy input)
private func dumpAll(_ input: inout Input, _ handle: Handle) {
    let family = Family.all[Int(input.byte()) % Family.all.count]
    let room = 56 + Int(input.integer(UInt16.self))
    var cursor = DumpCursor(position: input.integer(), generation: input.integer())
    var request = MessageWriter()
    do {
        let mark = try request.begin(
            family, command: Command.get, datapathIfindex: localIfindex, flags: [.request, .dump], sequence: 7)
        request.end(message: mark)
    } catch { fatalError("\(error)") }
    for _ in 0..<200 {
        var output = MessageWriter(capacity: 256, limit: room)
        let bytes = cursor.bytes + request.bytes
        let result = handle.control(.dump, input: bytes.rawSpan, output: &output)
        require(output.count <= room, "the output has \(output.count) bytes and room for \(room)")
        guard result.status == .success, let next = DumpCursor(output.bytes.rawSpan), !next.isZero else { return }
        require(next != cursor, "a dump that does not advance")
        cursor = next
    }
}

private var localIfindex: Int32 {
    bed.sw.withControl { $0.datapath(named: "dp")?.ifindex ?? 0 }
}
