import Foundation
import Testing

@testable import OpenvSwitch

@Suite struct FlowLanguageDocumentTests {
    private let place = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "docs/flow-language.md")

    /// With `MARTLET_UPDATE_DOCUMENTS` the page is written anew.
    @Test func thePageIsWhatTheTablesSay() throws {
        let text = FlowLanguageDocument.text
        if ProcessInfo.processInfo.environment["MARTLET_UPDATE_DOCUMENTS"] != nil {
            try text.write(to: place, atomically: true, encoding: .utf8)
        }
        let page = try String(contentsOf: place, encoding: .utf8)
        #expect(page == text, "docs/flow-language.md is not up to date: run scripts/make-flow-language")
    }

    /// Every number of the header up to the newest that is known has a row.
    @Test func noAttributeIsLeftOut() {
        #expect(Set(KeyTable.rows.map(\.type)) == Set(1...KeyAttribute.maximum))
        #expect(Set(TunnelTable.rows.map(\.type)) == Set(0...TunnelKeyAttribute.ipv4InfoBridge))
        #expect(Set(NSHTable.rows.map(\.type)) == Set(1...NSHKeyAttribute.md2))
        for row in KeyTable.rows {
            #expect(!row.meaning.isEmpty && row.constant.hasPrefix("OVS_KEY_ATTR_"))
            // A field lies inside its payload, and no two overlap.
            var bytes = Set<Int>()
            for field in row.fields {
                for byte in field.offset..<field.offset + field.form.size { #expect(bytes.insert(byte).inserted) }
            }
            #expect(bytes.allSatisfy { $0 < row.size ?? 0 })
        }
    }
}
