import Datapath
public import Netlink
public import OpenvSwitch
import Synchronization

/// The pseudo device beside the Netlink device: it answers requests that are not Netlink, and no others.
///
/// It has handles of its own, which read and do nothing else: a port ID, a version, and numbers of the switch that is
/// behind the other device. Nothing is sent to them, and nothing can be changed through them.
public final class LegacyDevice: Sendable {
    private let device: Device
    private let state = Mutex(State())
    private let began: UInt64

    private struct State {
        var handles = 0
        var nextPortID = LegacyDevice.firstPortID
    }

    /// Version of the interface, what `getVersion` answers.
    public static let interfaceVersion: UInt32 = 1

    /// Handles that may be open at the same time.
    static let maximumHandles = 256

    /// The port IDs it gives lie below those of the Netlink device and above those of Linux's Netlink sockets, so that no
    /// upcall is ever sent to one.
    private static let firstPortID: UInt32 = 1 << 29
    private static let lastPortID: UInt32 = 1 << 30 - 1

    /// - Parameter device: the Netlink device, whose switch it tells of.
    public init(beside device: Device) {
        self.device = device
        began = device.control.provider.now
    }

    /// Opens a handle.
    /// - Throws: `insufficientResources` if too many are open.
    public func open() throws(DeviceError) -> LegacyHandle {
        let portID = state.withLock { state -> UInt32? in
            guard state.handles < Self.maximumHandles else { return nil }
            state.handles += 1
            defer { state.nextPortID = state.nextPortID == Self.lastPortID ? Self.firstPortID : state.nextPortID + 1 }
            return state.nextPortID
        }
        guard let portID else { throw DeviceError(.insufficientResources, information: Self.maximumHandles) }
        return LegacyHandle(portID: portID, device: self)
    }

    /// Handles that are open.
    public var openHandles: Int { state.withLock { $0.handles } }

    fileprivate func closeHandle() { state.withLock { $0.handles -= 1 } }

    /// What is behind the Netlink device, counted now.
    fileprivate func statistics() -> LegacyStatistics {
        var result = LegacyStatistics()
        result.handles = UInt64(device.openHandles)
        result.legacyHandles = UInt64(openHandles)
        device.control.withControl { control in
            result.uptime = control.provider.now &- began
            result.datapaths = UInt64(control.datapaths.count)
            for datapath in control.datapaths {
                let packets = datapath.statistics
                result.vports += UInt64(datapath.sortedVports.count)
                result.flows &+= packets.flows
                result.masks &+= UInt64(datapath.megaflowStatistics.masks)
                result.hit &+= packets.hit
                result.missed &+= packets.missed
                result.lost &+= packets.lost
            }
        }
        return result
    }
}

/// An open handle of the legacy device. It may be used from any thread.
public final class LegacyHandle: Sendable {
    /// A number that no handle of the Netlink device has.
    public let portID: UInt32
    private let device: LegacyDevice
    private let isClosed = Mutex(false)

    fileprivate init(portID: UInt32, device: LegacyDevice) {
        self.portID = portID
        self.device = device
    }

    deinit { close() }

    /// Carries out an I/O control, of which there are those in `IOControlCode.legacy`. No input is looked at.
    /// - Parameter output: the caller's buffer; its `limit` is the buffer's size.
    public func control(_ code: IOControlCode, output: inout MessageWriter) -> IOResult {
        switch code {
        case .getPortID: put(portID, &output)
        case .getVersion: put(LegacyDevice.interfaceVersion, &output)
        case .getStatistics: put(LegacyStatistics.size, &output) { device.statistics().bytes }
        default: IOResult(.invalidDeviceRequest)
        }
    }

    /// Closes the handle. May be called twice.
    public func close() {
        let isFirst = isClosed.withLock { isClosed in
            defer { isClosed = true }
            return !isClosed
        }
        if isFirst { device.closeHandle() }
    }

    private func put(_ value: UInt32, _ output: inout MessageWriter) -> IOResult {
        guard (try? output.append(raw: value)) != nil else { return IOResult(.invalidLength, information: 4) }
        return IOResult(.success, information: 4)
    }

    private func put(_ size: Int, _ output: inout MessageWriter, _ bytes: () -> [UInt8]) -> IOResult {
        // Before anything is counted.
        guard output.limit - output.count >= size, (try? output.append(raw: bytes())) != nil else {
            return IOResult(.invalidLength, information: size)
        }
        return IOResult(.success, information: size)
    }
}
