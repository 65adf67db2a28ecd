import Datapath
import Device
import Doors
import Glibc
import HostPorts
import LinuxSystem

/// The datapath of this process: ports of the host, the switch, the device in front of it, and perhaps a door.
final class Daemon {
    private let host: LinuxPorts
    private let sw: Switch
    let device: Device
    private var door: UnixSocketDoor?
    private var legacyDoor: LegacyDoor?
    private var isStopped = false

    /// - Parameters:
    ///   - workers: threads that forward packets; nil for one on each processor, but two at most.
    ///   - xdp: which interfaces shall be AF_XDP ports.
    init(workers: Int?, xdp: XDPOptions) throws(CommandError) {
        guard Host.mayAttachInterfaces else {
            throw CommandError(
                "a datapath needs root (CAP_NET_ADMIN and CAP_NET_RAW)", advice: "start it with sudo")
        }
        let count = workers ?? min(max(Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))), 1), 2)
        do {
            host = try LinuxPorts(workers: count, xdp: xdp)
            sw = Switch(provider: host, maximumThreads: count)
            device = Device(sw)
            try host.attach(to: sw)
        } catch { throw CommandError("the datapath cannot start", advice: "\(error)") }
    }

    /// Descriptors that are not clients': of interfaces, threads, and the standard streams.
    private static let otherDescriptors = 256

    /// Lets clients in. Each takes a descriptor: if this process may not open as many, that is said on standard error.
    /// - Parameter legacyPath: where the legacy device is served; nil for nowhere.
    func openDoor(
        path: String, legacyPath: String?, options: UnixSocketDoor.Options
    ) throws(CommandError) {
        let limit = DescriptorLimit.raise()
        let wanted = options.maximumConnections + Self.otherDescriptors
        if limit < wanted {
            try? DescriptorOutput.standardError.writeLine(
                "martlet: at most \(max(limit - Self.otherDescriptors, 0)) clients can be served for sure, because this "
                    + "process may open \(limit) files: give it \(wanted) (ulimit -n, LimitNOFILE=)")
        }
        do throws(DoorError) {
            door = try UnixSocketDoor(device: device, path: path, options: options)
            guard let legacyPath else { return }
            legacyDoor = try LegacyDoor(device: LegacyDevice(beside: device), path: legacyPath, options: options)
        } catch { throw CommandError(error.message) }
    }

    /// Closes the door, deletes all datapaths and gives every interface back as it was found. May be called twice.
    func stop() {
        guard !isStopped else { return }
        isStopped = true
        legacyDoor?.stop()
        door?.stop()
        sw.shutDown()
        host.shutdown()
    }

    deinit { stop() }
}
