public import Netlink

/// Why a datapath refuses a request: what becomes an `NLMSG_ERROR` with its extended ack.
public struct RequestError: Error, Equatable, Sendable {
    /// A positive Linux error number.
    public var errno: Int32
    /// What was wrong, for people.
    public var message: String
    /// Byte offset of the attribute at fault from the start of the request; nil if no one place is at fault.
    public var offset: Int?

    public init(_ errno: Int32, _ message: String, offset: Int? = nil) {
        self.errno = errno
        self.message = message
        self.offset = offset
    }

    /// The answer to a request whose attributes break the policy, with the error number of `lib/nlattr.c`.
    public init(_ error: NetlinkError) {
        self.init(error.errno, error.description, offset: error.offset)
    }

    /// The answer to a fault in a flow key or an action, which is always `EINVAL`.
    public init(invalid error: NetlinkError) {
        self.init(Errno.invalid, error.description, offset: error.offset)
    }
}

extension RequestError: CustomStringConvertible {
    public var description: String { "\(message) (\(Errno.name(errno)))" }
}

/// The error numbers of the interface: Linux's, on every platform.
public enum Errno {
    public static let notPermitted: Int32 = 1
    public static let noEntry: Int32 = 2
    public static let ioError: Int32 = 5
    public static let again: Int32 = 11
    public static let noMemory: Int32 = 12
    public static let busy: Int32 = 16
    public static let exists: Int32 = 17
    public static let noDevice: Int32 = 19
    public static let invalid: Int32 = 22
    public static let fileTooBig: Int32 = 27
    public static let range: Int32 = 34
    public static let `protocol`: Int32 = 71
    public static let overflow: Int32 = 75
    public static let messageSize: Int32 = 90
    public static let protocolNotSupported: Int32 = 93
    public static let notSupported: Int32 = 95
    public static let addressFamilyNotSupported: Int32 = 97
    public static let networkDown: Int32 = 100
    public static let noBufferSpace: Int32 = 105
    public static let notConnected: Int32 = 107
    public static let connectionRefused: Int32 = 111

    /// The symbol, as people know it: `ENODEV`.
    public static func name(_ errno: Int32) -> String {
        names[errno] ?? "errno \(errno)"
    }

    /// What `strerror` says, as `ovs-dpctl` prints it.
    public static func text(_ errno: Int32) -> String {
        texts[errno] ?? "Unknown error \(errno)"
    }

    private static let names: [Int32: String] = [
        1: "EPERM", 2: "ENOENT", 5: "EIO", 11: "EAGAIN", 12: "ENOMEM", 13: "EACCES", 16: "EBUSY", 17: "EEXIST",
        19: "ENODEV", 22: "EINVAL", 27: "EFBIG", 34: "ERANGE", 71: "EPROTO", 75: "EOVERFLOW", 90: "EMSGSIZE",
        93: "EPROTONOSUPPORT",
        95: "EOPNOTSUPP", 97: "EAFNOSUPPORT", 100: "ENETDOWN", 105: "ENOBUFS", 107: "ENOTCONN", 111: "ECONNREFUSED",
    ]
    private static let texts: [Int32: String] = [
        1: "Operation not permitted", 2: "No such file or directory", 5: "Input/output error",
        11: "Resource temporarily unavailable", 12: "Cannot allocate memory", 13: "Permission denied",
        16: "Device or resource busy", 17: "File exists", 19: "No such device", 22: "Invalid argument",
        27: "File too large", 34: "Numerical result out of range", 71: "Protocol error",
        75: "Value too large for defined data type", 90: "Message too long", 93: "Protocol not supported",
        95: "Operation not supported",
        97: "Address family not supported by protocol", 100: "Network is down", 105: "No buffer space available",
        107: "Transport endpoint is not connected", 111: "Connection refused",
    ]
}
