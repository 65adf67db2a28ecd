public import Device
import Netlink
public import OpenvSwitch
import Synchronization

/// The device in the same process. No thread and no descriptor are involved.
extension Device: DeviceTransport {
    public func connect() throws(DeviceError) -> any DeviceConnection {
        InProcessConnection(try open(.change))
    }
}

/// A handle of a device in the same process.
public final class InProcessConnection: DeviceConnection {
    private let handle: Handle

    public init(_ handle: Handle) { self.handle = handle }

    deinit { handle.close() }

    public var portID: UInt32 { handle.portID }

    public func control(_ code: IOControlCode, input: [UInt8], capacity: Int) throws(DeviceError) -> [UInt8] {
        var output = MessageWriter(capacity: min(capacity, 4096), limit: capacity)
        let result = handle.control(code, input: input.rawSpan, output: &output)
        guard result.status == .success else { throw DeviceError(result) }
        return output.bytes
    }

    public func pend(_ queue: QueueKind) async throws(DeviceError) {
        let handle = handle
        let status = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<IOStatus, Never>) in
                var output = MessageWriter(capacity: 0)
                let input = Self.input(queue)
                let result = handle.control(.pend, input: input.rawSpan, output: &output) { status in
                    continuation.resume(returning: status)
                }
                if result.status != .pending { continuation.resume(returning: result.status) }
                // A task that was cancelled before the request was pended has not cancelled it.
                if result.status == .pending, Task.isCancelled { _ = Self.cancel(queue, handle) }
            }
        } onCancel: {
            _ = Self.cancel(queue, handle)
        }
        guard status == .success else { throw DeviceError(status) }
    }

    private static func cancel(_ queue: QueueKind, _ handle: Handle) -> IOResult {
        var output = MessageWriter(capacity: 0)
        let input = input(queue)
        return handle.control(.cancel, input: input.rawSpan, output: &output)
    }

    private static func input(_ queue: QueueKind) -> [UInt8] {
        // An integer has no padding: all four bytes are initialised.
        unsafe withUnsafeBytes(of: queue.rawValue) { unsafe Array($0) }
    }

    public func close() { handle.close() }
}
