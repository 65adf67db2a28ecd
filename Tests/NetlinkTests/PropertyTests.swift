import Netlink
import Testing

@Suite struct PropertyTests {
    /// A tree of attributes.
    indirect enum Tree: Equatable {
        case leaf(UInt16, [UInt8])
        case nest(UInt16, [Tree])
    }

    private func tree(_ random: inout SplitMix64, depth: Int) -> Tree {
        let type = UInt16(random.below(0x4000))
        guard depth > 0, random.below(3) == 0 else { return .leaf(type, random.bytes(random.below(20))) }
        return .nest(type, (0..<random.below(5)).map { _ in tree(&random, depth: depth - 1) })
    }

    private func write(_ tree: Tree, to writer: inout MessageWriter) throws(NetlinkError) {
        switch tree {
        case .leaf(let type, let payload): try writer.append(type, bytes: payload)
        case .nest(let type, let children):
            let mark = try writer.begin(nested: type, marked: true)
            for child in children { try write(child, to: &writer) }
            try writer.end(nested: mark)
        }
    }

    private func read(_ attributes: Attributes) throws(NetlinkError) -> [Tree] {
        var result: [Tree] = []
        var run = attributes
        while let attribute = try run.next() {
            if attribute.isMarkedNested {
                result.append(.nest(attribute.type, try read(attribute.nested)))
            } else {
                result.append(.leaf(attribute.type, attribute.payload.copyBytes()))
            }
        }
        return result
    }

    @Test func whatIsWrittenReadsBackEqual() throws {
        var random = SplitMix64(seed: 1)
        for _ in 0..<2000 {
            let trees = (0..<random.below(8)).map { _ in tree(&random, depth: 5) }
            let header = MessageHeader(
                type: MessageType(rawValue: UInt16(truncatingIfNeeded: random.next())),
                flags: MessageFlags(rawValue: UInt16(truncatingIfNeeded: random.next())),
                sequence: UInt32(truncatingIfNeeded: random.next()), portID: UInt32(truncatingIfNeeded: random.next()))
            let ifindex = Int32(truncatingIfNeeded: random.next())
            var writer = MessageWriter(capacity: 0)
            let mark = try writer.begin(header, GenericHeader(command: 3, version: 2), datapathIfindex: ifindex)
            for tree in trees { try write(tree, to: &writer) }
            writer.end(message: mark)

            let bytes = writer.bytes
            let message = try Message(bytes.rawSpan)
            var expected = header
            expected.length = UInt32(bytes.count)
            #expect(message.header == expected)
            #expect(try message.genericHeader() == GenericHeader(command: 3, version: 2))
            #expect(message.bytes.load(at: 20, as: Int32.self) == ifindex)
            #expect(try read(message.attributes(at: 24)) == trees)
        }
    }

    /// Reads whatever can be read, and counts it.
    private func readAll(_ bytes: [UInt8]) -> Int {
        var count = 0
        var messages = MessageSequence(bytes.rawSpan)
        while let message = try? messages.next() {
            count += 1
            _ = try? message.genericHeader()
            _ = try? ErrorMessage(message)
            if let attributes = try? message.attributes(at: 24) { count += walk(attributes, depth: 0) }
        }
        let attributes = Attributes(bytes.rawSpan)
        count += walk(attributes, depth: 0)
        for policy in Self.policies { if (try? policy.parse(attributes).contains(1)) != nil { count += 1 } }
        return count
    }

    private func walk(_ attributes: Attributes, depth: Int) -> Int {
        guard depth < 4 else { return 0 }
        var count = 0
        var run = attributes
        while let attribute = try? run.next() {
            count += 1
            _ = try? attribute.integer(UInt32.self)
            _ = try? attribute.string()
            _ = try? attribute.integers()
            count += walk(attribute.nested, depth: depth + 1)
        }
        return count
    }

    private static let policies = [Strictness.liberal, .strict].map {
        Policy(
            [
                1: .u8, 2: .u16, 3: .u32, 4: .u64, 5: .flag, 6: .nested, 7: .string(maximum: 15), 8: .exactly(12),
                9: .atLeast(14), 10: .between(1, 5), 11: .u32AtMost(4096), 12: .any,
            ], strictness: $0)
    }

    @Test func noBytesTrap() {
        var random = SplitMix64(seed: 2)
        var read = 0
        for _ in 0..<100_000 {
            var bytes = random.bytes(random.below(96))
            // Small lengths and types, so that more than the first header is read.
            for index in bytes.indices where random.below(3) > 0 { bytes[index] &= index % 2 == 0 ? 0x1f : 0 }
            read += readAll(bytes)
        }
        #expect(read > 100_000)
    }

    @Test func noMutatedMessageTraps() throws {
        var random = SplitMix64(seed: 3)
        var read = 0
        for _ in 0..<2000 {
            var writer = MessageWriter(capacity: 0)
            for _ in 0...random.below(2) {
                let mark = try writer.begin(
                    MessageHeader(type: MessageType(rawValue: UInt16(random.below(4)))),
                    GenericHeader(command: 1, version: 1),
                    datapathIfindex: 1)
                for _ in 0..<random.below(5) { try write(tree(&random, depth: 3), to: &writer) }
                writer.end(message: mark)
            }
            for _ in 0..<50 {
                var bytes = writer.bytes
                for _ in 0...random.below(4) {
                    switch random.below(4) {
                    case 0: bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
                    case 1: bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
                    case 2: bytes.removeLast(random.below(bytes.count))
                    default: bytes.remove(at: random.below(bytes.count))
                    }
                    if bytes.isEmpty { bytes = [0] }
                }
                read += readAll(bytes)
            }
        }
        #expect(read > 100_000)
    }
}
