import CDeviceConformance
import Device
import Foundation
import LinuxSystem
import Netlink
import OpenvSwitch
import Synchronization

/// A handle of either device.
protocol ConformanceHandle: Sendable {
    var portID: UInt32 { get }
    var access: Access { get }
    func control(
        _ code: IOControlCode, input: RawSpan, output: inout MessageWriter,
        completion: (@Sendable (IOStatus) -> Void)?
    ) -> IOResult
    func close()
}

extension Handle: ConformanceHandle {}

extension LegacyHandle: ConformanceHandle {
    var access: Access { .read }

    func control(
        _ code: IOControlCode, input: RawSpan, output: inout MessageWriter,
        completion: (@Sendable (IOStatus) -> Void)?
    ) -> IOResult { control(code, output: &output) }
}

/// A device in the same process, behind functions that C can call.
final class InProcessTransport: Sendable {
    private let openHandle: @Sendable (Access) throws(DeviceError) -> any ConformanceHandle
    /// By their port IDs, which are what the rules have as handles.
    private let handles = Mutex<[UInt64: any ConformanceHandle]>([:])

    init(_ device: Device) {
        openHandle = { access throws(DeviceError) in try device.open(access) }
    }

    init(_ device: LegacyDevice) {
        openHandle = { _ throws(DeviceError) in try device.open() }
    }

    /// The table of functions. The transport must live as long as they are called.
    var functions: conformance_transport {
        unsafe conformance_transport(
            name: Self.name.utf8CString, context: Unmanaged.passUnretained(self).toOpaque(), largest_input: 0,
            open: { unsafe transport($0).open($1, $2) },
            close: { unsafe transport($0).close($1).rawValue },
            port_id: { unsafe transport($0).handle($1)?.portID ?? 0 },
            access: { context, number in
                switch unsafe transport(context).handle(number)?.access {
                case nil: 0
                case .read: 1
                case .change: 2
                }
            },
            control: { context, number, code, input, inputLength, output, outputSize, information in
                let request = unsafe InProcessRequest(output, outputSize)
                unsafe transport(context).carryOut(code, number, input, inputLength, request)
                let result = request.result(milliseconds: -1)
                unsafe information?.pointee = result.information
                return result.status.rawValue
            },
            start: { context, number, code, input, inputLength, output, outputSize in
                let request = unsafe InProcessRequest(output, outputSize)
                request.handle = unsafe transport(context).handle(number)
                request.input = unsafe Array(UnsafeRawBufferPointer(start: input, count: inputLength))
                request.isWrite = code == IOControlCode.write.rawValue
                unsafe transport(context).carryOut(code, number, input, inputLength, request)
                return unsafe OpaquePointer(Unmanaged.passRetained(request).toOpaque())
            },
            result: { _, opaque, information, milliseconds in
                let result = unsafe request(opaque).result(milliseconds: milliseconds)
                unsafe information?.pointee = result.information
                return result.status.rawValue
            },
            cancel: { unsafe request($1).cancel().rawValue },
            descriptor: { unsafe request($1).descriptor },
            release: { _, opaque in
                guard let opaque = unsafe opaque else { return }
                unsafe Unmanaged<InProcessRequest>.fromOpaque(UnsafeRawPointer(opaque)).release()
            })
    }

    private static let name: StaticString = "in process"

    private func handle(_ number: UInt64) -> (any ConformanceHandle)? { handles.withLock { $0[number] } }

    private func open(_ access: UInt32, _ status: UnsafeMutablePointer<UInt32>?) -> UInt64 {
        do throws(DeviceError) {
            let handle = try openHandle(access == 1 ? .read : .change)
            handles.withLock { $0[UInt64(handle.portID)] = handle }
            return UInt64(handle.portID)
        } catch {
            unsafe status?.pointee = error.status.rawValue
            return 0
        }
    }

    private func close(_ number: UInt64) -> IOStatus {
        guard let handle = handles.withLock({ $0.removeValue(forKey: number) }) else { return .invalidParameter }
        handle.close()
        return .success
    }

    private func carryOut(
        _ code: UInt32, _ number: UInt64, _ input: UnsafeRawPointer?, _ inputLength: Int, _ request: InProcessRequest
    ) {
        guard let handle = handle(number) else { return request.end(IOResult(.invalidParameter)) }
        let bytes = unsafe Array(UnsafeRawBufferPointer(start: input, count: inputLength))
        var output = MessageWriter(capacity: min(request.outputSize, 4096), limit: request.outputSize)
        let result = handle.control(IOControlCode(rawValue: code), input: bytes.rawSpan, output: &output) { status in
            request.end(IOResult(status))
        }
        guard result.status != .pending else { return }
        request.end(result, output.bytes)
    }
}

/// A request that may pend.
@safe
private final class InProcessRequest: @unchecked Sendable {
    // Set before the request is known to a second thread.
    var handle: (any ConformanceHandle)?
    var input: [UInt8] = []
    var isWrite = false
    let outputSize: Int
    private let output: UnsafeMutableRawPointer?
    /// Guards `ended`, and tells of it.
    private let condition = NSCondition()
    private var ended: IOResult?
    /// Readable when the request has ended.
    private let event: EventCounter

    init(_ output: UnsafeMutableRawPointer?, _ outputSize: Int) {
        unsafe self.output = output
        self.outputSize = outputSize
        do { event = try EventCounter() } catch { preconditionFailure("no descriptor: \(error)") }
    }

    var descriptor: Int32 { event.descriptor.raw }

    /// Ends the request. A second end of the same request is what must not be.
    func end(_ result: IOResult, _ bytes: [UInt8] = []) {
        unsafe bytes.withUnsafeBytes { bytes in
            // The writer's limit is the size of the buffer.
            if let base = bytes.baseAddress { unsafe output?.copyMemory(from: base, byteCount: bytes.count) }
        }
        condition.lock()
        precondition(ended == nil, "a request ends once")
        ended = result
        condition.broadcast()
        condition.unlock()
        event.signal()
    }

    /// Cancels the request that waits for the same queue. `pend` has the queue as its input; commands 0 and 1 of `write`
    /// are the queues' numbers.
    func cancel() -> IOStatus {
        guard let handle, input.count >= 4 else { return .invalidParameter }
        let queue = isWrite ? [input[16], 0, 0, 0] : Array(input.prefix(4))
        var nothing = MessageWriter(capacity: 0, limit: 0)
        return handle.control(.cancel, input: queue.rawSpan, output: &nothing, completion: nil).status
    }

    /// The result; `pending` if the request has not ended within the milliseconds (-1: waits for ever).
    func result(milliseconds: Int32) -> IOResult {
        let end = milliseconds < 0 ? Date.distantFuture : Date(timeIntervalSinceNow: Double(milliseconds) / 1000)
        condition.lock()
        defer { condition.unlock() }
        while ended == nil, condition.wait(until: end) {}
        return ended ?? IOResult(.pending)
    }
}

// What the functions of the C table get is what was put into it.

private func transport(_ context: UnsafeMutableRawPointer?) -> InProcessTransport {
    guard let context = unsafe context else { preconditionFailure("the table has a context") }
    return unsafe Unmanaged<InProcessTransport>.fromOpaque(context).takeUnretainedValue()
}

private func request(_ opaque: OpaquePointer?) -> InProcessRequest {
    guard let opaque = unsafe opaque else { preconditionFailure("a request was started") }
    return unsafe Unmanaged<InProcessRequest>.fromOpaque(UnsafeRawPointer(opaque)).takeUnretainedValue()
}

extension StaticString {
    /// The text as C has it. It ends with a NUL and stays for ever.
    fileprivate var utf8CString: UnsafePointer<CChar> {
        unsafe UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
    }
}
