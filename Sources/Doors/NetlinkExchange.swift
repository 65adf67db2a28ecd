import Datapath
import Device
import Netlink
import OpenvSwitch

/// What one datagram of a client comes to: its messages are carried out, and everything they are answered with is sent to
/// the client's socket, a datagram for each message.
struct NetlinkExchange {
    private let client: NetlinkClient
    private let options: NetlinkOptions
    private var progress = NetlinkProgress()
    /// Whether a dump of the client is under way, begun in this datagram or before.
    private var isDumping: Bool
    private let memory: Memory

    /// Room for the reply to one request: an `NLMSG_ERROR` with the largest request inside.
    private static let replyLimit = 256 << 10
    /// Transactions between which no other client has its turn.
    private static let transactionsPerTurn = 64

    /// The request that is made of a message, and what it is answered with: memory that is used again.
    final class Memory {
        fileprivate var request = MessageWriter(capacity: 4096)
        fileprivate var output = MessageWriter(capacity: 4096, limit: NetlinkExchange.replyLimit)
        /// Of a dump, whose pieces have the size that the client can take.
        private var piece = MessageWriter(capacity: 0, limit: 0)

        /// Has a piece of at most `limit` bytes written to memory which, as a rule, is there already.
        fileprivate func withPiece<Result>(limit: Int, _ body: (inout MessageWriter) -> Result) -> Result {
            if piece.limit != limit { piece = MessageWriter(capacity: limit, limit: limit) }
            piece.removeAll()
            return body(&piece)
        }
    }

    init(_ client: NetlinkClient, _ options: NetlinkOptions, _ memory: Memory) {
        self.client = client
        self.memory = memory
        self.options = options
        isDumping = options.flags.contains(.dumping)
    }

    /// Carries out the messages in order, up to one that is for the kernel. As in the kernel, a length that lies ends the
    /// datagram without a word.
    mutating func carryOut(_ datagram: RawSpan) -> NetlinkProgress {
        var offset = 0
        while let message = try? Message(datagram.clamped(from: offset)) {
            if let family = family(ofTransaction: message) {
                if let next = try? Message(datagram.clamped(from: offset + netlinkAligned(message.bytes.byteCount))),
                    self.family(ofTransaction: next) != nil
                {
                    offset = transactAll(datagram, from: offset)
                    continue
                }
                transact(message, family) { client, request, output in
                    client.handle.control(.transact, input: request, output: &output)
                }
            } else if !carryOut(message, at: offset) {
                progress.flags.insert(.kernel)
                progress.consumed = offset
                return progress
            }
            offset += netlinkAligned(message.bytes.byteCount)
        }
        progress.consumed = datagram.byteCount
        return progress
    }

    /// Carries out the transactions from an offset on, up to something else or the most that are carried out in one go.
    /// - Returns: the offset behind them.
    private mutating func transactAll(_ datagram: RawSpan, from start: Int) -> Int {
        var offset = start
        client.handle.withTransactions { transactions in
            var count = 0
            while count < Self.transactionsPerTurn, let message = try? Message(datagram.clamped(from: offset)),
                let family = self.family(ofTransaction: message)
            {
                transact(message, family) { _, request, output in transactions.transact(request, &output) }
                offset += netlinkAligned(message.bytes.byteCount)
                count += 1
            }
        }
        return offset
    }

    /// The family of a message that is a transaction of ours; nil if it is anything else.
    private func family(ofTransaction message: Message) -> Family? {
        guard let family = NetlinkNumbers.family(message.header.type) else { return nil }
        return message.header.flags.isSuperset(of: [.request, .dump]) ? nil : family
    }

    /// - Returns: false if the message is for the kernel.
    private mutating func carryOut(_ message: Message, at offset: Int) -> Bool {
        let header = message.header
        guard header.type.rawValue >= NetlinkNumbers.offset else {
            return header.type == Controller.messageType && tellOfFamilies(message)
        }
        guard let family = NetlinkNumbers.family(header.type) else {
            // As in the kernel, what is no request is skipped, and acknowledged if that is asked for.
            if header.flags.contains(.request) {
                refuse(message, Errno.noEntry, "there is no family with the number \(header.type.rawValue)")
            } else if header.flags.contains(.ack) {
                acknowledge(message)
            }
            return true
        }
        beginDump(message, family, at: offset)
        return true
    }

    // MARK: Families

    /// - Returns: false if the message is for the kernel, too.
    private mutating func tellOfFamilies(_ message: Message) -> Bool {
        switch FamilyDirectory.answer(message, portID: client.endpoint.portID) {
        case .kernel: return false
        case .reply(let reply):
            forward(reply.rawSpan)
            if message.header.flags.contains(.ack) { acknowledge(message) }
            return true
        case .list(let list):
            guard !isDumping else {
                refuseDump(message)
                return true
            }
            forward(list.rawSpan)
            return false
        }
    }

    // MARK: Transactions

    /// - Parameter control: makes the transaction.
    private mutating func transact(
        _ message: Message, _ family: Family, _ control: (NetlinkClient, RawSpan, inout MessageWriter) -> IOResult
    ) {
        memory.request.removeAll()
        append(message, family, to: &memory.request)
        memory.output.removeAll()
        let result = control(client, memory.request.bytes.rawSpan, &memory.output)
        guard result.status == .success else {
            return refuse(message, Errno.messageSize, "the reply is too long")
        }
        guard memory.output.count > 0 else { return }
        let bytes = memory.output.bytes
        var replies = MessageSequence(bytes.rawSpan)
        while let reply = try? replies.next() { answer(message, reply) }
    }

    /// Puts a request into the form of the device: with its number for the family, and the handle's port ID.
    private func append(_ message: Message, _ family: Family, to request: inout MessageWriter) {
        let start = request.count
        // Cannot fail: the writer has no limit.
        try? request.append(raw: message.bytes)
        request.replace(type: family.messageType, at: start)
        request.replace(portID: client.handle.portID, at: start)
    }

    /// Sends a reply of the device.
    private mutating func answer(_ message: Message, _ reply: Message) {
        guard reply.header.type == .error, let error = try? ErrorMessage(reply) else {
            return note(client.endpoint.send(reply.bytes))
        }
        send(
            ErrorMessage(error: error.error, request: message.header, message: error.message, offset: error.offset),
            message)
    }

    // MARK: Dumps

    /// Begins a dump: its first piece is sent at once.
    private mutating func beginDump(_ message: Message, _ family: Family, at offset: Int) {
        guard !isDumping else { return refuseDump(message) }
        guard case .sent(let cursor) = dump(message, family, from: .start) else { return }
        isDumping = !cursor.isZero
        progress.flags.insert(.dump)
        progress.dump = offset..<(offset + message.bytes.byteCount)
        progress.cursor = cursor
    }

    private mutating func refuseDump(_ message: Message) {
        refuse(message, Errno.busy, "another dump is under way on this socket")
    }

    /// Sends the next piece of a dump.
    /// - Returns: nil if the request is no dump of ours.
    mutating func pull(_ request: RawSpan, from cursor: DumpCursor) -> NetlinkPiece? {
        guard let message = try? Message(request), let family = NetlinkNumbers.family(message.header.type),
            message.header.flags.isSuperset(of: [.request, .dump])
        else { return nil }
        switch dump(message, family, from: cursor) {
        case .sent(let next): return NetlinkPiece(flags: [], cursor: next)
        case .refused: return NetlinkPiece(flags: progress.flags, cursor: .start)
        case .noRoom: return NetlinkPiece(flags: .noRoom, cursor: cursor)
        }
    }

    private enum DumpStep {
        /// A piece was sent; the cursor says where the dump goes on.
        case sent(DumpCursor)
        /// The request cannot be dumped, which the client has been told.
        case refused
        case noRoom
    }

    private mutating func dump(_ message: Message, _ family: Family, from cursor: DumpCursor) -> DumpStep {
        var request = MessageWriter(capacity: DumpCursor.size + message.bytes.byteCount)
        // Cannot fail: the writer has no limit.
        try? request.append(raw: cursor.bytes)
        append(message, family, to: &request)
        var size = DumpCursor.size + options.pieceSize
        while true {
            let step = memory.withPiece(limit: size) { output -> DumpStep? in
                let result = client.handle.control(.dump, input: request.bytes.rawSpan, output: &output)
                guard result.status == .bufferTooSmall, size < Self.replyLimit else {
                    return sendPiece(&output, result.status, message)
                }
                // A record that is longer than a piece is a piece of its own.
                size = max(2 * size, Int(result.information))
                return nil
            }
            if let step { return step }
        }
    }

    /// Sends what a dump has written: where it goes on, and the messages.
    private mutating func sendPiece(
        _ output: inout MessageWriter, _ status: IOStatus, _ message: Message
    ) -> DumpStep {
        guard status == .success, let next = DumpCursor(output.bytes.rawSpan) else {
            refuse(message, Errno.messageSize, "a record is too long")
            return .refused
        }
        if let reply = try? Message(output.bytes.rawSpan.clamped(from: DumpCursor.size)), reply.header.type == .error {
            answer(message, reply)
            return .refused
        }
        NetlinkNumbers.translate(&output, from: DumpCursor.size)
        let isFull = client.endpoint.forward(output.bytes.rawSpan.clamped(from: DumpCursor.size)) == .queueFull
        guard !isFull else {
            progress.flags.insert(.noRoom)
            return .noRoom
        }
        return .sent(next)
    }

    // MARK: Answers

    private mutating func refuse(_ message: Message, _ errno: Int32, _ words: String) {
        send(ErrorMessage(error: -errno, request: message.header, message: words), message)
    }

    private mutating func acknowledge(_ message: Message) {
        send(ErrorMessage(error: 0, request: message.header), message)
    }

    /// Sends an error or an acknowledgement, in the form that the socket's options ask for.
    private mutating func send(_ answer: ErrorMessage, _ message: Message) {
        var writer = MessageWriter(capacity: 128 + message.bytes.byteCount)
        // Cannot fail: the writer has no limit, and the sentences are short.
        try? answer.write(
            answering: message.bytes, capped: answer.error == 0 || options.flags.contains(.cappedAck),
            attributes: options.flags.contains(.extendedAck), portID: client.endpoint.portID, to: &writer)
        forward(writer.bytes.rawSpan)
    }

    private mutating func forward(_ datagram: RawSpan) { note(client.endpoint.forward(datagram)) }

    /// A reply that finds no room makes the client's next receive fail, as in the kernel.
    private mutating func note(_ result: UpcallResult) {
        if result == .queueFull { progress.flags.insert(.noRoom) }
    }
}
