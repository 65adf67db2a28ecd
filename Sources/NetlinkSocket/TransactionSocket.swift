import Device
public import Netlink
public import OpenvSwitch
import Synchronization

/// A socket for transactions and dumps: every call is one or more I/O controls and is complete when it returns.
///
/// It cannot be waited on. May be used from several threads.
public final class TransactionSocket: Sendable {
    private let connection: any DeviceConnection
    private let nextSequence = Atomic<UInt32>(1)

    /// Bytes that an answer may take before the socket asks again with a larger buffer.
    private static let usualCapacity = 16 << 10
    /// Messages and bytes that go into one call at most.
    private static let batchMessages = 128
    private static let batchBytes = 60 << 10

    public init(_ transport: some DeviceTransport) throws(SocketError) {
        do { connection = try transport.connect() } catch { throw SocketError(error) }
    }

    deinit { connection.close() }

    public var portID: UInt32 { connection.portID }

    private func takeSequence() -> UInt32 {
        let sequence = nextSequence.add(1, ordering: .relaxed).oldValue
        // 0 marks notifications.
        return sequence == 0 ? takeSequence() : sequence
    }

    /// Sends a request and returns its reply.
    /// - Parameters:
    ///   - request: the message.
    ///   - flags: beside `request`; `echo` where the reply to a NEW, SET or DEL is wanted.
    /// - Returns: the reply's bytes, one message; nil if the request has none.
    /// - Throws: `refused` with the datapath's error number.
    public func transact(_ request: some WritableMessage, flags: MessageFlags = []) throws(SocketError) -> [UInt8]? {
        let sequence = takeSequence()
        var writer = MessageWriter(capacity: 512)
        do throws(NetlinkError) {
            try request.write(to: &writer, flags: flags.union(.request), sequence: sequence, portID: portID)
        } catch { throw .malformed(error) }
        let output = try control(.transact, writer.bytes, Self.usualCapacity)
        guard !output.isEmpty else { return nil }
        let message: Message
        do { message = try Message(output.rawSpan) } catch { throw .malformed(error) }
        let isAcknowledgement = try Self.isAcknowledgement(message)
        guard message.header.sequence == sequence else { throw .malformed(NetlinkError(.invalidValue, at: 8)) }
        return isAcknowledgement ? nil : message.bytes.copyBytes()
    }

    /// Sends several requests in as few calls as possible. One that is refused does not stop those behind it.
    ///
    /// - Returns: for each request its reply (nil if it has none) or its error.
    /// - Throws: only if the device itself fails.
    public func transact(
        batch requests: [(message: any WritableMessage, flags: MessageFlags)]
    ) throws(SocketError) -> [Result<[UInt8]?, SocketError>] {
        var results = [Result<[UInt8]?, SocketError>](repeating: .success(nil), count: requests.count)
        var next = 0
        var capacity = Self.usualCapacity
        while next < requests.count {
            // An acknowledgement for each says which of them have been carried out.
            var writer = MessageWriter(capacity: 4096)
            var sequences: [UInt32: Int] = [:]
            var index = next
            while index < requests.count, index - next < Self.batchMessages, writer.count < Self.batchBytes {
                let sequence = takeSequence()
                let start = writer.count
                do throws(NetlinkError) {
                    try requests[index].message.write(
                        to: &writer, flags: requests[index].flags.union([.request, .ack]), sequence: sequence,
                        portID: portID)
                    sequences[sequence] = index
                } catch {
                    writer.truncate(to: start)
                    results[index] = .failure(.malformed(error))
                }
                index += 1
            }
            guard writer.count > 0 else {
                next = index
                continue
            }
            let output: [UInt8]
            do { output = try connection.control(.transact, input: writer.bytes, capacity: capacity) } catch {
                // A buffer that was as large as the device asked for is too large for its door.
                guard error.status == .bufferTooSmall, Int(error.information) > capacity else {
                    throw SocketError(error)
                }
                capacity = max(capacity * 2, Int(error.information))
                continue
            }
            let done = try Self.collect(output, sequences, &results)
            // Those that could not be written have their error already. What was not answered is sent again.
            if let done { next = max(done + 1, next) }
            if done == nil {
                // No answer although there was room: this is no device of ours.
                guard capacity < 16 << 20 else { throw .malformed(NetlinkError(.truncated)) }
                capacity *= 2
            }
        }
        return results
    }

    /// Sorts the answers of a batch.
    /// - Returns: the last request that was carried out; nil if none was.
    private static func collect(
        _ output: [UInt8], _ sequences: [UInt32: Int], _ results: inout [Result<[UInt8]?, SocketError>]
    ) throws(SocketError) -> Int? {
        var last: Int?
        do throws(NetlinkError) {
            var messages = MessageSequence(output.rawSpan)
            while let message = try messages.next() {
                guard let index = sequences[message.header.sequence] else { continue }
                if message.header.type == .error {
                    let error = try ErrorMessage(message)
                    if error.error != 0 { results[index] = .failure(.refused(RequestError(error))) }
                    last = max(last ?? index, index)
                } else {
                    results[index] = .success(message.bytes.copyBytes())
                }
            }
        } catch { throw .malformed(error) }
        return last
    }

    /// Dumps a table.
    ///
    /// - Parameters:
    ///   - request: a GET message.
    ///   - capacity: size of the buffer of each step in bytes; it grows when a record does not fit.
    ///   - body: called for each record.
    /// - Returns: true if the table did not change while it was dumped.
    /// - Throws: `refused` if the table does not exist, and what `body` throws.
    @discardableResult
    public func dump(
        _ request: some WritableMessage, capacity: Int = 64 << 10,
        _ body: (borrowing Message) throws(SocketError) -> Void
    ) throws(SocketError) -> Bool {
        let sequence = takeSequence()
        var writer = MessageWriter(capacity: 512)
        do throws(NetlinkError) {
            try writer.append(raw: DumpCursor.start.bytes)
            try request.write(
                to: &writer, flags: [.request, .root, .match], sequence: sequence, portID: portID)
        } catch { throw .malformed(error) }
        var isWhole = true
        while true {
            let output = try control(.dump, writer.bytes, capacity)
            guard let cursor = DumpCursor(output.rawSpan) else { throw .malformed(NetlinkError(.truncated)) }
            if try !Self.step(output.rawSpan.clamped(DumpCursor.size..<output.count), body) { isWhole = false }
            guard !cursor.isZero else { return isWhole }
            writer.replace(at: 0, with: cursor.bytes)
        }
    }

    /// - Returns: false if a message says that the dump is interrupted.
    private static func step(
        _ bytes: RawSpan, _ body: (borrowing Message) throws(SocketError) -> Void
    ) throws(SocketError) -> Bool {
        var isWhole = true
        var messages = MessageSequence(bytes)
        while true {
            let message: Message
            do {
                guard let next = try messages.next() else { return isWhole }
                message = next
            } catch { throw .malformed(error) }
            if try isAcknowledgement(message) { continue }
            if message.header.flags.contains(.dumpInterrupted) { isWhole = false }
            if message.header.type == .done {
                let error: Int32 = message.payload.load(at: 0) ?? 0
                if error != 0 { throw .refused(RequestError(0 &- error, Errno.text(0 &- error))) }
                continue
            }
            try body(message)
        }
    }

    /// Whether a message says no more than that a request was carried out.
    /// - Throws: `refused` if it says that the request was not.
    private static func isAcknowledgement(_ message: borrowing Message) throws(SocketError) -> Bool {
        guard message.header.type == .error else { return false }
        let answer: ErrorMessage
        do { answer = try ErrorMessage(message) } catch { throw .malformed(error) }
        guard answer.error == 0 else { throw .refused(RequestError(answer)) }
        return true
    }

    /// Carries out an I/O control, again with a larger buffer where the device asks for one.
    private func control(_ code: IOControlCode, _ input: [UInt8], _ capacity: Int) throws(SocketError) -> [UInt8] {
        var capacity = capacity
        while true {
            do { return try connection.control(code, input: input, capacity: capacity) } catch {
                guard error.status == .bufferTooSmall || error.status == .invalidLength,
                    Int(error.information) > capacity
                else { throw SocketError(error) }
                capacity = Int(error.information)
            }
        }
    }
}

extension RequestError {
    /// The error of an `NLMSG_ERROR`, with the words of its extended ack if it has any.
    init(_ error: ErrorMessage) {
        let errno = 0 &- error.error
        self.init(errno, error.message ?? Errno.text(errno), offset: error.offset.map(Int.init))
    }
}
