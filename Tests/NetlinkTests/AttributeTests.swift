import Netlink
import Testing

@Suite struct AttributeTests {
    /// Type and payload of every attribute in a run.
    private func read(_ bytes: [UInt8]) throws -> [(UInt16, [UInt8])] {
        var result: [(UInt16, [UInt8])] = []
        var run = Attributes(bytes.rawSpan)
        while let attribute = try run.next() { result.append((attribute.type, attribute.payload.copyBytes())) }
        return result
    }

    @Test func attributesAreReadInOrderWithTheirOffsets() throws {
        let bytes = attribute(1, [9]) + attribute(2, []) + attribute(3, [1, 2, 3, 4, 5])
        var run = Attributes(bytes.rawSpan, baseOffset: 24)
        var offsets: [Int] = []
        var types: [UInt16] = []
        while let attribute = try run.next() {
            offsets.append(attribute.offset)
            types.append(attribute.type)
        }
        #expect(types == [1, 2, 3])
        #expect(offsets == [24, 32, 36])
        #expect(try read(bytes).map(\.1) == [[9], [], [1, 2, 3, 4, 5]])
    }

    @Test(arguments: 1..<4) func paddingBehindTheLastAttributeMayBeMissing(count: Int) throws {
        let payload = [UInt8](repeating: 7, count: count)
        let result = try read(attribute(1, [1, 2, 3, 4]) + attribute(5, payload, padded: false))
        #expect(result.count == 2)
        #expect(result.last?.1 == payload)
    }

    @Test func theFlagBitsAreNoPartOfTheType() throws {
        let bytes =
            attribute(5 | 0x8000, []) + attribute(6 | 0x4000, []) + attribute(0x3fff | 0xc000, []) + attribute(7, [])
        var run = Attributes(bytes.rawSpan)
        var seen: [(UInt16, Bool, Bool)] = []
        while let attribute = try run.next() {
            seen.append((attribute.type, attribute.isMarkedNested, attribute.isMarkedNetworkByteOrder))
        }
        #expect(seen.map(\.0) == [5, 6, 0x3fff, 7])
        #expect(seen.map(\.1) == [true, false, true, false])
        #expect(seen.map(\.2) == [false, true, true, false])
    }

    @Test func nestedAttributesKeepCountingFromTheMessage() throws {
        let inner = attribute(3, host(UInt32(1))) + attribute(4, attribute(9, [8]))
        let bytes = attribute(1, []) + attribute(2, inner)
        var run = Attributes(bytes.rawSpan, baseOffset: 100)
        _ = try run.next()?.type
        let outer = try #require(try run.next()?.offset)
        #expect(outer == 104)
        var again = Attributes(bytes.rawSpan, baseOffset: 100)
        _ = try again.next()?.type
        guard let nest = try again.next() else {
            Issue.record("the nest is gone")
            return
        }
        var nested = nest.nested
        #expect(try nested.next()?.offset == 108)
        guard let second = try nested.next() else {
            Issue.record("the second attribute is gone")
            return
        }
        #expect(second.offset == 116)
        var innermost = second.nested
        #expect(try innermost.next()?.offset == 120)
        #expect(try innermost.next()?.offset == nil)
    }

    @Test(arguments: 1..<4) func fewerBytesThanAHeaderAreTrailing(count: Int) {
        let bytes = attribute(1, [1, 2, 3, 4]) + [UInt8](repeating: 0, count: count)
        let error = fault { () throws(NetlinkError) in
            var run = Attributes(bytes.rawSpan, baseOffset: 24)
            while try run.next()?.type != nil {}
        }
        #expect(error == NetlinkError(.trailingBytes, at: 32))
    }

    @Test(arguments: [UInt16(0), 1, 3]) func aLengthBelowTheHeaderIsRefused(length: UInt16) {
        let bytes = attribute(1, []) + attribute(12, [1, 2, 3, 4], length: length)
        let error = fault { () throws(NetlinkError) in
            var run = Attributes(bytes.rawSpan)
            while try run.next()?.type != nil {}
        }
        #expect(error == NetlinkError(.lengthTooSmall, at: 4, attribute: 12))
    }

    @Test(arguments: [UInt16(9), 12, 0x7fff, .max]) func aLengthBehindTheEndIsTruncated(length: UInt16) {
        let bytes = attribute(1, []) + attribute(0x8000 | 12, [1, 2, 3, 4], length: length)
        let error = fault { () throws(NetlinkError) in
            var run = Attributes(bytes.rawSpan)
            while try run.next()?.type != nil {}
        }
        #expect(error == NetlinkError(.truncated, at: 4, attribute: 12))
    }

    @Test func afterAnErrorTheRunHasEnded() throws {
        let bytes = attribute(12, [1, 2, 3, 4], length: 3) + attribute(13, [])
        var run = Attributes(bytes.rawSpan)
        var thrown = false
        do { _ = try run.next()?.type } catch { thrown = true }
        #expect(thrown)
        #expect(try run.next()?.type == nil)
    }

    // MARK: Values

    /// Reads the only attribute of a run.
    private func only<T>(_ payload: [UInt8], _ body: (borrowing Attribute) throws(NetlinkError) -> T)
        throws(NetlinkError) -> T
    {
        let bytes = attribute(5, payload, padded: false)
        var run = Attributes(bytes.rawSpan, baseOffset: 24)
        guard let attribute = try run.next() else { throw NetlinkError(.missingAttribute) }
        return try body(attribute)
    }

    @Test func integersNeedTheirExactLength() throws {
        let payload = host(UInt32(0x0102_0304))
        #expect(try only(payload) { a throws(NetlinkError) in try a.integer(UInt32.self) } == 0x0102_0304)
        #expect(
            try only([1, 2, 3, 4]) { a throws(NetlinkError) in try a.bigEndianInteger(UInt32.self) } == 0x0102_0304)
        #expect(try only([0xff]) { a throws(NetlinkError) in try a.integer(Int8.self) } == -1)
        #expect(try only([1, 2]) { a throws(NetlinkError) in try a.bigEndianInteger(UInt16.self) } == 0x0102)
        for count in 0..<4 {
            let short = [UInt8](repeating: 0, count: count)
            #expect(
                fault { () throws(NetlinkError) in
                    _ = try only(short) { a throws(NetlinkError) in try a.integer(UInt32.self) }
                }
                    == NetlinkError(.payloadTooShort, at: 24, attribute: 5))
        }
        let long = [UInt8](repeating: 0, count: 5)
        #expect(
            fault { () throws(NetlinkError) in
                _ = try only(long) { a throws(NetlinkError) in try a.integer(UInt32.self) }
            }
                == NetlinkError(.payloadTooLong, at: 24, attribute: 5))
    }

    @Test func stringsEndWithTheirOnlyNUL() throws {
        #expect(try only([0x65, 0x74, 0x68, 0]) { a throws(NetlinkError) in try a.string() } == "eth")
        #expect(try only([0xff, 0]) { a throws(NetlinkError) in try a.string() } == "\u{fffd}")
        for bad: [UInt8] in [[], [0], [0x65], [0x65, 0, 0x66, 0], [0x65, 0, 0]] {
            #expect(
                fault { () throws(NetlinkError) in _ = try only(bad) { a throws(NetlinkError) in try a.string() } }
                    == NetlinkError(.malformedString, at: 24, attribute: 5))
        }
    }

    @Test func arraysAreWholeIntegers() throws {
        #expect(
            try only(host(UInt32(1)) + host(UInt32.max)) { a throws(NetlinkError) in try a.integers() } == [1, .max])
        for count in [0, 1, 3, 5, 6, 7] {
            let bad = [UInt8](repeating: 0, count: count)
            #expect(
                fault { () throws(NetlinkError) in _ = try only(bad) { a throws(NetlinkError) in try a.integers() } }
                    == NetlinkError(.payloadLengthMismatch, at: 24, attribute: 5))
        }
    }
}
