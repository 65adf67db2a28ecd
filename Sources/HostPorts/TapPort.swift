import CLinux
import Datapath
import Glibc
import LinuxSystem
import Packets

/// The device of an `internal` vport: a TAP device, which the host sees as an interface. It is gone with its
/// descriptor.
final class TapPort: Sendable {
    let name: String
    private let device: Descriptor

    /// Makes the device in the network namespace of the calling thread.
    /// - Parameter ifindex: the index it is to get, or nil for any.
    /// - Throws: `EEXIST` if the name is in use, `EBUSY` if the index is, and the errors of the calls.
    init(name: String, ifindex: Int32?) throws(PortError) {
        guard RouteSocket.isName(name) else {
            throw PortError(errno: EINVAL, message: "\"\(name)\" cannot be the name of an interface")
        }
        do {
            let device = try Self.openControl()
            if let ifindex {
                try Syscall.call("TUNSETIFINDEX", "cannot give \(name) the index \(ifindex)") {
                    clinux_tun_set_ifindex(device.raw, ifindex)
                }
            }
            try Self.create(device, name, wishesIndex: ifindex != nil)
            try Syscall.call("TUNSETVNETHDRSZ", "cannot take offloads over \(name)") {
                clinux_tun_set_header_size(device.raw, Int32(Offload.wireSize))
            }
            Self.offerOffloads(device)
            self.device = device
        } catch let error as PortError {
            throw error
        } catch let error as LinuxError {
            throw PortError(error)
        } catch { throw PortError(errno: EIO, message: "cannot make \(name): \(error)") }
        self.name = name
    }

    var descriptor: Int32 { device.raw }

    private static func openControl() throws(PortError) -> Descriptor {
        let result = Syscall.raw {
            // The path is a literal, NUL-terminated.
            unsafe open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)
        }
        if result >= 0 { return Descriptor(result) }
        let number = Int32(truncatingIfNeeded: -result)
        switch number {
        case ENOENT, ENODEV, ENXIO:
            throw PortError(
                errno: number,
                message: "internal ports need TAP devices and there is no /dev/net/tun: load the module tun "
                    + "(modprobe tun), or make the node (mkdir -p /dev/net; mknod /dev/net/tun c 10 200)")
        case EPERM, EACCES:
            throw PortError(
                errno: number,
                message: "internal ports need TAP devices and /dev/net/tun may not be opened: in a container the "
                    + "device must be allowed (--device /dev/net/tun) and the process needs CAP_NET_ADMIN")
        default:
            throw PortError(LinuxError(errno: number, call: "open", message: "cannot open /dev/net/tun"))
        }
    }

    private static func create(
        _ device: Descriptor, _ name: String, wishesIndex: Bool
    ) throws(PortError) {
        let flags =
            CLINUX_TUN_TAP | CLINUX_TUN_NO_PACKET_INFORMATION | CLINUX_TUN_VNET_HEADER
            | CLINUX_TUN_EXCLUSIVE
        // The shim copies the name.
        let result = Syscall.raw { unsafe clinux_tun_create(device.raw, name, Int32(flags)) }
        guard result < 0 else { return }
        let number = Int32(truncatingIfNeeded: -result)
        if number == EBUSY || number == EEXIST {
            // Someone was faster with the name, unless it is the index that is in use.
            throw PortError(
                errno: wishesIndex ? EBUSY : EEXIST,
                message: wishesIndex
                    ? "cannot make \(name): its name or index is in use" : "there is already an interface \(name)")
        }
        throw PortError(LinuxError(errno: number, call: "TUNSETIFF", message: "cannot make the TAP device \(name)"))
    }

    /// Tells the host what work it may leave undone; UDP segmentation needs Linux 6.2.
    private static func offerOffloads(_ device: Descriptor) {
        let basic =
            CLINUX_TUN_OFFLOAD_CHECKSUM | CLINUX_TUN_OFFLOAD_TSO4 | CLINUX_TUN_OFFLOAD_TSO6
            | CLINUX_TUN_OFFLOAD_TSO_ECN
        let all = basic | CLINUX_TUN_OFFLOAD_USO4 | CLINUX_TUN_OFFLOAD_USO6
        // Without any the host does the work itself, which is slower and just as right.
        if Syscall.raw({ clinux_tun_set_offload(device.raw, UInt32(all)) }) < 0 {
            _ = Syscall.raw { clinux_tun_set_offload(device.raw, UInt32(basic)) }
        }
    }
}
