import Netlink
import Testing

@Suite struct PolicyTests {
    /// What a policy with one rule for attribute 5 says of a payload.
    private func verdict(_ rule: PayloadRule, _ payload: [UInt8], _ strictness: Strictness) -> NetlinkError? {
        let policy = Policy([5: rule], strictness: strictness)
        let bytes = attribute(5, payload)
        return fault { () throws(NetlinkError) in
            _ = try policy.parse(Attributes(bytes.rawSpan, baseOffset: 24)).contains(5)
        }
    }

    private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    @Test(arguments: [(PayloadRule.u8, 1), (.u16, 2), (.u32, 4), (.u64, 8)])
    func integersMayBeLongerOnlyWhereLiberal(rule: PayloadRule, size: Int) {
        for strictness in [Strictness.liberal, .strict] {
            #expect(verdict(rule, zeros(size), strictness) == nil)
            #expect(verdict(rule, zeros(size - 1), strictness) == NetlinkError(.payloadTooShort, at: 24, attribute: 5))
        }
        #expect(verdict(rule, zeros(size + 1), .liberal) == nil)
        #expect(verdict(rule, zeros(size + 1), .strict) == NetlinkError(.payloadLengthMismatch, at: 24, attribute: 5))
    }

    @Test func aNumberMustNotExceedItsMaximum() {
        #expect(verdict(.u32AtMost(4096), host(UInt32(4096)), .liberal) == nil)
        #expect(
            verdict(.u32AtMost(4096), host(UInt32(4097)), .liberal)
                == NetlinkError(.valueOutOfRange, at: 24, attribute: 5))
        #expect(verdict(.u32AtMost(4096), zeros(3), .liberal)?.code == .payloadTooShort)
        #expect(verdict(.u32AtMost(4096), zeros(5), .strict)?.code == .payloadLengthMismatch)
    }

    @Test func aFlagHasNoPayload() {
        for strictness in [Strictness.liberal, .strict] {
            #expect(verdict(.flag, [], strictness) == nil)
            #expect(verdict(.flag, [0], strictness) == NetlinkError(.payloadTooLong, at: 24, attribute: 5))
        }
    }

    @Test func aNestIsEmptyOrHasAHeader() {
        #expect(verdict(.nested, [], .liberal) == nil)
        for count in 1..<4 {
            #expect(verdict(.nested, zeros(count), .liberal) == NetlinkError(.payloadTooShort, at: 24, attribute: 5))
        }
        #expect(verdict(.nested, zeros(4), .liberal) == nil)
    }

    @Test func lengthsHaveTheirLimits() {
        #expect(verdict(.exactly(12), zeros(12), .liberal) == nil)
        #expect(verdict(.exactly(12), zeros(11), .liberal)?.code == .payloadTooShort)
        #expect(verdict(.exactly(12), zeros(13), .liberal)?.code == .payloadLengthMismatch)
        #expect(verdict(.atLeast(14), zeros(13), .liberal)?.code == .payloadTooShort)
        #expect(verdict(.atLeast(14), zeros(14), .liberal) == nil)
        #expect(verdict(.between(2, 4), zeros(1), .liberal)?.code == .payloadTooShort)
        #expect(verdict(.between(2, 4), zeros(2), .liberal) == nil)
        #expect(verdict(.between(2, 4), zeros(4), .liberal) == nil)
        #expect(verdict(.between(2, 4), zeros(5), .liberal)?.code == .payloadTooLong)
        #expect(verdict(.any, zeros(0), .strict) == nil)
        #expect(verdict(.any, zeros(65531), .strict) == nil)
    }

    /// As `NLA_NUL_STRING`: the NUL must lie within the limit, and what follows it counts.
    @Test func stringsAreThoseOfTheInterface() {
        let a: UInt8 = 0x61
        #expect(verdict(.string(maximum: 3), [a, a, a, 0], .liberal) == nil)
        #expect(verdict(.string(maximum: 3), [a, 0], .liberal) == nil)
        #expect(verdict(.string(maximum: 3), [a, 0, 0, 0], .liberal) == nil)
        #expect(verdict(.string(maximum: 3), [a, 0, a], .liberal) == nil)
        let malformed = NetlinkError(.malformedString, at: 24, attribute: 5)
        for bad: [UInt8] in [[], [0], [a], [a, a, a], [a, a, a, a], [a, a, a, a, 0], [a, a, a, a, a, a]] {
            #expect(verdict(.string(maximum: 3), bad, .liberal) == malformed, "\(bad)")
        }
        let long = NetlinkError(.payloadTooLong, at: 24, attribute: 5)
        for bad: [UInt8] in [[a, a, 0, a, a], [a, 0, 0, 0, 0], [a, a, a, 0, a]] {
            #expect(verdict(.string(maximum: 3), bad, .liberal) == long, "\(bad)")
        }
        #expect(malformed.errno == 22)
        #expect(long.errno == 34)
    }

    // MARK: Runs

    @Test func liberalReadingIgnoresWhatItDoesNotKnow() throws {
        let policy = Policy([5: .u32, 6: .flag])
        let bytes =
            attribute(0, [1]) + attribute(5, host(UInt32(1))) + attribute(99, [2]) + attribute(16383, [])
            + attribute(5, host(UInt32(2))) + [1, 2, 3]
        let set = try policy.parse(Attributes(bytes.rawSpan, baseOffset: 24))
        #expect(set.integer(5, as: UInt32.self) == 2)  // of duplicates the last wins
        #expect(set.contains(6) == false)
        #expect(set.contains(0) == false)
        #expect(set.contains(99) == false)
        #expect(set.baseOffset == 24)
    }

    @Test(arguments: [[UInt8](), [1, 2], [3, 0, 5, 0], [255, 255, 5, 0, 1]]) func liberalReadingEndsAtALie(
        rest: [UInt8]
    ) throws {
        let policy = Policy([5: .u32])
        let bytes = attribute(5, host(UInt32(3))) + rest
        #expect(try policy.parse(Attributes(bytes.rawSpan)).integer(5, as: UInt32.self) == 3)
    }

    @Test func strictReadingRefusesEverythingElse() {
        let policy = Policy([5: .u32, 6: .flag], strictness: .strict)
        func error(_ bytes: [UInt8]) -> NetlinkError? {
            fault { () throws(NetlinkError) in
                _ = try policy.parse(Attributes(bytes.rawSpan, baseOffset: 24)).contains(5)
            }
        }
        let good = attribute(5, host(UInt32(1)))
        #expect(error(good) == nil)
        #expect(error(good + attribute(6, [])) == nil)
        #expect(error(good + attribute(7, [])) == NetlinkError(.unknownAttribute, at: 32, attribute: 7))
        #expect(error(attribute(0, [])) == NetlinkError(.unknownAttribute, at: 24, attribute: 0))
        #expect(error(attribute(64, [])) == NetlinkError(.unknownAttribute, at: 24, attribute: 64))
        #expect(error(attribute(16383, [])) == NetlinkError(.unknownAttribute, at: 24, attribute: 16383))
        #expect(error(good + good) == NetlinkError(.duplicateAttribute, at: 32, attribute: 5))
        #expect(error(good + [0]) == NetlinkError(.trailingBytes, at: 32))
        #expect(error(good + attribute(6, [], length: 3)) == NetlinkError(.lengthTooSmall, at: 32, attribute: 6))
        #expect(error(good + attribute(6, [], length: 8)) == NetlinkError(.truncated, at: 32, attribute: 6))
    }

    @Test func whatIsRequiredMustBeThere() {
        let policy = Policy([5: .u32, 6: .flag], required: [5, 6])
        func error(_ bytes: [UInt8]) -> NetlinkError? {
            fault { () throws(NetlinkError) in
                _ = try policy.parse(Attributes(bytes.rawSpan, baseOffset: 24)).contains(5)
            }
        }
        let number = attribute(5, host(UInt32(1)))
        #expect(error(number + attribute(6, [])) == nil)
        #expect(error(number) == NetlinkError(.missingAttribute, at: 24, attribute: 6))
        #expect(error([]) == NetlinkError(.missingAttribute, at: 24, attribute: 5))
    }

    @Test func aSetFindsItsAttributes() throws {
        let policy = Policy([1: .any, 2: .string(maximum: 10), 3: .nested, 63: .u16, 64: .u8])
        let bytes =
            attribute(1, [1, 2, 3]) + attribute(2, [0x61, 0x62, 0, 0x63]) + attribute(3 | 0x8000, attribute(9, [1]))
            + attribute(63, host(UInt16(500))) + attribute(64, [1])
        let set = try policy.parse(Attributes(bytes.rawSpan, baseOffset: 20))
        #expect(set.payload(1) == [1, 2, 3])
        #expect(set.payloadLength(1) == 3)
        #expect(set.string(2) == "ab")
        #expect(set[3]?.isMarkedNested == true)
        #expect(set[3]?.offset == 36)
        #expect(set.integer(63, as: UInt16.self) == 500)
        #expect(set.integer(1, as: UInt32.self) == nil)
        #expect(set.contains(64) == false)
        #expect(set[64]?.type == nil)
        #expect(set.payload(7) == nil)
        #expect(set.payloadLength(7) == 0)
        #expect(set.string(7) == nil)
    }

    @Test func errorNumbersAreThoseOfTheInterface() {
        let range: [NetlinkError.Code] = [.payloadTooShort, .payloadTooLong, .valueOutOfRange]
        let size: [NetlinkError.Code] = [.attributeTooLong, .noSpace]
        for raw in UInt8(0)... {
            guard let code = NetlinkError.Code(rawValue: raw) else { break }
            let expected: Int32 = range.contains(code) ? 34 : size.contains(code) ? 90 : 22
            #expect(NetlinkError(code).errno == expected)
            #expect(!code.explanation.isEmpty)
        }
        #expect(NetlinkError(.truncated, at: 24).description == "the bytes end too early at byte 24")
        #expect(NetlinkError(.payloadTooLong, at: 24, attribute: 3).description.hasSuffix("in attribute 3 at byte 24"))
    }
}
