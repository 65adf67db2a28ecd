import Netlink
import OpenvSwitch

/// Something that has happened in the datapath.
enum MonitorEvent: Sendable {
    case datapath(String, DatapathMessage)
    case port(String, VportMessage)
    case interface(NetdevMessage)
    case flow(String, FlowMessage)
    case upcall(String, PacketMessage)
    case call(TracedCall)
    /// So many events were lost.
    case lost(UInt32)
    case malformed(NetlinkError)

    /// - Throws: the errors of a malformed message.
    init?(_ message: borrowing Message, _ names: DatapathNames) throws(NetlinkError) {
        switch message.header.type {
        case Family.datapath.messageType:
            let datapath = try DatapathMessage(message)
            let name = datapath.name ?? ""
            names.learn(name, datapath.datapathIfindex)
            self = .datapath(name, datapath)
        case Family.vport.messageType:
            let port = try VportMessage(message)
            self = .port(names[port.datapathIfindex], port)
        case Family.netdev.messageType: self = .interface(try NetdevMessage(message))
        case Family.flow.messageType:
            let flow = try FlowMessage(message)
            self = .flow(names[flow.datapathIfindex], flow)
        case Family.packet.messageType:
            let packet = try PacketMessage(message)
            self = .upcall(names[packet.datapathIfindex], packet)
        default: return nil
        }
    }

    // MARK: Words

    /// `added`, `changed`, `deleted` for the command of a notification.
    private static func verb(_ command: UInt8) -> String {
        switch command {
        case Command.new: "added"
        case Command.set: "changed"
        case Command.delete: "deleted"
        default: "command \(command)"
        }
    }

    private static func interfaceVerb(_ command: UInt8) -> String {
        switch command {
        case NetdevCommand.new: "added"
        case NetdevCommand.set: "changed"
        case NetdevCommand.delete: "deleted"
        default: "command \(command)"
        }
    }

    /// The line, with the time of day in front.
    /// - Parameter time: nanoseconds since 1970.
    func line(time: UInt64) -> String { "\(Host.timeOfDay(time)) \(text)" }

    /// The line without the time.
    var text: String {
        switch self {
        case .datapath(let name, let datapath): return "datapath \(Self.verb(datapath.command)): \(name)"
        case .port(let name, let port):
            let type = port.typeName == "system" ? "" : " (\(port.typeName))"
            return "port \(Self.verb(port.command)): \(name) port \(port.portNumber ?? 0): \(port.name ?? "")\(type)"
        case .interface(let interface):
            var text = "interface \(Self.interfaceVerb(interface.command)): \(interface.name ?? "")"
            if let ifindex = interface.ifindex { text += " ifindex \(ifindex)" }
            if let mac = interface.mac { text += " mac \(NumberText.mac(mac))" }
            if let mtu = interface.mtu { text += " mtu \(mtu)" }
            if let flags = interface.flags {
                text += flags.contains(.up) ? " up" : " down"
                text += flags.contains(.carrier) ? " carrier" : " no-carrier"
            }
            if let number = interface.portNumber { text += " port \(number)" }
            if interface.command == NetdevCommand.set, let changes = interface.changes {
                text += " (\(changes.words.joined(separator: ", ")))"
            }
            if let name = interface.formerName { text += " was \(name)" }
            return text
        case .flow(let name, let flow):
            var text = "flow \(Self.verb(flow.command)): \(name) "
            if let ufid = flow.ufid { text += UFIDText.format(ufid.bytes.rawSpan) + ", " }
            text += Self.key(flow)
            if flow.command == Command.delete {
                text += ", packets:\(flow.stats?.packets ?? 0), bytes:\(flow.stats?.octets ?? 0)"
            }
            if let actions = flow.actions { text += ", actions:" + ActionText.actions(actions.rawSpan, portName: nil) }
            return text
        case .upcall(let name, let packet):
            var text = packet.command == PacketCommand.miss ? "miss: " : "action: "
            text += "\(name) \(packet.packet.count) bytes "
            text += FlowText.key(packet.key.rawSpan, mask: nil, verbose: false, portName: nil)
            if let userdata = packet.userdata { text += ", userdata:\(NumberText.hex(userdata))" }
            return text
        case .call(let call): return call.text
        case .lost(let count): return "lost: \(count) events were not read in time"
        case .malformed(let error): return "malformed: \(error)"
        }
    }

    private static func key(_ flow: FlowMessage) -> String {
        let mask = flow.mask ?? []
        guard let key = flow.key else { return "" }
        return FlowText.key(key.rawSpan, mask: mask.isEmpty ? nil : mask.rawSpan, verbose: false, portName: nil)
    }

    // MARK: JSON

    func document(time: UInt64) -> JSON {
        var members: [String: JSON] = ["time": .seconds(milliseconds: time / 1_000_000)]
        switch self {
        case .datapath(let name, let datapath):
            members["event"] = .string("datapath-" + Self.verb(datapath.command))
            members["datapath"] = .string(name)
        case .port(let name, let port):
            members["event"] = .string("port-" + Self.verb(port.command))
            members["datapath"] = .string(name)
            members["port"] = DPCtl.document(port)
        case .interface(let interface):
            members["event"] = .string("interface-" + Self.interfaceVerb(interface.command))
            members["interface"] = .object([
                "name": .string(interface.name), "ifindex": interface.ifindex.map { .number($0) } ?? .null,
                "mac": .string(interface.mac.map { NumberText.mac($0) }),
                "mtu": interface.mtu.map { .number($0) } ?? .null,
                "up": .bool(interface.flags?.contains(.up) == true),
                "carrier": .bool(interface.flags?.contains(.carrier) == true),
                "port": interface.portNumber.map { .number($0) } ?? .null,
                "changes": .array((interface.changes?.words ?? []).map { .string($0) }),
                "former-name": .string(interface.formerName),
            ])
        case .flow(let name, let flow):
            members["event"] = .string("flow-" + Self.verb(flow.command))
            members["datapath"] = .string(name)
            members["ufid"] = .string(flow.ufid.map { UFIDText.format($0.bytes.rawSpan) })
            members["match"] = .string(Self.key(flow))
            members["actions"] = .string(flow.actions.map { ActionText.actions($0.rawSpan, portName: nil) })
            members["packets"] = .number(flow.stats?.packets ?? 0)
            members["bytes"] = .number(flow.stats?.octets ?? 0)
        case .upcall(let name, let packet):
            members["event"] = packet.command == PacketCommand.miss ? "miss" : "action"
            members["datapath"] = .string(name)
            members["key"] = .string(FlowText.key(packet.key.rawSpan, mask: nil, verbose: true, portName: nil))
            members["length"] = .number(packet.length.map { UInt64($0) } ?? UInt64(packet.packet.count))
            members["packet"] = .string(NumberText.hex(packet.packet))
            if let userdata = packet.userdata { members["userdata"] = .string(NumberText.hex(userdata)) }
        case .call(let call): members.merge(call.members) { $1 }
        case .lost(let count):
            members["event"] = "lost"
            members["count"] = .number(count)
        case .malformed(let error):
            members["event"] = "malformed"
            members["message"] = .string("\(error)")
        }
        return .object(members)
    }
}

extension InterfaceChanges {
    /// What has happened, in words.
    fileprivate var words: [String] {
        let all: [(InterfaceChanges, String)] = [
            (.created, "created"), (.deleted, "deleted"), (.renamed, "renamed"), (.connected, "connected"),
            (.disconnected, "disconnected"), (.linkUp, "link up"), (.linkDown, "link down"), (.macAddress, "mac"),
            (.mtu, "mtu"),
        ]
        return all.filter { contains($0.0) }.map { $0.1 }
    }
}
