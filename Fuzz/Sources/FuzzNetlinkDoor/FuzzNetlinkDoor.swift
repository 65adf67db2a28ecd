import Datapath
import Device
import Doors
import Foundation
import FuzzSupport
import Netlink
import NetlinkSocket
import OpenvSwitch

// The Netlink door: datagrams of a client, over a real connection and a real Netlink socket. Each step is a byte that says
// what to do, a byte of options, a length, and so many bytes.

/// One switch in memory, its door and a client, for the life of the process; between runs every datapath is deleted.
private final class Bed: Sendable {
    let host = MemoryPorts()
    let sw: Switch
    let device: Device
    let door: UnixSocketDoor
    let connection: any DeviceConnection
    /// The client's Netlink socket.
    let descriptor: Int32

    init() throws {
        sw = Switch(provider: host)
        host.attach(to: sw)
        device = Device(sw)
        _ = host.plug("p0")
        let path = NSTemporaryDirectory() + "martlet-fuzz-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        door = try UnixSocketDoor(device: device, path: path)
        connection = try UnixSocketTransport(path: path).connect()
        // No other process needs the file.
        _ = unsafe unlink(path)
        let opening = try connection.control(.netlinkOpen, input: [], capacity: 40)
        // NETLINK_USERSOCK.
        descriptor = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue), 2)
        // `struct sockaddr_nl`: family, padding, port ID, groups.
        let address = host16(UInt16(AF_NETLINK)) + [0, 0] + Array(opening[0..<4]) + [0, 0, 0, 0]
        let length = socklen_t(address.count)
        // The address is read during the call.
        let result = unsafe address.withUnsafeBytes { bytes in
            unsafe connect(descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), length)
        }
        require(result == 0, "the Netlink socket cannot be connected")
        let nonce: [UInt8] = [32, 0, 0, 0, 1, 0] + [UInt8](repeating: 0, count: 10) + opening[24...]
        require(unsafe send(descriptor, nonce, nonce.count, 0) == nonce.count, "the nonce cannot be sent")
        _ = try connection.control(.netlinkBind, input: [], capacity: 4)
        _ = try connection.control(.netlinkPack, input: [], capacity: 0)
    }
}

private func host16(_ number: UInt16) -> [UInt8] { unsafe withUnsafeBytes(of: number) { unsafe Array($0) } }

private let bed: Bed = {
    do { return try Bed() } catch { fatalError("\(error)") }
}()

@main
enum FuzzNetlinkDoor: Fuzzer {
    static func main() { unsafe main { unsafe FuzzNetlinkDoor.call($0, $1) } }

    static func run(_ bytes: RawSpan) {
        var input = Input(bytes)
        var steps = 0
        while !input.isEmpty, steps < 16 {
            steps += 1
            step(&input)
            drain()
        }
        bed.sw.withControl { control in
            for datapath in control.datapaths { control.remove(datapath) }
        }
        drain()
    }
}

@_lifetime(input: copy input)
private func step(_ input: inout Input) {
    let what = input.byte()
    let options: [UInt8] = [input.byte() & 7, 0, 0, 0, 0, 16, 0, 0]
    let datagram = input.bytes(Int(input.integer(UInt16.self) & 0x3ff)).copyBytes()
    switch what & 7 {
    case 0...4:
        guard let progress = control(.netlinkSend, options + datagram, 32) else { fatalError("a datagram is refused") }
        let consumed: UInt32 = progress.rawSpan.load(at: 0) ?? 0
        let flags: UInt32 = progress.rawSpan.load(at: 4) ?? 0
        // All of it, or up to a message that is the kernel's.
        require(flags & 2 == 0 ? consumed == datagram.count : consumed < datagram.count, "bytes are lost")
        guard flags & 4 != 0, let cursor = DumpCursor(progress.rawSpan.clamped(16..<32)), !cursor.isZero else { return }
        let start: UInt32 = progress.rawSpan.load(at: 8) ?? 0
        let length: UInt32 = progress.rawSpan.load(at: 12) ?? 0
        let request = datagram.rawSpan.clamped(Int(start)..<Int(start + length)).copyBytes()
        require(control(.netlinkPull, options + cursor.bytes + request, 24) != nil, "a dump cannot go on")
    case 5: _ = control(.netlinkPull, options + datagram, 24)
    case 6: _ = control(.netlinkForward, datagram, 4)
    default: _ = control(.subscribe, datagram, 0)
    }
}

/// - Returns: nil if the door refuses.
private func control(_ code: IOControlCode, _ input: [UInt8], _ capacity: Int) -> [UInt8]? {
    let output: [UInt8]
    do { output = try bed.connection.control(code, input: input, capacity: capacity) } catch { return nil }
    require(output.count == capacity, "an output has another size")
    return output
}

/// Takes what the door has sent.
private func drain() {
    var buffer = [UInt8](repeating: 0, count: 128 << 10)
    // The call writes at most the buffer's bytes.
    while unsafe recv(bed.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0 {}
}
