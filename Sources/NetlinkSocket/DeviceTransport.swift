public import Device
public import OpenvSwitch

/// A way to a device: in process, or through a door.
public protocol DeviceTransport: Sendable {
    /// Opens a handle of the device.
    /// - Throws: why the device or its door refused.
    func connect() throws(DeviceError) -> any DeviceConnection
}

/// A handle of a device, seen from the client's side.
public protocol DeviceConnection: AnyObject, Sendable {
    /// The handle's port ID.
    var portID: UInt32 { get }

    /// Carries out an I/O control and waits for its end.
    /// - Parameters:
    ///   - code: any code but those that pend.
    ///   - input: what the code takes.
    ///   - capacity: size of the output buffer in bytes.
    /// - Returns: the output.
    /// - Throws: every status but success, with its information.
    func control(_ code: IOControlCode, input: [UInt8], capacity: Int) throws(DeviceError) -> [UInt8]

    /// Waits until a queue of the handle has something.
    ///
    /// One task at a time for each queue. When the task is cancelled, so is the request.
    /// - Throws: `cancelled` if the request or the task was cancelled or the handle closed, `deviceBusy` if another task
    ///   waits for it, `invalidParameter` if the handle has no such queue.
    func pend(_ queue: QueueKind) async throws(DeviceError)

    /// Closes the handle.
    func close()
}
