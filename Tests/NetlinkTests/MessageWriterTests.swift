import Netlink
import Testing

@Suite struct MessageWriterTests {
    @Test func aMessageIsWrittenByteForByte() throws {
        var writer = MessageWriter()
        let mark = try writer.begin(
            MessageHeader(type: MessageType(rawValue: 20), flags: [.request, .ack], sequence: 5, portID: 6),
            GenericHeader(command: 3, version: 1), datapathIfindex: -2)
        try writer.append(1, UInt32(0x0102_0304))
        try writer.append(2, bigEndian: UInt16(0x0506))
        try writer.append(flag: 3)
        try writer.append(4, string: "br")
        try writer.append(5, array: [1, 2])
        try writer.append(6, bytes: [9, 8, 7, 6, 5])
        let nest = try writer.begin(nested: 7, marked: true)
        try writer.append(1, UInt8(1))
        try writer.end(nested: nest)
        writer.end(message: mark)
        let expected: [UInt8] =
            header(length: 88, type: 20, flags: 5, sequence: 5, portID: 6) + [3, 1, 0, 0] + host(Int32(-2))
            + attribute(1, host(UInt32(0x0102_0304))) + attribute(2, [5, 6]) + attribute(3, [])
            + attribute(4, [0x62, 0x72, 0])
            + attribute(5, host(UInt32(1)) + host(UInt32(2))) + attribute(6, [9, 8, 7, 6, 5])
            + attribute(0x8007, attribute(1, [1]))
        #expect(writer.bytes == expected)
        #expect(writer.count == 88)
    }

    @Test func paddingIsWrittenUnlessItIsUnwanted() throws {
        var writer = MessageWriter()
        var mark = try writer.begin(MessageHeader(type: .done))
        try writer.append(raw: UInt8(1))
        writer.end(message: mark)
        #expect(writer.bytes == header(length: 17, type: 3, flags: 0, sequence: 0, portID: 0) + [1, 0, 0, 0])
        writer.removeAll()
        mark = try writer.begin(MessageHeader(type: .done))
        try writer.append(raw: UInt8(1))
        writer.endUnpadded(message: mark)
        #expect(writer.bytes == header(length: 17, type: 3, flags: 0, sequence: 0, portID: 0) + [1])
    }

    @Test func flagsAreAddedLater() throws {
        var writer = MessageWriter()
        try writer.append(raw: UInt32(0))
        let mark = try writer.begin(MessageHeader(type: .error, flags: .multi))
        writer.insert(flags: [.dumpInterrupted, .capped], at: mark)
        writer.end(message: mark)
        let bytes = writer.bytes
        #expect(MessageHeader(bytes.rawSpan.clamped(from: 4))?.flags == [.multi, .dumpInterrupted, .capped])
        writer.truncate(to: 6)
        writer.insert(flags: .ack, at: mark)  // the header is gone: nothing happens
        #expect(writer.count == 6)
    }

    // MARK: Refusals

    /// What is left of a writer after a refused call.
    private func refused(
        _ writer: MessageWriter, _ body: (inout MessageWriter) throws(NetlinkError) -> Void
    ) -> (NetlinkError?, isUnchanged: Bool) {
        var copy = writer
        do {
            try body(&copy)
            return (nil, false)
        } catch { return (error, copy.bytes == writer.bytes) }
    }

    @Test func anAttributeTooLongForItsLengthIsRefused() throws {
        var writer = MessageWriter()
        try writer.append(1, UInt32(5))
        let most = [UInt8](repeating: 1, count: 65_531)
        var copy = writer
        try copy.append(2, bytes: most)
        #expect(copy.count == 8 + 65_536)
        var run = Attributes(copy.bytes.rawSpan)
        _ = try run.next()?.type
        #expect(try run.next()?.payload.byteCount == 65_531)

        let expected = NetlinkError(.attributeTooLong, at: 8, attribute: 2)
        let long = most + [1]
        let results = [
            refused(writer) { w throws(NetlinkError) in try w.append(2, bytes: long) },
            refused(writer) { w throws(NetlinkError) in try w.append(2, bytes: long.rawSpan) },
            refused(writer) { w throws(NetlinkError) in try w.append(2, string: String(repeating: "a", count: 65_531))
            },
            refused(writer) { w throws(NetlinkError) in try w.append(2, array: [UInt32](repeating: 0, count: 16_383)) },
            refused(writer) { w throws(NetlinkError) in try w.append(0x8002, bytes: long) },
        ]
        for result in results {
            #expect(result.0 == expected)
            #expect(result.isUnchanged)
        }
    }

    @Test func aNestThatOutgrowsItsLengthIsTakenBack() throws {
        var writer = MessageWriter()
        try writer.append(1, UInt32(5))
        let before = writer.bytes
        let piece = [UInt8](repeating: 1, count: 32_764)
        let nest = try writer.begin(nested: 3)
        try writer.append(1, bytes: piece)
        try writer.append(2, bytes: piece)
        #expect(
            fault { () throws(NetlinkError) in try writer.end(nested: nest) } == NetlinkError(.attributeTooLong, at: 8))
        #expect(writer.bytes == before)

        // At the limit: a length of 65535 cannot be, as attributes are padded; 65532 is the longest.
        let fits = try writer.begin(nested: 3)
        try writer.append(1, bytes: [UInt8](repeating: 1, count: 32_760))
        try writer.append(2, bytes: [UInt8](repeating: 1, count: 32_756))
        try writer.append(flag: 3)
        try writer.end(nested: fits)
        #expect(writer.count == before.count + 65_532)
    }

    @Test func aNestWhoseBodyThrowsIsTakenBack() throws {
        var writer = MessageWriter()
        try writer.append(1, UInt32(5))
        let result = refused(writer) { w throws(NetlinkError) in
            try w.append(nested: 2) { inner throws(NetlinkError) in
                try inner.append(1, UInt32(1))
                throw NetlinkError(.invalidValue, at: 1)
            }
        }
        #expect(result.0 == NetlinkError(.invalidValue, at: 1))
        #expect(result.isUnchanged)
    }

    @Test func aStringWithANULIsRefused() throws {
        let result = refused(MessageWriter()) { w throws(NetlinkError) in try w.append(2, string: "a\0b") }
        #expect(result.0 == NetlinkError(.malformedString, at: 0, attribute: 2))
        #expect(result.isUnchanged)
    }

    /// One of eleven calls that write something.
    private func call(_ index: Int, _ writer: inout MessageWriter) throws(NetlinkError) {
        switch index {
        case 0: _ = try writer.begin(MessageHeader(type: .done))
        case 1:
            let generic = GenericHeader(command: 1, version: 1)
            _ = try writer.begin(MessageHeader(type: .done), generic, datapathIfindex: 1)
        case 2: try writer.append(1, UInt8(1))
        case 3: try writer.append(1, string: "abc")
        case 4: try writer.append(flag: 1)
        case 5: try writer.append(1, bytes: [1, 2, 3])
        case 6: try writer.append(raw: UInt16(1))
        case 7: try writer.append(raw: UInt32(1))
        case 8: try writer.append(raw: [1, 2, 3])
        case 9: _ = try writer.begin(nested: 1)
        default: try writer.appendDone(sequence: 1, portID: 1)
        }
    }

    @Test func theLimitIsNeverExceeded() {
        for limit in 0..<80 {
            for first in 0..<11 {
                var writer = MessageWriter(capacity: 16, limit: limit)
                for step in 0..<11 {
                    let index = (first + step) % 11
                    let before = writer.bytes
                    do throws(NetlinkError) { try call(index, &writer) } catch {
                        #expect(error.code == .noSpace, "call \(index), limit \(limit)")
                        #expect(error.offset >= before.count, "call \(index), limit \(limit)")
                        #expect(writer.bytes == before, "call \(index), limit \(limit)")
                    }
                    writer.pad()
                    #expect(writer.count <= limit, "call \(index), limit \(limit)")
                }
            }
        }
    }

    /// A payload of pieces, such as a MAC address, may end where padding would lie behind the limit.
    @Test func paddingDoesNotExceedALimitThatIsNoMultipleOfFour() throws {
        for limit in 8..<24 {
            var writer = MessageWriter(limit: limit)
            do {
                let nest = try writer.begin(nested: 1)
                try writer.append(raw: UInt16(1))
                try writer.append(raw: UInt32(1))
                try writer.end(nested: nest)
            } catch { #expect(error.code == .noSpace) }
            #expect(writer.count <= limit)
            #expect((limit >= 12) == (writer.count == 12))
        }
    }

    @Test func truncatingAndReplacingStayInside() throws {
        var writer = MessageWriter()
        try writer.append(raw: [1, 2, 3, 4, 5, 6])
        writer.truncate(to: 9)
        writer.truncate(to: -1)
        #expect(writer.count == 6)
        writer.replace(at: 4, with: [9, 9, 9])
        #expect(writer.bytes == [1, 2, 3, 4, 9, 9])
        writer.replace(at: -1, with: [7])
        writer.replace(at: 6, with: [7])
        #expect(writer.bytes == [1, 2, 3, 4, 9, 9])
        writer.truncate(to: 2)
        #expect(writer.bytes == [1, 2])
        writer.removeAll()
        #expect(writer.count == 0)
    }

    @Test func aMarkBehindTheEndChangesNothing() throws {
        var writer = MessageWriter()
        try writer.append(raw: [1, 2, 3, 4])
        let mark = try writer.begin(MessageHeader(type: .done))
        let nest = try writer.begin(nested: 3)
        writer.truncate(to: 4)
        writer.end(message: mark)
        #expect(fault { () throws(NetlinkError) in try writer.end(nested: nest) }?.code == .attributeTooLong)
        #expect(writer.bytes == [1, 2, 3, 4])
    }
}
