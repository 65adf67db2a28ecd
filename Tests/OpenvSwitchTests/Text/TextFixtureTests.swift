import OpenvSwitch
import Testing

/// Equality with what `ovs-dpctl` parsed and printed when the fixtures were made.
@Suite struct TextFixtureTests {
    @Test func `flows are parsed to the same bytes and printed as the same text`() throws {
        let rows = try fixture("flows.txt")
        #expect(rows.count >= 120)
        for row in rows {
            try #require(row.count == 5, "\(row)")
            let (text, key, mask) = (row[0], bytes(row[1]) ?? [], bytes(row[2]))
            #expect(printKey(key, mask, verbose: false) == row[3], "\(text)")
            #expect(printKey(key, mask, verbose: true, names: true) == row[4], "\(text)")
            do throws(FlowTextError) {
                let parsed = try FlowText.parseKey(text, portNumber: portNumber)
                // The tool never sends what only the user-space datapath knows.
                guard !text.contains("packet_type") else { continue }
                #expect(hex(parsed.key) == hex(key), "\(text)")
                #expect(hex(parsed.mask) == hex(mask ?? []), "\(text)")
            } catch {
                Issue.record("\(text): \(error)")
            }
        }
    }

    @Test func `action lists are parsed to the same bytes and printed as the same text`() throws {
        let rows = try fixture("actions.txt")
        #expect(rows.count >= 80)
        for row in rows {
            try #require(row.count == 4, "\(row)")
            let (text, actions) = (row[0], bytes(row[1]) ?? [])
            do throws(FlowTextError) {
                let parsed = try ActionText.parseActions(text, portNumber: portNumber)
                #expect(printActions(parsed) == row[2], "\(text)")
                #expect(printActions(parsed, names: true) == row[3], "\(text)")
                // The tool writes an action for `drop` whose number only user space knows; here it is the empty list.
                if text.lowercased() == "drop" {
                    #expect(parsed.isEmpty)
                } else {
                    #expect(hex(parsed) == hex(actions), "\(text)")
                }
            } catch {
                Issue.record("\(text): \(error)")
            }
        }
    }

    @Test func `keys that no text describes are printed as the same text`() throws {
        let rows = try fixture("raw-keys.txt")
        #expect(rows.count >= 200)
        for row in rows {
            try #require(row.count == 4, "\(row)")
            let (key, mask) = (bytes(row[0]) ?? [], bytes(row[1]))
            #expect(printKey(key, mask, verbose: false) == row[2], "\(row[0]) \(row[1])")
            #expect(printKey(key, mask, verbose: true, names: true) == row[3], "\(row[0]) \(row[1])")
        }
    }

    @Test func `actions that no text describes are printed as the same text`() throws {
        let rows = try fixture("raw-actions.txt")
        #expect(rows.count >= 120)
        for row in rows {
            try #require(row.count == 3, "\(row)")
            let actions = bytes(row[0]) ?? []
            #expect(printActions(actions) == row[1], "\(row[0])")
            #expect(printActions(actions, names: true) == row[2], "\(row[0])")
        }
    }

    @Test func `what the tool refuses is refused with a reason`() throws {
        let flows = try fixture("refused-flows.txt")
        let actions = try fixture("refused-actions.txt")
        #expect(flows.count >= 20 && actions.count >= 20)
        for row in flows {
            let error = #expect(throws: FlowTextError.self, "\(row)") {
                try FlowText.parseKey(row[0], portNumber: portNumber)
            }
            #expect(error.map { (0...row[0].utf8.count).contains($0.position) && !$0.message.isEmpty } ?? false)
        }
        for row in actions {
            let error = #expect(throws: FlowTextError.self, "\(row)") {
                try ActionText.parseActions(row[0], portNumber: portNumber)
            }
            #expect(error.map { (0...row[0].utf8.count).contains($0.position) && !$0.message.isEmpty } ?? false)
        }
    }
}
