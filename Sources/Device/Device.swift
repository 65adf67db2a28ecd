public import Datapath
import Netlink
public import OpenvSwitch

/// The pseudo device: the one way to control a switch.
///
/// `open` gives a handle, and a handle takes I/O controls. What is behind the device, a `Switch`, is reached in no other
/// way: neither by the doors nor by clients in the same process.
public final class Device: Sendable {
    let control: Switch
    let registry = HandleRegistry()

    /// Version of the interface, what `getVersion` answers.
    public static let interfaceVersion: UInt32 = 1

    /// - Parameter sw: the switch behind the device. It must have no other device.
    public init(_ sw: Switch) {
        control = sw
        sw.setReceiver(registry)
        sw.provider.watchInterfaces { [weak self] event in self?.interfaceChanged(event) }
    }

    /// Opens a handle.
    /// - Throws: `insufficientResources` if too many are open.
    public func open(_ access: Access = .change) throws(DeviceError) -> Handle { try registry.open(access, self) }

    /// Opens a handle whose messages go to a receiver at once: it has no queues, and takes upcalls without a subscription.
    /// - Parameter portID: the handle's port ID, which a Netlink socket of the host has. Not 0.
    /// - Throws: `deviceBusy` if another handle has that port ID, `insufficientResources` if too many are open.
    public func open(
        _ access: Access, portID: UInt32, receiver: any MessageReceiver
    ) throws(DeviceError) -> Handle {
        guard portID != 0 else { throw DeviceError(.invalidParameter) }
        return try registry.open(access, self, portID: portID, receiver: receiver)
    }

    /// Handles that are open.
    public var openHandles: Int { registry.count }

    /// Carries out an I/O control on a handle.
    func dispatch(
        _ code: IOControlCode, _ input: RawSpan, _ output: inout MessageWriter, _ handle: Handle,
        _ completion: (@Sendable (IOStatus) -> Void)?
    ) -> IOResult {
        switch code {
        case .getPortID: return put(handle.portID, &output)
        case .getVersion: return put(Self.interfaceVersion, &output)
        case .transact: return transact(input, &output, handle)
        case .dump: return dump(input, &output, handle)
        case .readEvent: return handle.read(.event, &output)
        case .readPacket: return handle.read(.packet, &output)
        case .cancel:
            // Without a queue, the requests of both.
            guard input.byteCount > 0 else { return handle.cancel(QueueKind.allCases) }
            return withQueue(input) { handle.cancel([$0]) }
        case .subscribe:
            guard input.byteCount >= Subscription.size else {
                return IOResult(.invalidLength, information: Subscription.size)
            }
            guard let subscription = Subscription(input) else { return IOResult(.invalidParameter) }
            // Taking a vport's upcalls needs a port ID that only the administrator can register.
            guard subscription.queue == .event || handle.access == .change else { return IOResult(.accessDenied) }
            return handle.subscribe(subscription)
        case .pend: return withQueue(input) { handle.pend($0, completion) }
        case .write: return write(input, handle, completion)
        case .read: return read(&output, handle)
        default: return IOResult(.invalidDeviceRequest)
        }
    }

    /// Reads an input that is the number of a queue.
    private func withQueue(_ input: RawSpan, _ body: (QueueKind) -> IOResult) -> IOResult {
        guard let kind: UInt32 = input.load(at: 0) else { return IOResult(.invalidLength, information: 4) }
        guard input.byteCount == 4, let queue = QueueKind(rawValue: kind) else { return IOResult(.invalidParameter) }
        return body(queue)
    }

    private func put(_ value: UInt32, _ output: inout MessageWriter) -> IOResult {
        do { try output.append(raw: value) } catch { return IOResult(.invalidLength, information: 4) }
        return IOResult(.success)
    }

    // MARK: News

    /// Tells the members of the group `trace` of an I/O control.
    func trace(_ handle: Handle, _ code: IOControlCode, _ input: RawSpan, _ result: IOResult, _ output: RawSpan) {
        guard registry.hasMembers(.trace), !registry.isMember(handle, of: .trace) else { return }
        // An attribute holds less than 64 KiB; of a longer message the trace has the beginning.
        let most = 65_000
        var writer = MessageWriter(capacity: 256 + min(input.byteCount, most) + min(output.byteCount, most))
        do throws(NetlinkError) {
            let mark = try writer.begin(.control, command: ControlCommand.trace)
            try writer.append(ControlAttribute.tracePortID, handle.portID)
            try writer.append(ControlAttribute.traceCode, code.rawValue)
            try writer.append(ControlAttribute.traceStatus, result.status.rawValue)
            try writer.append(ControlAttribute.traceTime, control.provider.now)
            try writer.append(ControlAttribute.traceInput, bytes: input.clamped(0..<most))
            try writer.append(ControlAttribute.traceOutput, bytes: output.clamped(0..<most))
            writer.end(message: mark)
        } catch { return }  // cannot be: nothing here is longer than an attribute
        registry.multicast(writer.bytes.rawSpan, to: .trace)
    }

    /// Turns news of the host's interfaces into events. A vport whose interface has gone is detached, and one whose
    /// interface has another name follows it.
    private func interfaceChanged(_ event: HostInterfaceEvent) {
        if case .removed(let interface) = event { detach(interface) }
        if case .changed(let interface, let former) = event, interface.name != former.name { rename(interface) }
        post(event)
    }

    private func post(_ event: HostInterfaceEvent) {
        guard registry.hasMembers(.netdev) else { return }
        let message = control.withControl { netdevEvent(event, $0) }
        var writer = MessageWriter(capacity: 128)
        do { try message.write(to: &writer) } catch { return }  // cannot be: names are short
        registry.multicast(writer.bytes.rawSpan, to: .netdev)
    }

    private func detach(_ interface: HostInterface) {
        control.withControl { control in
            for datapath in control.datapaths {
                for vport in datapath.sortedVports where vport.device.ifindex == interface.ifindex {
                    if vport.number == Datapath.localPort {
                        notify(.datapath, datapathMessage(datapath, command: Command.delete))
                        control.remove(datapath)
                    } else {
                        notify(.vport, vportMessage(vport, of: datapath, command: Command.delete))
                        control.remove(vport, from: datapath)
                    }
                }
            }
        }
    }

    private func rename(_ interface: HostInterface) {
        control.withControl { control in
            for datapath in control.datapaths {
                // One that was attached in the meantime has this name already.
                for vport in datapath.sortedVports
                where vport.device.ifindex == interface.ifindex && vport.name != interface.name {
                    control.rename(vport, of: datapath, to: interface.name)
                    notify(.vport, vportMessage(vport, of: datapath, command: Command.set))
                    if vport.number == Datapath.localPort {
                        notify(.datapath, datapathMessage(datapath, command: Command.set))
                    }
                }
            }
        }
    }

    /// Writes a notification that no request has caused: sequence and port ID are 0.
    private func notify(_ group: MulticastGroup, _ message: some WritableMessage) {
        var writer = MessageWriter(capacity: 512)
        do { try message.write(to: &writer, flags: [], sequence: 0, portID: 0) } catch { return }
        registry.multicast(writer.bytes.rawSpan, to: group)
    }
}

/// Why a device refused a call.
public struct DeviceError: Error, Equatable, Sendable {
    public var status: IOStatus
    /// As in `IOResult`.
    public var information: UInt32

    public init(_ status: IOStatus, information: Int = 0) {
        self.status = status
        self.information = UInt32(clamping: information)
    }

    public init(_ result: IOResult) {
        status = result.status
        information = result.information
    }
}

extension DeviceError: CustomStringConvertible {
    public var description: String {
        switch status {
        case .bufferTooSmall, .invalidLength: "\(status.explanation): \(information) bytes are needed"
        case .overflow: "\(status.explanation): \(information)"
        default: status.explanation
        }
    }
}
