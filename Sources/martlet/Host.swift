import Doors
import Glibc

/// What the command line asks of the host it runs on.
enum Host {
    static let defaultSocket = UnixSocketDoor.defaultPath

    /// The path of the datapath's socket: as given, else `MARTLET_SOCKET`, else the usual one.
    static func socketPath(_ given: String?) -> String {
        if let given { return given }
        if let path = environment("MARTLET_SOCKET"), !path.isEmpty { return path }
        return defaultSocket
    }

    static func environment(_ name: String) -> String? {
        // The string is copied before anything could change the environment.
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    /// The words of an error number.
    static func text(_ number: Int32) -> String {
        // The text stays valid until this thread asks again.
        unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
    }

    // MARK: Clocks

    /// Milliseconds of `CLOCK_MONOTONIC`, the clock of `OVS_FLOW_ATTR_USED` on the same host.
    static var monotonicMilliseconds: UInt64 { nanoseconds(CLOCK_MONOTONIC) / 1_000_000 }

    /// Nanoseconds since 1970.
    static var realTime: UInt64 { nanoseconds(CLOCK_REALTIME) }

    private static func nanoseconds(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        // The structure is written during the call.
        guard unsafe clock_gettime(clock, &time) == 0 else { return 0 }
        return UInt64(max(time.tv_sec, 0)) &* 1_000_000_000 &+ UInt64(max(time.tv_nsec, 0))
    }

    /// The time of day where we are, such as `12:34:56.789`.
    static func timeOfDay(_ nanoseconds: UInt64) -> String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var parts = unsafe tm()
        // Both structures outlive the call.
        guard unsafe localtime_r(&seconds, &parts) != nil else { return "?" }
        func padded(_ value: Int, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(width - digits.utf8.count, 0)) + digits
        }
        let milliseconds = Int(nanoseconds / 1_000_000 % 1000)
        let clock = unsafe [Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec)]
        return clock.map { padded($0, 2) }.joined(separator: ":") + "." + padded(milliseconds, 3)
    }

    // MARK: Privilege

    /// Whether this process may attach interfaces: `CAP_NET_ADMIN` and `CAP_NET_RAW`.
    static var mayAttachInterfaces: Bool {
        guard let status = read("/proc/self/status") else { return geteuid() == 0 }
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("CapEff:") }),
            let digits = line.split(whereSeparator: { $0 == "\t" || $0 == " " }).last,
            let capabilities = UInt64(digits, radix: 16)
        else { return geteuid() == 0 }
        let needed: UInt64 = 1 << 12 | 1 << 13
        return capabilities & needed == needed
    }

    /// The number of a group, or nil if there is none of that name.
    static func group(_ name: String) -> gid_t? {
        if let number = gid_t(name) { return number }
        var entry = unsafe group_entry()
        var found: UnsafeMutablePointer<group_entry>?
        var buffer = [CChar](repeating: 0, count: 1 << 16)
        // Entry and strings live in this function's memory and nothing of them escapes.
        guard unsafe getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0, unsafe found != nil else {
            return nil
        }
        return unsafe entry.gr_gid
    }

    private typealias group_entry = Glibc.group

    // MARK: Interfaces

    /// Counters of an interface that the datapath does not tell.
    struct InterfaceCounters: Sendable {
        var overruns: UInt64
        var frameErrors: UInt64
        var aborted: UInt64
        var carrierErrors: UInt64
        var collisions: UInt64
    }

    /// What the host counts of an interface; nil if it is not one of this network namespace.
    static func counters(_ name: String, ifindex: UInt32) -> InterfaceCounters? {
        let directory = "/sys/class/net/\(name)"
        guard !name.contains("/"), number("\(directory)/ifindex") == UInt64(ifindex) else { return nil }
        func counter(_ file: String) -> UInt64 { number("\(directory)/statistics/\(file)") ?? 0 }
        return InterfaceCounters(
            overruns: counter("rx_over_errors"), frameErrors: counter("rx_frame_errors"),
            aborted: counter("tx_aborted_errors"), carrierErrors: counter("tx_carrier_errors"),
            collisions: counter("collisions"))
    }

    /// Brings an interface up or down (`SIOCSIFFLAGS`).
    /// - Returns: whether it was up before.
    /// - Throws: the error number of a call.
    @discardableResult
    static func setUp(_ name: String, _ isUp: Bool) throws(HostError) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw HostError(number: errno) }
        defer { close(descriptor) }
        // `struct ifreq`: 16 bytes of name with its NUL, then a union, of which the flags are the first two bytes.
        var request = [UInt8](repeating: 0, count: 40)
        guard name.utf8.count < 16 else { throw HostError(number: ENODEV) }
        for (index, byte) in name.utf8.enumerated() { request[index] = byte }
        // The calls read and write `struct ifreq`, which is no longer than the array.
        guard unsafe ioctl(descriptor, UInt(SIOCGIFFLAGS), &request) == 0 else { throw HostError(number: errno) }
        let up = UInt8(IFF_UP)
        let wasUp = request[16] & up != 0
        guard wasUp != isUp else { return wasUp }
        request[16] ^= up
        guard unsafe ioctl(descriptor, UInt(SIOCSIFFLAGS), &request) == 0 else { throw HostError(number: errno) }
        return wasUp
    }

    private static func number(_ path: String) -> UInt64? {
        read(path).flatMap { text in UInt64(text.prefix { $0.isNumber }) }
    }

    /// The beginning of a small file as text, or nil.
    static func read(_ path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 14)
        // The call writes at most the array's bytes.
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
        guard count >= 0 else { return nil }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}

/// The error number of a system call.
struct HostError: Error {
    let number: Int32
}
