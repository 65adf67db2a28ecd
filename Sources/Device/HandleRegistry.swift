import Datapath
import Netlink
import OpenvSwitch
import Synchronization

/// All open handles, by port ID and by group: how messages from the datapath find their readers.
///
/// Packet threads deliver upcalls here; they hold a lock for as long as it takes to copy the message into a queue.
final class HandleRegistry: UpcallReceiver {
    private struct State {
        var handles: [UInt32: Handle] = [:]
        var members: [MulticastGroup: [Handle]] = [:]
        var nextPortID = HandleRegistry.firstPortID
    }

    private let state = Mutex(State())
    /// A bit for each group that has members, to be asked without the lock.
    private let joined = Atomic<UInt64>(0)

    /// Handles that may be open at the same time.
    static let maximumHandles = 4096

    /// The port IDs that the device gives. Netlink sockets of Linux have others: the number of their process, which is at
    /// most 2^22, or from 2^31 on.
    private static let firstPortID: UInt32 = 1 << 30
    private static let lastPortID: UInt32 = 0x7fff_ffff

    var count: Int { state.withLock { $0.handles.count } }

    /// Opens a handle with a port ID of the device.
    /// - Throws: `insufficientResources` if there are too many.
    func open(_ access: Access, _ device: Device) throws(DeviceError) -> Handle {
        let handle: Handle? = state.withLock { state in
            guard state.handles.count < Self.maximumHandles else { return nil }
            var portID = state.nextPortID
            // After the numbers have come round, those that are still open are passed over.
            while state.handles[portID] != nil { portID = Self.portID(after: portID) }
            state.nextPortID = Self.portID(after: portID)
            let handle = Handle(portID: portID, access: access, device: device)
            state.handles[portID] = handle
            return handle
        }
        guard let handle else { throw Self.tooManyHandles }
        return handle
    }

    private static func portID(after portID: UInt32) -> UInt32 {
        portID == lastPortID ? firstPortID : portID + 1
    }

    /// Opens a handle with a port ID from outside.
    /// - Throws: `deviceBusy` if another handle has it, `insufficientResources`.
    func open(
        _ access: Access, _ device: Device, portID: UInt32, receiver: any MessageReceiver
    ) throws(DeviceError) -> Handle {
        let result: Result<Handle, DeviceError> = state.withLock { state in
            guard state.handles[portID] == nil else { return .failure(DeviceError(.deviceBusy)) }
            guard state.handles.count < Self.maximumHandles else { return .failure(Self.tooManyHandles) }
            let handle = Handle(portID: portID, access: access, device: device, receiver: receiver)
            state.handles[portID] = handle
            return .success(handle)
        }
        return try result.get()
    }

    private static let tooManyHandles = DeviceError(.insufficientResources, information: maximumHandles)

    func remove(_ handle: Handle) {
        state.withLock { state in
            // Its port ID may have come to another handle since it was closed.
            guard state.handles[handle.portID] === handle else { return }
            state.handles[handle.portID] = nil
            for group in MulticastGroup.all { leave(handle, group, &state) }
        }
    }

    func setMembership(of handle: Handle, in group: MulticastGroup, _ isMember: Bool) {
        state.withLock { state in
            leave(handle, group, &state)
            // A handle that was closed meanwhile stays out.
            guard isMember, state.handles[handle.portID] === handle else { return }
            state.members[group, default: []].append(handle)
            _ = joined.bitwiseOr(bit(group), ordering: .acquiringAndReleasing)
        }
    }

    private func leave(_ handle: Handle, _ group: MulticastGroup, _ state: inout State) {
        state.members[group]?.removeAll { $0 === handle }
        if state.members[group]?.isEmpty ?? true {
            state.members[group] = nil
            _ = joined.bitwiseAnd(~bit(group), ordering: .acquiringAndReleasing)
        }
    }

    private func bit(_ group: MulticastGroup) -> UInt64 { 1 << UInt64(group.rawValue & 63) }

    /// Whether anyone has joined a group.
    func hasMembers(_ group: MulticastGroup) -> Bool { joined.load(ordering: .relaxed) & bit(group) != 0 }

    /// Whether a handle has joined a group.
    func isMember(_ handle: Handle, of group: MulticastGroup) -> Bool {
        hasMembers(group) && state.withLock { $0.members[group]?.contains { $0 === handle } ?? false }
    }

    /// Gives a message to every member of a group, but for the one with the port ID `except`.
    func multicast(_ message: RawSpan, to group: MulticastGroup, except: UInt32 = 0) {
        guard hasMembers(group) else { return }
        for handle in state.withLock({ $0.members[group] ?? [] }) where handle.portID != except {
            handle.deliver(event: message)
        }
    }

    var watchesAll: Bool { hasMembers(.packet) }

    /// Gives upcalls to the handle they are for, and copies to those who watch all upcalls.
    func deliver(_ upcalls: Upcalls, to portID: UInt32) -> TakenUpcalls {
        if watchesAll {
            _ = upcalls.forEach {
                multicast($0, to: .packet)
                return .delivered
            }
        }
        guard let handle = state.withLock({ $0.handles[portID] }) else { return TakenUpcalls() }
        return handle.deliver(upcalls)
    }
}
