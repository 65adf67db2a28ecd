import CLinux
import Glibc
import LinuxSystem
import Netlink
import OpenvSwitch

/// An rtnetlink socket: interfaces asked for and changed. One request at a time; not for several threads.
struct RouteSocket: ~Copyable, Sendable {
    private let socket: NetlinkRouteDescriptor
    private var sequence: UInt32 = 0
    private var buffer = [UInt8](repeating: 0, count: NetlinkRouteDescriptor.largestDatagram)

    /// How often a dump is begun again because the table changed in between.
    private static let dumpAttempts = 8

    /// Opens a socket in the network namespace of the calling thread.
    init() throws(LinuxError) { socket = try NetlinkRouteDescriptor(groups: 0) }

    /// All interfaces of the namespace.
    mutating func links() throws(LinuxError) -> [Link] {
        for _ in 0..<Self.dumpAttempts {
            var links: [Link] = []
            let isWhole = try request(
                RTM_GETLINK, flags: .dump, purpose: "cannot list the interfaces",
                { (writer) throws(NetlinkError) in try writer.appendLinkHeader(index: 0) },
                { (message) throws(NetlinkError) in links.append(try Link(message)) })
            if isWhole { return links }
        }
        throw LinuxError(errno: EAGAIN, explanation: "the interfaces changed while they were listed")
    }

    /// The interface with this index.
    mutating func link(index: Int32) throws(LinuxError) -> Link {
        try link(purpose: "cannot find interface \(index)") { (writer) throws(NetlinkError) in
            try writer.appendLinkHeader(index: index)
            try writer.append(UInt16(IFLA_EXT_MASK), UInt32(RTEXT_FILTER_SKIP_STATS))
        }
    }

    /// The counters of the interface with this index (`RTM_GETSTATS`, `IFLA_STATS_LINK_64`).
    mutating func statistics(index: Int32) throws(LinuxError) -> VportStatistics {
        var statistics: VportStatistics?
        _ = try request(
            RTM_GETSTATS, flags: [], purpose: "cannot read the counters of interface \(index)",
            { (writer) throws(NetlinkError) in
                // struct if_stats_msg: family and padding, interface, and a bit for each group of counters.
                try writer.append(raw: UInt32(AF_UNSPEC))
                try writer.append(raw: index)
                try writer.append(raw: UInt32(1) << UInt32(IFLA_STATS_LINK_64 - 1))
            },
            { (message) throws(NetlinkError) in
                var attributes = try message.attributes(at: MessageHeader.size + 12)
                while let attribute = try attributes.next() {
                    guard Int(attribute.type) == IFLA_STATS_LINK_64 else { continue }
                    statistics = VportStatistics(linkStatistics: attribute.payload)
                }
            })
        guard let statistics else {
            throw LinuxError(errno: ENODEV, call: "RTM_GETSTATS", message: "interface \(index) has no counters")
        }
        return statistics
    }

    /// The interface with this name; an alternative name does not count.
    mutating func link(named name: String) throws(LinuxError) -> Link {
        let missing = LinuxError(errno: ENODEV, explanation: "there is no interface \(name)")
        // The kernel also finds alternative names, and says ERANGE or EINVAL for a name that cannot be one.
        guard Self.isName(name) else { throw missing }
        let found: Link
        do throws(LinuxError) {
            found = try link(purpose: "cannot look for interface \(name)") { (writer) throws(NetlinkError) in
                try writer.appendLinkHeader(index: 0)
                try writer.append(UInt16(IFLA_EXT_MASK), UInt32(RTEXT_FILTER_SKIP_STATS))
                try writer.append(UInt16(IFLA_IFNAME), string: name)
            }
        } catch { throw error.errno == ENODEV ? missing : error }
        guard found.name == name else { throw missing }
        return found
    }

    /// Whether an interface of the host answers to this name, be it an alternative one.
    mutating func isTaken(_ name: String) throws(LinuxError) -> Bool {
        do {
            _ = try link(purpose: "cannot look for interface \(name)") { (writer) throws(NetlinkError) in
                try writer.appendLinkHeader(index: 0)
                try writer.append(UInt16(IFLA_IFNAME), string: name)
            }
            return true
        } catch {
            if error.errno == ENODEV { return false }
            throw error
        }
    }

    /// Sets an interface up or down, and its MTU.
    mutating func setLink(index: Int32, isUp: Bool? = nil, mtu: UInt32? = nil) throws(LinuxError) {
        _ = try request(
            RTM_NEWLINK, flags: .ack, purpose: "cannot change interface \(index)",
            { (writer) throws(NetlinkError) in
                let up = UInt32(IFF_UP.rawValue)
                try writer.appendLinkHeader(
                    index: index, flags: isUp == true ? up : 0, change: isUp == nil ? 0 : up)
                if let mtu { try writer.append(UInt16(IFLA_MTU), mtu) }
            }, { (_) throws(NetlinkError) in })
    }

    /// Whether the kernel takes `name` as a name (`dev_valid_name`): 1 to 15 bytes, no slash, colon or space, no dots
    /// alone.
    static func isName(_ name: String) -> Bool {
        let bytes = name.utf8
        guard (1...15).contains(bytes.count), name != ".", name != ".." else { return false }
        return bytes.allSatisfy { $0 != 0x2f && $0 != 0x3a && $0 > 0x20 && $0 != 0x7f || $0 >= 0x80 }
    }

    // MARK: Inside

    private mutating func link(
        purpose: @autoclosure () -> String, _ write: (inout MessageWriter) throws(NetlinkError) -> Void
    ) throws(LinuxError) -> Link {
        var link: Link?
        _ = try request(RTM_GETLINK, flags: [], purpose: purpose(), write) { (message) throws(NetlinkError) in
            link = try Link(message)
        }
        guard let link else {
            throw LinuxError(errno: ENODEV, call: "RTM_GETLINK", message: purpose())
        }
        return link
    }

    /// Sends a request and reads its answers to their end.
    /// - Returns: false if a dump was interrupted by a change.
    private mutating func request(
        _ type: Int, flags: MessageFlags, purpose: @autoclosure () -> String,
        _ write: (inout MessageWriter) throws(NetlinkError) -> Void,
        _ take: (borrowing Message) throws(NetlinkError) -> Void
    ) throws(LinuxError) -> Bool {
        sequence &+= 1
        do {
            var writer = MessageWriter()
            let mark = try writer.begin(
                MessageHeader(
                    type: MessageType(rawValue: UInt16(truncatingIfNeeded: type)), flags: flags.union(.request),
                    sequence: sequence))
            try write(&writer)
            writer.end(message: mark)
            try socket.send(writer.bytes)
        } catch let error as LinuxError {
            throw error
        } catch { throw LinuxError(errno: EINVAL, explanation: "\(purpose()): \(error)") }

        let isDump = flags.contains(.dump)
        let expectsAck = flags.contains(.ack)
        var isWhole = true
        while true {
            let count = try socket.receive(into: &buffer)
            // The span holds initialized bytes of the array, which is not changed while it is read.
            var messages = MessageSequence(unsafe buffer.span.bytes.clamped(0..<count))
            do {
                while let message = try messages.next() {
                    guard message.header.sequence == sequence else { continue }  // the rest of a request that failed
                    if message.header.flags.contains(.dumpInterrupted) { isWhole = false }
                    switch message.header.type {
                    case .error:
                        let answer = try ErrorMessage(message)
                        if answer.error == 0 { return isWhole }
                        let detail = answer.message.map { " (\($0))" } ?? ""
                        throw LinuxError(
                            errno: 0 &- answer.error, call: Self.name(of: type), message: purpose() + detail)
                    case .done: return isWhole
                    case MessageType(rawValue: UInt16(RTM_NEWLINK)), MessageType(rawValue: UInt16(RTM_NEWSTATS)):
                        try take(message)
                        if !isDump, !expectsAck { return isWhole }
                    default: break
                    }
                }
            } catch let error as LinuxError {
                throw error
            } catch {
                throw LinuxError(errno: EBADMSG, explanation: "\(purpose()): the kernel's answer: \(error)")
            }
        }
    }

    private static func name(of type: Int) -> String {
        switch type {
        case RTM_GETLINK: "RTM_GETLINK"
        case RTM_GETSTATS: "RTM_GETSTATS"
        default: "RTM_NEWLINK"
        }
    }
}

extension MessageWriter {
    /// Writes a `struct ifinfomsg` of no family.
    fileprivate mutating func appendLinkHeader(
        index: Int32, flags: UInt32 = 0, change: UInt32 = 0
    ) throws(NetlinkError) {
        try append(raw: UInt32(AF_UNSPEC))  // family, padding and the hardware type, which is ignored
        try append(raw: index)
        try append(raw: flags)
        try append(raw: change)
    }
}
