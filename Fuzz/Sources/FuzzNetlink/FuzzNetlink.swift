import FuzzSupport
import Netlink

// Messages, attributes, policies and error messages. The first byte chooses a policy.

@main
enum FuzzNetlink: Fuzzer {
    static func main() { unsafe main { unsafe FuzzNetlink.call($0, $1) } }

    static func run(_ bytes: RawSpan) {
        var input = Input(bytes)
        let choice = input.byte()
        readMessages(input.rest, choice)
        walk(Attributes(input.rest), depth: 0)
        parse(Attributes(input.rest, baseOffset: Int(choice)), choice)
        rewrite(Attributes(input.rest))
    }
}

private func readMessages(_ bytes: RawSpan, _ choice: UInt8) {
    var messages = MessageSequence(bytes)
    while true {
        let message: Message
        do {
            guard let next = try messages.next() else { return }
            message = next
        } catch {
            require(error.offset >= 0 && error.offset <= bytes.byteCount, "an offset outside the buffer: \(error)")
            return
        }
        require(
            message.bytes.byteCount == Int(message.header.length), "a message has another length than its header says")
        _ = try? message.genericHeader()
        for offset in [16, 20, 24, Int(choice)] {
            guard let attributes = try? message.attributes(at: offset) else { continue }
            walk(attributes, depth: 0)
            parse(attributes, choice)
        }
        if let error = try? ErrorMessage(message) { rewrite(error, answering: bytes) }
    }
}

/// Reads all there is in a run of attributes, and in those inside it.
private func walk(_ attributes: Attributes, depth: Int) {
    guard depth < 8 else { return }
    var run = attributes
    var last = -1
    while true {
        do {
            guard let attribute = try run.next() else { return }
            require(attribute.offset > last, "the run does not advance")
            last = attribute.offset
            _ = try? attribute.integer(UInt8.self)
            _ = try? attribute.bigEndianInteger(UInt16.self)
            _ = try? attribute.integer(UInt64.self)
            _ = try? attribute.string()
            _ = try? attribute.integers()
            walk(attribute.nested, depth: depth + 1)
        } catch {
            require(error.offset > last, "an error in front of what was read")
            return
        }
    }
}

private let rules: [PayloadRule] = [
    .any, .flag, .u8, .u16, .u32, .u64, .u32AtMost(4096), .string(maximum: 15), .exactly(12), .atLeast(14),
    .between(4, 16), .nested,
]
private let policies: [Policy] = (0..<16).map { index in
    var table: [UInt16: PayloadRule] = [:]
    for type in 0..<UInt16(20) { table[type] = rules[(Int(type) + index) % rules.count] }
    return Policy(table, required: index & 4 != 0 ? [3] : [], strictness: index & 1 == 0 ? .liberal : .strict)
}

private func parse(_ attributes: Attributes, _ choice: UInt8) {
    let end = attributes.nextOffset + attributes.rest.byteCount
    do {
        let set = try policies[Int(choice) % policies.count].parse(attributes)
        for type in UInt16(0)..<70 {
            _ = set.integer(type, as: UInt64.self)
            _ = set.string(type)
            let payload = set.payload(type)
            require((payload != nil) == set.contains(type), "presence and payload differ")
            require((payload?.count ?? 0) == set.payloadLength(type), "a payload has another length than it says")
        }
    } catch {
        require(error.offset >= 0 && error.offset <= end, "an offset outside the run: \(error)")
        require(error.errno > 0, "no error number")
    }
}

/// Writes what was read, and reads it again.
private func rewrite(_ attributes: Attributes) {
    var writer = MessageWriter(capacity: 256)
    var run = attributes
    var types: [UInt16] = []
    while let attribute = try? run.next() {
        do { try writer.append(attribute.type, bytes: attribute.payload) } catch { fatalError("\(error)") }
        types.append(attribute.type)
    }
    let bytes = writer.bytes
    var first = attributes
    var second = Attributes(bytes.rawSpan)
    for type in types {
        guard let old = try? first.next(), let new = try? second.next() else { fatalError("an attribute is lost") }
        require(new.type == type && new.payload.equals(old.payload), "an attribute has changed")
    }
    require((try? second.next()) == nil && second.rest.byteCount == 0, "an attribute too many")
}

private func rewrite(_ error: ErrorMessage, answering request: RawSpan) {
    // An empty text cannot be told from a malformed one, and the copied request must be as long as its header says.
    guard Int(error.request.length) == request.byteCount || error.error == 0 else { return }
    var writer = MessageWriter(capacity: 256)
    do {
        try error.write(answering: request, to: &writer)
        let again = try ErrorMessage(Message(writer.bytes.rawSpan))
        require(again == error, "\(error) came back as \(again)")
    } catch {
        require(error.code == .malformedString || error.code == .attributeTooLong, "\(error)")
    }
}
