import CDeviceConformance
import Datapath
import Device
import Doors
import Foundation
import Packets

/// What the rules run on: a switch in memory, its devices, and doors to them in a directory of its own.
@safe
final class ConformanceBed {
    let host = MemoryPorts()
    let sw: Switch
    let device: Device
    let directory: String
    private let door: UnixSocketDoor
    private let legacyDevice: LegacyDevice
    private let legacyDoor: LegacyDoor
    let netlink: Ways
    let legacy: Ways

    /// The ways to a device. The bed must live as long as their functions are called.
    @safe
    final class Ways {
        /// The device without a door.
        let inProcess: InProcessTransport
        let path: String
        /// The path as C has it.
        private let pathBytes: UnsafeMutablePointer<CChar>

        init(_ path: String, _ inProcess: InProcessTransport) {
            self.path = path
            self.inProcess = inProcess
            unsafe pathBytes = strdup(path)
        }

        deinit { unsafe free(pathBytes) }

        /// The Unix socket as a client in C speaks it.
        var socket: conformance_transport { unsafe conformance_socket_transport(pathBytes) }

        /// The C library.
        var library: conformance_transport { unsafe conformance_library_transport(pathBytes) }
    }

    init(_ options: UnixSocketDoor.Options = UnixSocketDoor.Options(openForReading: true)) throws {
        sw = Switch(provider: host, maximumThreads: 2)
        device = Device(sw)
        legacyDevice = LegacyDevice(beside: device)
        host.attach(to: sw)
        directory = NSTemporaryDirectory() + "martlet-conformance-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
        netlink = Ways(directory + "/device.sock", InProcessTransport(device))
        legacy = Ways(directory + "/legacy.sock", InProcessTransport(legacyDevice))
        door = try UnixSocketDoor(device: device, path: netlink.path, options: options)
        legacyDoor = try LegacyDoor(device: legacyDevice, path: legacy.path, options: options)
    }

    deinit {
        door.stop()
        legacyDoor.stop()
        sw.shutDown()
        host.detach()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// The functions by which the rules move what is around the device. The bed must live as long as they are called.
    var functions: conformance_bed {
        unsafe conformance_bed(
            context: Unmanaged.passUnretained(self).toOpaque(),
            plug: { _ = unsafe bed($0).host.plug(text($1), mac: $2, mtu: $3) },
            unplug: { unsafe bed($0).host.unplug(text($1)) },
            set_carrier: { unsafe bed($0).host.setCarrier(text($1), $2 != 0) },
            set_up: { context, name, isUp in unsafe change(context, name) { $0.isUp = isUp != 0 } },
            set_mac: { context, name, mac in unsafe change(context, name) { $0.mac = mac } },
            set_mtu: { context, name, mtu in unsafe change(context, name) { $0.mtu = mtu } },
            rename: { context, name, newName in
                let newName = unsafe text(newName)
                unsafe change(context, name) { $0.name = newName }
            },
            send: { context, name, frame, length in
                let bytes = unsafe UnsafeRawBufferPointer(start: frame, count: length)
                unsafe bed(context).host.port(text(name))?.send(Array(bytes))
            },
            receive: { context, name, frame, size in
                guard let bytes = unsafe bed(context).host.port(text(name))?.receive() else { return 0 }
                unsafe bytes.withUnsafeBytes {
                    unsafe UnsafeMutableRawBufferPointer(start: frame, count: size)
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0.prefix(size)))
                }
                return bytes.count
            },
            open_handles: { unsafe bed($0).device.openHandles + bed($0).legacyDevice.openHandles })
    }
}

// What the functions of the C table get is what was put into it, and strings that end with a NUL.

private func bed(_ context: UnsafeMutableRawPointer?) -> ConformanceBed {
    guard let context = unsafe context else { preconditionFailure("the table has a context") }
    return unsafe Unmanaged<ConformanceBed>.fromOpaque(context).takeUnretainedValue()
}

private func change(
    _ context: UnsafeMutableRawPointer?, _ name: UnsafePointer<CChar>?, _ body: (inout HostInterface) -> Void
) {
    _ = unsafe bed(context).host.change(text(name), body)
}

private func text(_ string: UnsafePointer<CChar>?) -> String {
    guard let string = unsafe string else { return "" }
    return unsafe String(cString: string)
}
