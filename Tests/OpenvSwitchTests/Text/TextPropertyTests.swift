import OpenvSwitch
import Testing

@Suite struct TextPropertyTests {
    @Test func `a random key printed with -m is parsed to the same bytes`() {
        var source = RandomAttributes(seed: 1)
        for round in 0..<20_000 {
            let pair = source.key()
            let text = printKey(pair.key, pair.mask, verbose: true)
            do throws(FlowTextError) {
                let parsed = try FlowText.parseKey(text, portNumber: nil)
                guard parsed.key == pair.key, parsed.mask == pair.mask else {
                    Issue.record(
                        """
                        round \(round): \(text)
                        \(hex(pair.key)) \(hex(pair.mask))
                        \(hex(parsed.key)) \(hex(parsed.mask))
                        """)
                    return
                }
            } catch {
                Issue.record("round \(round): \(text): \(error)")
                return
            }
        }
    }

    @Test func `a random action list is parsed to the same bytes`() {
        var source = RandomAttributes(seed: 2)
        for round in 0..<20_000 {
            let actions = source.actions()
            let text = printActions(actions)
            do throws(FlowTextError) {
                let parsed = try ActionText.parseActions(text, portNumber: nil)
                guard parsed == actions else {
                    Issue.record("round \(round): \(text)\n\(hex(actions))\n\(hex(parsed))")
                    return
                }
            } catch {
                Issue.record("round \(round): \(text): \(error)")
                return
            }
        }
    }

    @Test func `no bytes trap the printers`() {
        var source = RandomAttributes(seed: 3)
        var length = 0
        for round in 0..<100_000 {
            var key: [UInt8]
            var mask: [UInt8]
            var actions: [UInt8]
            if round % 2 == 0 {
                key = noise(upTo: 64, &source.random)
                mask = key.reversed()
                actions = key
                // A plausible length lets the walk get past the first header.
                if key.count >= 4 {
                    let length = RandomAttributes.host(UInt64(key.count), 2)
                    key.replaceSubrange(0..<4, with: length + RandomAttributes.host(source.number(5), 2))
                    actions.replaceSubrange(0..<4, with: length + RandomAttributes.host(source.number(5), 2))
                }
            } else {
                (key, mask) = source.key()
                actions = source.actions()
                damage(&key, &source.random)
                damage(&mask, &source.random)
                damage(&actions, &source.random)
            }
            length += printKey(key, round % 3 == 0 ? nil : mask, verbose: round % 4 < 2).utf8.count
            length += printActions(actions).utf8.count
        }
        #expect(length > 100_000)
    }

    @Test func `no text traps the parsers, and what they take they print`() throws {
        let seeds = try (fixture("flows.txt") + fixture("actions.txt")).map { Array($0[0].utf8) }
        let alphabet = Array("0123456789abcdefx,()/=+-|: .%{}\0\u{e9}".utf8)
        var random = SplitMix64(state: 4)
        var taken = 0
        for round in 0..<100_000 {
            var text: [UInt8]
            if round % 10 == 0 {
                text = noise(upTo: 40, &random)
            } else {
                text = seeds.randomElement(using: &random) ?? []
                for _ in 0..<Int.random(in: 0...3, using: &random) {
                    let index = Int.random(in: 0...text.count, using: &random)
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: text.insert(alphabet.randomElement(using: &random) ?? 0, at: index)
                    case 1: text.removeSubrange(index..<min(text.count, index + 3))
                    case 2: if index < text.count { text[index] = alphabet.randomElement(using: &random) ?? 0 }
                    default: text.insert(contentsOf: (seeds.randomElement(using: &random) ?? []).prefix(9), at: index)
                    }
                }
            }
            let string = String(decoding: text, as: UTF8.self)
            do throws(FlowTextError) {
                let parsed = try FlowText.parseKey(string, portNumber: portNumber)
                taken += 1
                _ = printKey(parsed.key, parsed.mask, verbose: true)
            } catch {
                if !(0...string.utf8.count).contains(error.position) { Issue.record("\(string): \(error)") }
            }
            do throws(FlowTextError) {
                let actions = try ActionText.parseActions(string, portNumber: portNumber)
                taken += 1
                let printed = printActions(actions)
                let again = try ActionText.parseActions(printed, portNumber: nil)
                // Once printed, a list is stable: a tenth of a percent and the padding of cookies are lost only once.
                if printActions(again) != printed { Issue.record("\(string): \(printed)") }
            } catch {
                if !(0...string.utf8.count).contains(error.position) { Issue.record("\(string): \(error)") }
            }
        }
        #expect(taken > 5_000)
    }

    private func noise(upTo count: Int, _ random: inout SplitMix64) -> [UInt8] {
        (0..<Int.random(in: 0...count, using: &random)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    private func damage(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
        guard !bytes.isEmpty else { return }
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let index = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[index] = UInt8(truncatingIfNeeded: random.next())
            case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: bytes[index & ~3] = UInt8.random(in: 0...40, using: &random)
            default: bytes.removeLast(min(bytes.count - 1, Int.random(in: 0...5, using: &random)))
            }
        }
    }
}
