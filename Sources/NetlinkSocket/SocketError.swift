public import Device
public import Netlink
public import OpenvSwitch

/// Why a socket could not do what it was asked to.
public enum SocketError: Error, Equatable, Sendable {
    /// The device refused the call, or is gone.
    case device(DeviceError)
    /// The datapath refused the request: an `NLMSG_ERROR`.
    case refused(RequestError)
    /// Bytes from the device, or a message to it, are not sound Netlink.
    case malformed(NetlinkError)
    /// The queue was full: so many messages were lost (`ENOBUFS`). The next call reads on; ask the device for its state.
    case lost(UInt32)

    /// The Linux error number that comes closest; positive.
    public var errno: Int32 {
        switch self {
        case .refused(let error): error.errno
        case .malformed: Errno.protocol
        case .lost: Errno.noBufferSpace
        case .device(let error):
            switch error.status {
            case .accessDenied: Errno.notPermitted
            case .notFound: Errno.noDevice
            case .deviceBusy: Errno.busy
            default: Errno.invalid
            }
        }
    }

    /// The errors of a connection's calls, with a loss told apart.
    init(_ error: DeviceError) {
        self = error.status == .overflow ? .lost(error.information) : .device(error)
    }
}

extension SocketError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .device(let error): error.description
        case .refused(let error): error.description
        case .malformed(let error): "the message is malformed: \(error)"
        case .lost(let count): "\(count) messages were lost because they were not read in time"
        }
    }
}
