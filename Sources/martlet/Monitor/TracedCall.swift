import Netlink
import OpenvSwitch

/// An I/O control that a client made, as the group `trace` tells of it.
struct TracedCall: Sendable {
    let portID: UInt32
    let code: IOControlCode
    let status: IOStatus
    let input: [UInt8]
    let output: [UInt8]

    private static let policy = Policy([
        ControlAttribute.tracePortID: .u32, ControlAttribute.traceCode: .u32, ControlAttribute.traceStatus: .u32,
        ControlAttribute.traceInput: .any, ControlAttribute.traceOutput: .any, ControlAttribute.traceTime: .u64,
    ])

    /// Messages that are told of in one line at most.
    private static let messageLimit = 8

    /// Reads a trace; nil if the message is another one of the control family.
    /// - Throws: the errors of a malformed message.
    init?(_ message: borrowing Message) throws(NetlinkError) {
        guard try message.genericHeader().command == ControlCommand.trace else { return nil }
        let set = try Self.policy.parse(message.attributes(at: OVSHeader.attributesOffset))
        portID = set.integer(ControlAttribute.tracePortID) ?? 0
        code = IOControlCode(rawValue: set.integer(ControlAttribute.traceCode) ?? 0)
        status = IOStatus(rawValue: set.integer(ControlAttribute.traceStatus) ?? 0)
        input = set.payload(ControlAttribute.traceInput) ?? []
        output = set.payload(ControlAttribute.traceOutput) ?? []
    }

    // MARK: Messages

    /// The messages that the client sent.
    var requests: [[UInt8]] {
        switch code {
        case .transact, .write: Self.messages(input[...])
        case .dump: Self.messages(input.dropFirst(DumpCursor.size))
        default: []
        }
    }

    /// The messages that the client got.
    var answers: [[UInt8]] {
        switch code {
        case .transact, .read, .write, .readEvent, .readPacket: Self.messages(output[...])
        case .dump: Self.messages(output.dropFirst(DumpCursor.size))
        default: []
        }
    }

    /// The messages in a run of bytes. Of one that is cut off nothing is given.
    private static func messages(_ bytes: ArraySlice<UInt8>) -> [[UInt8]] {
        let bytes = Array(bytes)
        var result: [[UInt8]] = []
        var sequence = MessageSequence(bytes.rawSpan)
        while let message = try? sequence.next() { result.append(message.bytes.copyBytes()) }
        return result
    }

    // MARK: Words

    var text: String { "call: handle \(portID) \(code.name) \(words)" }

    /// What was asked, and what came of it.
    private var words: String {
        let asked = asked
        return (asked.isEmpty ? "" : asked + " ") + "-> " + result
    }

    /// What the client asked.
    var asked: String {
        switch code {
        case .transact, .dump, .write: return Self.list(requests) { MessageWords($0).request }
        case .subscribe:
            guard let subscription = Subscription(input.rawSpan) else { return "" }
            let what = subscription.queue == .packet ? "packets" : subscription.group.name
            return (subscription.join ? "join " : "leave ") + what
        case .pend:
            let kind: UInt32? = input.rawSpan.load(at: 0)
            return kind.flatMap(QueueKind.init(rawValue:)) == .packet ? "packets" : "events"
        default: return ""
        }
    }

    /// What the client got.
    var result: String {
        guard status == .success else { return status.explanation }
        switch code {
        case .transact, .write:
            let words = Self.list(answers) { MessageWords($0).answer }
            return words.isEmpty ? "done" : words
        case .dump, .read:
            if let refusal = answers.lazy.compactMap({ MessageWords($0).refusal }).first { return refusal }
            let more = code == .dump && DumpCursor(output.rawSpan)?.isZero == false
            return "\(records) record\(records == 1 ? "" : "s"), \(more ? "more to come" : "complete")"
        case .readEvent, .readPacket:
            let words = Self.list(answers) { MessageWords($0).answer }
            return words.isEmpty ? "nothing" : words
        case .getPortID, .getVersion:
            let value: UInt32 = output.rawSpan.load(at: 0) ?? 0
            return "\(value)"
        default: return "done"
        }
    }

    /// Records in the answer to a dump.
    var records: Int {
        answers.count { bytes in
            guard let type = MessageHeader(bytes.rawSpan)?.type else { return false }
            return type != .done && type != .error
        }
    }

    private static func list(_ messages: [[UInt8]], _ words: ([UInt8]) -> String) -> String {
        var parts = messages.prefix(messageLimit).map(words)
        if messages.count > messageLimit { parts.append("\(messages.count - messageLimit) more") }
        return parts.joined(separator: "; ")
    }

    // MARK: JSON

    var members: [String: JSON] {
        var members: [String: JSON] = [
            "event": "call", "handle": .number(portID), "control": .string(code.name), "asked": .string(asked),
            "result": .string(result), "status": .number(status.rawValue),
            "requests": .array(requests.map { .string(NumberText.hex($0)) }),
            "answers": .array(answers.map { .string(NumberText.hex($0)) }),
        ]
        if code == .dump || code == .read { members["records"] = .number(UInt64(records)) }
        return members
    }
}
