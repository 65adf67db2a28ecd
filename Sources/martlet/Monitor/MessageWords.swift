import Netlink
import OpenvSwitch

/// A Netlink message in a few words.
struct MessageWords {
    private let header: MessageHeader?
    private let command: UInt8
    private let length: Int
    private let error: (number: Int32, message: String?)?

    init(_ bytes: [UInt8]) {
        length = bytes.count
        header = MessageHeader(bytes.rawSpan)
        command = bytes.rawSpan.load(at: MessageHeader.size) ?? 0
        if header?.type == .error, let message = try? Message(bytes.rawSpan), let error = try? ErrorMessage(message) {
            // A number out of range is no error number; it is printed as it is.
            self.error = (0 &- error.error, error.message)
        } else {
            error = nil
        }
    }

    /// Family, command and flags: `ovs_vport NEW ECHO`.
    var request: String {
        guard let header else { return "\(length) bytes" }
        let flags = flags(header.flags)
        return name(header) + (flags.isEmpty ? "" : " " + flags)
    }

    /// The reply or the error: `ovs_vport NEW 140 bytes`, `EEXIST: there is …`.
    var answer: String {
        if let refusal { return refusal }
        guard let header else { return "\(length) bytes" }
        switch header.type {
        case .error: return "acknowledged"
        case .done: return "end of dump"
        default: return "\(name(header)) \(length) bytes"
        }
    }

    /// The error; nil if the message is none.
    var refusal: String? {
        guard let error, error.number != 0 else { return nil }
        return Errno.name(error.number) + (error.message.map { ": \($0)" } ?? "")
    }

    private func name(_ header: MessageHeader) -> String {
        guard let family = Family.with(id: header.type.rawValue) else {
            return "family \(header.type.rawValue) command \(command)"
        }
        return "\(family.name) \(commandName(family))"
    }

    private func commandName(_ family: Family) -> String {
        let names: [UInt8: String]
        switch family {
        case .datapath, .vport, .flow: names = [1: "NEW", 2: "DEL", 3: "GET", 4: "SET"]
        case .packet: names = [1: "MISS", 2: "ACTION", 3: "EXECUTE"]
        case .meter: names = [1: "FEATURES", 2: "SET", 3: "DEL", 4: "GET"]
        case .ctLimit: names = [1: "SET", 2: "DEL", 3: "GET"]
        case .netdev: names = [1: "GET", 2: "NEW", 3: "DEL", 4: "SET"]
        case .control:
            names = [
                0: "PEND_REQ", 1: "PEND_PACKET_REQ", 2: "MC_SUBSCRIBE_REQ", 3: "PACKET_SUBSCRIBE_REQ",
                4: "EVENT_NOTIFY", 5: "READ_NOTIFY", 6: "SOCK_PROP", 7: "TRACE",
            ]
        default: names = [:]
        }
        return names[command] ?? "command \(command)"
    }

    /// The flags that say something: that it is a request is known.
    private func flags(_ flags: MessageFlags) -> String {
        var names: [String] = []
        if flags.contains(.multi) { names.append("MULTI") }
        if flags.contains(.ack) { names.append("ACK") }
        if flags.contains(.echo) { names.append("ECHO") }
        if flags.isSuperset(of: .dump) {
            names.append("DUMP")
        } else {
            if flags.contains(.replace) { names.append("REPLACE") }
            if flags.contains(.exclusive) { names.append("EXCL") }
        }
        if flags.contains(.create) { names.append("CREATE") }
        let known: MessageFlags = [.request, .multi, .ack, .echo, .dump, .create]
        let rest = flags.subtracting(known)
        if !rest.isEmpty { names.append("0x" + String(rest.rawValue, radix: 16)) }
        return names.joined(separator: "|")
    }
}
