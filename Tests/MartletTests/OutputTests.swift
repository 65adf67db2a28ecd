import Foundation
import NetlinkSocket
import OpenvSwitch
import Testing

@testable import martlet

@Suite struct OutputTests {
    @Test func writesJSON() throws {
        let json = JSON.object([
            "b": .array([.null, .bool(true), .number(UInt64.max), .seconds(milliseconds: 61_007)]),
            "a": "x\"\\\n\u{1}é", "c": .object([:]), "d": .array([]),
        ])
        let text = #"{"a":"x\"\\\n\u0001é","b":[null,true,18446744073709551615,61.007],"c":{},"d":[]}"#
        #expect(json.text == text)
        #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(json.text.utf8)) }
    }

    @Test func writesEveryCharacter() throws {
        let string = String(String.UnicodeScalarView((0..<0x300).compactMap(Unicode.Scalar.init)))
        let text = JSON.array([.string(string)]).text
        let read = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String])
        #expect(read == [string])
        #expect(text.utf8.allSatisfy { $0 >= 0x20 })
    }

    @Test(
        arguments: [
            (0, ""), (1023, ""), (1024, " (1.0 KiB)"), (1536, " (1.5 KiB)"), (1_048_575, " (1024.0 KiB)"),
            (5 << 20, " (5.0 MiB)"), (3 << 30, " (3.0 GiB)"), (7 << 40, " (7.0 TiB)"),
            (UInt64.max, " (16777216.0 TiB)"),
        ] as [(UInt64, String)])
    func writesSizesForPeople(size: UInt64, text: String) { #expect(NumberText.humanSize(size) == text) }

    @Test func writesDecimals() {
        #expect(NumberText.fixed(4.0 / 3, decimals: 2) == "1.33")
        #expect(NumberText.fixed(0, decimals: 2) == "0.00")
        #expect(NumberText.fixed(0.125, decimals: 2) == "0.12")  // to even, as C does
        #expect(NumberText.fixed(.greatestFiniteMagnitude, decimals: 20).count == 309 + 21)
        #expect(NumberText.mac(0x0a00_0000_00ff) == "0a:00:00:00:00:ff")
    }

    @Test func saysWhyACommandFailed() {
        #expect(CommandError("a").description == "a")
        #expect(CommandError("a", reason: "b").description == "a (b)")
        #expect(CommandError("a", reason: "b", advice: "c").description == "a (b): c")
        #expect(CommandError("a", .refused(.init(19, "No such device"))).description == "a (No such device)")
        let refused = CommandError("a", .refused(.init(19, "there is no x")))
        #expect(refused.description == "a (No such device): there is no x")
        #expect(CommandError("a", .lost(3)).description.hasPrefix("a: 3 messages were lost"))
    }
}
