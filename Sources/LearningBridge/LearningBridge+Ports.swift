import DPIF
import NetlinkSocket
import OpenvSwitch

// Ports and interfaces come and go.

/// A port that the bridge serves.
struct BridgePort: Equatable, Sendable {
    var name: String
    var ifindex: UInt32?
    /// The bridge has attached it.
    var isOwn: Bool
}

extension LearningBridge {
    // MARK: At the start

    /// Reads the datapath's ports anew and takes over their upcalls.
    func readPorts() throws(SocketError) {
        var found: [UInt16: VportMessage] = [:]
        for vport in try datapath.ports() {
            if let number = vport.portNumber.flatMap(UInt16.init(exactly:)) { found[number] = vport }
        }
        for (number, port) in ports.sorted(by: { $0.key < $1.key }) {
            if let vport = found[number], vport.ifindex == port.ifindex { continue }
            removePort(number)
        }
        for (_, vport) in found.sorted(by: { $0.key < $1.key }) { try serve(vport) }
    }

    /// Attaches the interfaces that the configuration names.
    func attachNamedPorts() throws(LearningBridgeError) {
        for name in configuration.ports where !ports.values.contains(where: { $0.name == name }) {
            do throws(SocketError) { try attach(name) } catch { throw .cannotAttach(name: name, error) }
        }
    }

    /// Attaches all interfaces that belong to the bridge and are nobody's port.
    func attachByPattern() throws(SocketError) {
        let interfaces = try datapath.interfaces()
        released.formIntersection(interfaces.compactMap(\.name))
        for interface in interfaces { consider(interface) }
    }

    private func attach(_ name: String) throws(SocketError) {
        let vport = try datapath.addPort(name, type: .netdev, number: nil, upcalls: [datapath.upcallPortID])
        addPort(vport, isOwn: true)
    }

    /// Serves a port that is there: it sends its upcalls to the bridge from now on.
    private func serve(_ vport: VportMessage) throws(SocketError) {
        guard let number = vport.portNumber.flatMap(UInt16.init(exactly:)), ports[number] == nil else { return }
        do {
            try datapath.setUpcalls([datapath.upcallPortID], ofPort: UInt32(number))
        } catch {
            // It is gone again; the news of that may be on its way.
            if case .refused(let refusal) = error, refusal.errno == Errno.noDevice { return }
            throw error
        }
        addPort(vport, isOwn: false)
    }

    private func addPort(_ vport: VportMessage, isOwn: Bool) {
        guard let number = vport.portNumber.flatMap(UInt16.init(exactly:)) else { return }
        let name = vport.name ?? ""
        // The number may have been another port's, of whose end the bridge has not read yet.
        if ports[number] != nil { removePort(number) }
        ports[number] = BridgePort(name: name, ifindex: vport.ifindex, isOwn: isOwn)
        reviewAllFlows()
        tell(.portAttached(name: name, number: number))
    }

    /// Forgets a port that is gone, and what was behind it.
    private func removePort(_ number: UInt16) {
        guard let port = ports.removeValue(forKey: number) else { return }
        for entry in addresses.all where entry.port == number { addresses.remove(entry.address) }
        reviewAllFlows()
        tell(.portDetached(name: port.name, number: number))
    }

    // MARK: Events

    /// Takes notice of an event.
    func handle(_ event: PortWatcher.Event) throws {
        switch event {
        case .portAdded(let vport):
            guard vport.datapathIfindex == datapath.ifindex else { break }
            if let name = vport.name { released.remove(name) }
            do throws(SocketError) { try serve(vport) } catch { failed(error) }
        case .portChanged(let vport):
            // Its interface may have another name now.
            guard vport.datapathIfindex == datapath.ifindex, let name = vport.name,
                let number = vport.portNumber.flatMap(UInt16.init(exactly:)), ports[number]?.ifindex == vport.ifindex
            else { break }
            ports[number]?.name = name
        case .portDeleted(let vport):
            guard vport.datapathIfindex == datapath.ifindex,
                let number = vport.portNumber.flatMap(UInt16.init(exactly:)), let port = ports[number],
                port.ifindex == vport.ifindex, port.name == vport.name
            else { break }  // of another datapath, or of a port whose number has been given again
            released.insert(port.name)
            removePort(number)
        case .interfaceAdded(let interface), .interfaceChanged(let interface): consider(interface)
        case .interfaceDeleted(let interface):
            guard let name = interface.name else { break }
            released.remove(name)
            if name == datapath.name, interface.ifindex == UInt32(bitPattern: datapath.ifindex) {
                throw LearningBridgeError.datapathDeleted(name: name)
            }
            // The device has detached it, and has said so before; this is for devices that do not.
            for (number, port) in ports where port.name == name && port.ifindex == interface.ifindex {
                removePort(number)
            }
        case .lost(let count):
            counters.lostEvents += UInt64(count)
            tell(.eventsLost(count))
            try readPorts()
            try attachByPattern()
        }
        try commit()
    }

    /// Attaches an interface if it belongs to the bridge and is nobody's port.
    private func consider(_ interface: NetdevMessage) {
        guard let name = interface.name, name != datapath.name, configuration.wants(name),
            interface.flags?.contains(.ethernet) == true, interface.portNumber == nil, !released.contains(name),
            !ports.values.contains(where: { $0.name == name })
        else { return }
        do throws(SocketError) { try attach(name) } catch { tell(.attachFailed(name: name, error)) }
    }
}
