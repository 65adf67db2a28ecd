import Netlink
import Testing

@Suite struct ErrorMessageTests {
    /// A request of 36 bytes.
    private let request =
        header(length: 34, type: 18, flags: 5, sequence: 7, portID: 9)
        + [UInt8](repeating: 3, count: 18)

    private func write(_ error: ErrorMessage, limit: Int = 4096) throws(NetlinkError) -> [UInt8] {
        var writer = MessageWriter(limit: limit)
        try error.write(answering: request.rawSpan, to: &writer)
        return writer.bytes
    }

    private func error(_ number: Int32, _ message: String? = nil, _ offset: UInt32? = nil) throws -> ErrorMessage {
        let header = MessageHeader(request.rawSpan)
        return ErrorMessage(error: number, request: try #require(header), message: message, offset: offset)
    }

    @Test func anAcknowledgementIsCapped() throws {
        let bytes = try write(error(0))
        #expect(bytes == header(length: 36, type: 2, flags: 0x100) + host(Int32(0)) + Array(request.prefix(16)))
        #expect(bytes.count == ErrorMessage.cappedSize)
        #expect(try ErrorMessage(Message(bytes.rawSpan)) == error(0))
    }

    @Test func anErrorCarriesTheWholeRequest() throws {
        let bytes = try write(error(-22))
        let whole = Array(request.prefix(34)) + [0, 0]
        #expect(bytes.count == 16 + 4 + 36)
        #expect(bytes.prefix(20) == (header(length: 56, type: 2, flags: 0) + host(Int32(-22)))[...])
        #expect(Array(bytes.dropFirst(20).prefix(16)) == Array(whole.prefix(16)))
        #expect(try ErrorMessage(Message(bytes.rawSpan)) == error(-22))
    }

    @Test func theExtendedAckStandsBehindTheAlignedRequest() throws {
        let error = try error(-34, "out of range", 24)
        let bytes = try write(error)
        let message = try Message(bytes.rawSpan)
        #expect(message.header.flags == .ackAttributes)
        var attributes = try message.attributes(at: 56)
        #expect(try attributes.next()?.string() == "out of range")
        #expect(try attributes.next()?.integer(UInt32.self) == 24)
        #expect(try attributes.next()?.type == nil)
        #expect(try ErrorMessage(Message(bytes.rawSpan)) == error)
    }

    /// Whole with attributes, then capped with them, then capped without.
    @Test func whatDoesNotFitIsLeftOut() throws {
        let error = try error(-34, "out of range", 24)
        let whole = try write(error).count
        let capped = ErrorMessage.cappedSize + 20 + 8
        #expect(whole == capped + 20)
        for limit in 0..<(whole + 8) {
            var writer = MessageWriter(limit: limit)
            do throws(NetlinkError) {
                try error.write(answering: request.rawSpan, to: &writer)
                let bytes = writer.bytes
                #expect(bytes.count == (limit >= whole ? whole : limit >= capped ? capped : ErrorMessage.cappedSize))
                let again = try ErrorMessage(Message(bytes.rawSpan))
                #expect(again.error == -34)
                #expect(again.request == error.request)
                #expect(again.message == (limit >= capped ? "out of range" : nil))
                #expect(again.offset == (limit >= capped ? 24 : nil))
            } catch {
                #expect(limit < ErrorMessage.cappedSize)
                #expect(error.code == .noSpace)
                #expect(writer.count == 0)
            }
        }
    }

    @Test func aRequestTooLongForAnythingIsCapped() throws {
        let error = try error(-22, String(repeating: "x", count: 70_000))
        let bytes = try write(error, limit: 200_000)
        #expect(bytes.count == ErrorMessage.cappedSize)
    }

    @Test func theFormIsTheOneThatIsAskedFor() throws {
        let request = header(length: 22, type: 18, flags: 5) + [1, 2, 3, 4, 5, 6]
        let message = try Message(request.rawSpan)
        let error = ErrorMessage(error: -22, request: message.header, message: "no", offset: 16)
        for (capped, attributes) in [(false, false), (false, true), (true, false), (true, true)] {
            var writer = MessageWriter()
            try error.write(
                answering: request.rawSpan, capped: capped, attributes: attributes, portID: 99, to: &writer)
            let copy = Array(request[..<16]) + (capped ? [] : [1, 2, 3, 4, 5, 6, 0, 0])
            let body =
                host(Int32(-22)) + copy
                + (attributes ? attribute(1, [0x6e, 0x6f, 0]) + attribute(2, host(UInt32(16))) : [])
            let flags: UInt16 = (capped ? 0x100 : 0) | (attributes ? 0x200 : 0)
            let outer = host(UInt32(16 + body.count)) + host(UInt16(2)) + host(flags) + host(error.request.sequence)
            #expect(writer.bytes == outer + host(UInt32(99)) + body)
        }
    }

    // MARK: Reading

    private func fails(_ bytes: [UInt8]) -> NetlinkError? {
        fault { () throws(NetlinkError) in _ = try ErrorMessage(Message(bytes.rawSpan)) }
    }

    @Test func otherMessagesAreNoErrors() {
        #expect(
            fails(header(length: 36, type: 18) + [UInt8](repeating: 0, count: 20)) == NetlinkError(.invalidValue, at: 4)
        )
    }

    @Test(arguments: 16..<36) func anErrorMessageNeedsTheRequestsHeader(length: Int) {
        let bytes = header(length: UInt32(length), type: 2, flags: 0) + [UInt8](repeating: 0, count: length - 16)
        #expect(fails(bytes) == NetlinkError(.truncated, at: 16))
    }

    @Test(arguments: [UInt32(0), 15, 500, .max]) func aRequestLengthThatLiesIsRefused(length: UInt32) {
        let bytes =
            header(length: 44, type: 2, flags: 0x200) + host(Int32(-1)) + header(length: length)
            + attribute(2, host(UInt32(1)))
        #expect(fails(bytes) == NetlinkError(.truncated, at: 20))
    }

    @Test func aCappedMessageDoesNotLookAtTheRequestsLength() throws {
        let bytes =
            header(length: 44, type: 2, flags: 0x300) + host(Int32(-1)) + header(length: .max)
            + attribute(2, host(UInt32(7)))
        #expect(try ErrorMessage(Message(bytes.rawSpan)).offset == 7)
    }

    @Test func malformedAttributesAreErrors() {
        func capped(_ attributes: [UInt8]) -> [UInt8] {
            header(length: UInt32(36 + attributes.count), type: 2, flags: 0x300) + host(Int32(-1)) + header(length: 16)
                + attributes
        }
        #expect(fails(capped(attribute(1, [0x61, 0]))) == nil)
        #expect(fails(capped(attribute(1, [0x61]))) == NetlinkError(.malformedString, at: 36, attribute: 1))
        #expect(fails(capped(attribute(2, [1]))) == NetlinkError(.payloadTooShort, at: 36, attribute: 2))
        #expect(fails(capped([1, 2])) == NetlinkError(.trailingBytes, at: 36))
        #expect(fails(capped(attribute(3, [1]) + attribute(99, []))) == nil)
    }

    // MARK: Done

    @Test func theEndOfADumpCarriesAnError() throws {
        var writer = MessageWriter()
        try writer.appendDone(sequence: 7, portID: 9, flags: .dumpInterrupted, error: -19)
        #expect(writer.bytes == header(length: 20, type: 3, flags: 0x12) + host(Int32(-19)))
        #expect(writer.count == MessageWriter.doneSize)
        var small = MessageWriter(limit: 19)
        #expect(fault { () throws(NetlinkError) in try small.appendDone(sequence: 7, portID: 9) }?.code == .noSpace)
        #expect(small.count == 0)
    }
}
