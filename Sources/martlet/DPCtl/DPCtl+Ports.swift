import DPIF
import NetlinkSocket
import OpenvSwitch

extension DPCtl {
    /// `add-if DP IFACE...`.
    func addInterfaces(_ argument: String, _ interfaces: [String]) throws -> Bool {
        try addInterfaces(try open(argument), argument, interfaces)
    }

    func addInterfaces(_ dpif: NetlinkDPIF, _ argument: String, _ interfaces: [String]) throws -> Bool {
        var isWhole = true
        var added: [JSON] = []
        for text in interfaces {
            do throws(CommandError) {
                let interface = try InterfaceArgument(text)
                guard let type = interface.vportType else {
                    throw CommandError(
                        "\(interface.name): failed to open network device",
                        reason: Errno.text(Errno.addressFamilyNotSupported),
                        advice: "\(interface.type ?? "") ports are not supported; system and internal are")
                }
                try interface.refuseOptions()
                let port: VportMessage
                // As with ovs-dpctl, 0 asks for any number.
                let number = interface.portNumber == 0 ? nil : interface.portNumber
                do { port = try dpif.addPort(interface.name, type: type, number: number) } catch {
                    throw CommandError("adding \(interface.name) to \(argument) failed", error)
                }
                added.append(Self.document(port))
                let error = host.bringUp(interface.name)
                if error != 0 {
                    throw CommandError(
                        "\(interface.name): failed bringing interface up", reason: Host.text(error),
                        advice: "it is a port; ip link set \(interface.name) up")
                }
            } catch {
                try complain(error)
                isWhole = false
            }
        }
        try confirm(["datapath": .string(dpif.name), "ports": .array(added)])
        return isWhole
    }

    /// `set-if DP IFACE...`: nothing of a port can be changed, so this finds out whether a port is as described.
    func setInterfaces(_ argument: String, _ interfaces: [String]) throws -> Bool {
        let dpif = try open(argument)
        var isWhole = true
        for text in interfaces {
            do throws(CommandError) {
                let interface = try InterfaceArgument(text)
                let port: VportMessage
                do { port = try dpif.port(named: interface.name) } catch {
                    throw CommandError("\(interface.name): failed to query port in \(argument)", error)
                }
                if let type = interface.type, type != port.typeName {
                    throw CommandError("\(interface.name): can't change type from \(port.typeName) to \(type)")
                }
                if let number = interface.portNumber, number != port.portNumber {
                    throw CommandError(
                        "\(interface.name): can't change port number from \(port.portNumber ?? 0) to \(number)")
                }
                try interface.refuseOptions()
            } catch {
                try complain(error)
                isWhole = false
            }
        }
        try confirm(["datapath": .string(dpif.name)])
        return isWhole
    }

    /// `del-if DP IFACE...`: by name or by number.
    func deleteInterfaces(_ argument: String, _ interfaces: [String]) throws -> Bool {
        let dpif = try open(argument)
        var isWhole = true
        var deleted: [JSON] = []
        for name in interfaces {
            do throws(CommandError) {
                let number: UInt32
                if let given = UInt32(name) {
                    number = given
                } else {
                    guard let found = try? dpif.port(named: name).portNumber else {
                        throw CommandError("no port named \(name)")
                    }
                    number = found
                }
                do { try dpif.deletePort(number) } catch {
                    throw CommandError("deleting port \(name) from \(argument) failed", error)
                }
                deleted.append(.number(number))
            } catch {
                try complain(error)
                isWhole = false
            }
        }
        try confirm(["datapath": .string(dpif.name), "deleted": .array(deleted)])
        return isWhole
    }
}

/// `IFACE[,type=TYPE][,port_no=N][,KEY=VALUE]...`.
struct InterfaceArgument: Equatable {
    var name: String
    var type: String?
    var portNumber: UInt32?
    var options: [String: String] = [:]

    init(_ text: String) throws(CommandError) {
        var parts = text.split(separator: ",")
        guard !parts.isEmpty else { throw CommandError("\(text) is not a valid network device name") }
        name = String(parts.removeFirst())
        for part in parts {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = String(pair[0])
            let value = pair.count > 1 ? String(pair[1]) : ""
            switch key {
            case "type": type = value
            case "port_no":
                guard let number = UInt32(value) else {
                    throw CommandError("\(name): the port number \"\(value)\" is not a number")
                }
                portNumber = number
            default:
                guard options[key] == nil else { throw CommandError("\(name): duplicate \"\(key)\" option") }
                options[key] = value
            }
        }
    }

    /// What the datapath calls the type; nil if it has no such ports.
    var vportType: VportType? {
        switch type {
        case nil, "system"?: .netdev
        case "internal"?: .internal
        default: nil
        }
    }

    /// System and internal ports have no options.
    func refuseOptions() throws(CommandError) {
        guard let key = options.keys.sorted().first else { return }
        throw CommandError("\(name): there is no option \(key)", advice: "this type of port has only type and port_no")
    }
}
