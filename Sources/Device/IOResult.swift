public import OpenvSwitch

/// How an I/O control ended, beside the bytes it put into the output buffer.
public struct IOResult: Equatable, Sendable {
    public var status: IOStatus
    /// On success the number of bytes put out. With `bufferTooSmall` the size that suffices, with `overflow` the number of
    /// messages lost, with `invalidLength` the size demanded; otherwise 0.
    public var information: UInt32

    public init(_ status: IOStatus, information: Int = 0) {
        self.status = status
        self.information = UInt32(clamping: information)
    }
}

/// What a handle may do.
public enum Access: Sendable {
    /// Requests that change nothing, and subscriptions to events.
    case read
    /// Everything.
    case change
}
