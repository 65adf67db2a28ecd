import Netlink
import Testing

@Suite struct MessageTests {
    @Test func headerFieldsAreReadInHostByteOrder() throws {
        let bytes =
            header(length: 20, type: 0x1234, flags: 0x305, sequence: 0xdead_beef, portID: 0x0102_0304) + [1, 2, 3, 4]
        let message = try Message(bytes.rawSpan)
        #expect(message.header.length == 20)
        #expect(message.header.type == MessageType(rawValue: 0x1234))
        #expect(message.header.flags == [.request, .ack, .dump])
        #expect(message.header.sequence == 0xdead_beef)
        #expect(message.header.portID == 0x0102_0304)
        #expect(message.payload.copyBytes() == [1, 2, 3, 4])
    }

    @Test(arguments: 0..<16) func fewerBytesThanAHeaderAreTruncated(count: Int) {
        let bytes = Array(header(length: 16).prefix(count))
        #expect(fault { () throws(NetlinkError) in _ = try Message(bytes.rawSpan) } == NetlinkError(.truncated))
    }

    @Test(arguments: [UInt32(0), 1, 15]) func aLengthBelowTheHeaderIsRefused(length: UInt32) {
        let bytes = header(length: length)
        #expect(fault { () throws(NetlinkError) in _ = try Message(bytes.rawSpan) } == NetlinkError(.lengthTooSmall))
    }

    @Test(arguments: [UInt32(17), 20, 0x7fff_ffff, 0x8000_0000, .max]) func aLengthBehindTheEndIsTruncated(
        length: UInt32
    ) {
        let bytes = header(length: length)
        #expect(fault { () throws(NetlinkError) in _ = try Message(bytes.rawSpan) } == NetlinkError(.truncated))
    }

    @Test func bytesBehindTheLengthDoNotBelongToTheMessage() throws {
        let bytes = header(length: 18) + [1, 2, 3, 4, 5, 6]
        let message = try Message(bytes.rawSpan)
        #expect(message.bytes.byteCount == 18)
        #expect(message.payload.copyBytes() == [1, 2])
    }

    @Test func genericHeaderNeedsFourBytes() throws {
        let bytes = header(length: 20) + [5, 2, 0, 0]
        #expect(try Message(bytes.rawSpan).genericHeader() == GenericHeader(command: 5, version: 2))
        for length in UInt32(16)..<20 {
            let short = header(length: length) + [5, 2, 0, 0]
            let error = fault { () throws(NetlinkError) in _ = try Message(short.rawSpan).genericHeader() }
            #expect(error == NetlinkError(.truncated, at: 16))
        }
    }

    @Test func attributesBeginWhereTheyAreSaidTo() throws {
        let bytes = header(length: 32) + [0, 0, 0, 0] + host(UInt32(5)) + attribute(3, host(UInt32(77)))
        let message = try Message(bytes.rawSpan)
        var attributes = try message.attributes(at: 24)
        let first = try #require(try attributes.next()?.offset)
        #expect(first == 24)
        var none = try message.attributes(at: 32)
        #expect(try none.next()?.type == nil)
        #expect(
            fault { () throws(NetlinkError) in _ = try Message(bytes.rawSpan).attributes(at: 33) }
                == NetlinkError(.truncated, at: 32))
        #expect(
            fault { () throws(NetlinkError) in _ = try Message(bytes.rawSpan).attributes(at: -1) }
                == NetlinkError(.truncated, at: 32))
    }

    // MARK: Sequences

    @Test func messagesFollowEachOtherOnFourByteBoundaries() throws {
        let bytes =
            header(length: 18, sequence: 1) + [1, 2, 0xee, 0xee] + header(length: 16, sequence: 2)
            + header(length: 20, sequence: 3) + [1, 2, 3, 4]
        var messages = MessageSequence(bytes.rawSpan)
        var sequences: [UInt32] = []
        while let message = try messages.next() { sequences.append(message.header.sequence) }
        #expect(sequences == [1, 2, 3])
    }

    /// The last message of a datagram may go without padding (`UserFeatures.unaligned`). Making the range of what is left
    /// trapped once.
    @Test(arguments: [UInt32(17), 18, 19]) func paddingBehindTheLastMessageMayBeMissing(length: UInt32) throws {
        let bytes = header(length: length) + [UInt8](repeating: 9, count: Int(length) - 16)
        var messages = MessageSequence(bytes.rawSpan)
        let count = try #require(try messages.next()?.bytes.byteCount)
        #expect(count == Int(length))
        #expect(try messages.next()?.header == nil)
    }

    @Test func afterAnErrorThereIsNoNextMessage() throws {
        let bytes = header(length: 16, sequence: 1) + header(length: 15) + header(length: 16, sequence: 3)
        var messages = MessageSequence(bytes.rawSpan)
        #expect(try messages.next()?.header.sequence == 1)
        var error: NetlinkError?
        do { _ = try messages.next()?.header } catch let thrown { error = thrown }
        #expect(error?.code == .lengthTooSmall)
        #expect(try messages.next()?.header == nil)
    }

    @Test func anEmptyBufferHasNoMessage() throws {
        let bytes: [UInt8] = []
        var messages = MessageSequence(bytes.rawSpan)
        #expect(try messages.next()?.header == nil)
    }

    @Test func flagsAreThoseOfTheInterface() {
        #expect(MessageFlags.request.rawValue == 1)
        #expect(MessageFlags.multi.rawValue == 2)
        #expect(MessageFlags.ack.rawValue == 4)
        #expect(MessageFlags.echo.rawValue == 8)
        #expect(MessageFlags.dumpInterrupted.rawValue == 0x10)
        #expect(MessageFlags.dump.rawValue == 0x300)
        #expect(MessageFlags.create.rawValue == 0x400)
        #expect(MessageFlags.exclusive.rawValue == 0x200)
        #expect(MessageFlags.capped.rawValue == 0x100)
        #expect(MessageFlags.ackAttributes.rawValue == 0x200)
        #expect(MessageType.error.rawValue == 2)
        #expect(MessageType.done.rawValue == 3)
        #expect(MessageType.firstFamily.rawValue == 0x10)
    }

    // MARK: Loads

    @Test func loadsAnswerNilOutsideTheSpan() {
        let bytes: [UInt8] = [1, 2, 3, 4, 5]
        let span = bytes.rawSpan
        #expect(span.load(at: 1, as: UInt32.self) == UInt32(littleEndian: 0x0504_0302) || 1.bigEndian == 1)
        #expect(span.loadBigEndian(at: 1, as: UInt32.self) == 0x0203_0405)
        #expect(span.load(at: 2, as: UInt32.self) == nil)
        #expect(span.load(at: -1, as: UInt8.self) == nil)
        #expect(span.load(at: Int.max, as: UInt64.self) == nil)
        #expect(span.load(at: Int.min, as: UInt8.self) == nil)
        #expect(span.load(at: 0, as: UInt64.self) == nil)
        #expect(span.clamped(2..<100).copyBytes() == [3, 4, 5])
        #expect(span.clamped(100..<200).byteCount == 0)
        #expect(span.clamped(-5..<2).copyBytes() == [1, 2])
        #expect(span.clamped(from: 3).copyBytes() == [4, 5])
        #expect(span.clamped(from: 6).byteCount == 0)
        #expect(span.clamped(from: -1).byteCount == 5)
    }
}
