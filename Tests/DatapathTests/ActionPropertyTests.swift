import Netlink
import OpenvSwitch
import Testing

@testable import Datapath

/// What holds for any list of actions.
@Suite struct ActionPropertyTests {
    private let key: FlowKey = {
        var key = FlowKey()
        key.kind = 1
        key.etherType = EtherType.ipv4
        key.ipProtocol = IPProtocol.tcp
        return key
    }()

    private func compile(_ bytes: [UInt8]) throws(RequestError) -> [Instruction] {
        try ActionCompiler.compile(Attributes(bytes.rawSpan, baseOffset: 100), for: key)
    }

    @Test func validListsAreTaken() {
        var source = RandomActions(SplitMix64(seed: 11))
        for round in 0..<5000 {
            let list = source.list()
            do throws(RequestError) { _ = try compile(list) } catch {
                Issue.record("round \(round): \(ActionText.actions(list.rawSpan, portName: nil)): \(error)")
                return
            }
        }
    }

    /// Valid lists with what is not carried out are refused for that reason alone.
    @Test func whatIsNotCarriedOutIsFoundValid() {
        var source = RandomActions(SplitMix64(seed: 12))
        source.makesRefused = true
        var refused = 0
        for round in 0..<3000 {
            let list = source.list()
            do throws(RequestError) { _ = try compile(list) } catch {
                refused += 1
                guard error.message.contains("not there yet") || error.errno == Errno.notSupported else {
                    Issue.record("round \(round): \(ActionText.actions(list.rawSpan, portName: nil)): \(error)")
                    return
                }
            }
        }
        #expect(refused > 500)
    }

    @Test func listsComeBackByteForByte() throws {
        var source = RandomActions(SplitMix64(seed: 13))
        source.makesRefused = true
        var (kept, all) = (0, 0)
        for round in 0..<5000 {
            let list = source.list()
            let actions = try [Action](Attributes(list.rawSpan))
            guard try actions.encoded() == list else {
                Issue.record("round \(round): \(actions)")
                return
            }
            all += actions.count
            kept += actions.count { if case .other = $0 { true } else { false } }
        }
        // Only a sample whose attributes stand in the other order has no case.
        #expect(kept > 0 && kept * 50 < all, "\(kept) of \(all)")
    }

    /// Any bytes are compiled or refused, with a place inside them; read or not, and given back if they are read.
    @Test func damagedListsAreRefused() {
        var source = RandomActions(SplitMix64(seed: 14))
        source.makesRefused = true
        var (taken, refused, unread) = (0, 0, 0)
        for _ in 0..<30_000 {
            var list = source.list()
            guard !list.isEmpty else { continue }
            for _ in 0...source.below(3) {
                let index = source.below(list.count)
                switch source.below(4) {
                case 0: list[index] = source.bytes(1)[0]
                case 1: list[index] ^= 1 << UInt8(source.below(8))
                case 2: list[index & ~3] = UInt8(source.below(40))
                default: list.removeLast(min(source.below(6), list.count - 1))
                }
            }
            do throws(RequestError) {
                _ = try compile(list)
                taken += 1
            } catch {
                refused += 1
                let errors = [Errno.invalid, Errno.range, Errno.overflow, Errno.notSupported]
                if !errors.contains(error.errno) || !error.message.hasPrefix("flow actions: ") {
                    Issue.record("\(error)")
                }
                if !(100...100 + list.count).contains(error.offset ?? 0) {
                    Issue.record("\(error): \(error.offset ?? 0)")
                }
            }
            do {
                let again = try [Action](Attributes(list.rawSpan)).encoded()
                // The padding between actions is not kept, nor one that is missing at the end.
                let twice = try [Action](Attributes(again.rawSpan)).encoded()
                if again != twice || again.count != netlinkAligned(list.count) { Issue.record("\(list)") }
            } catch { unread += 1 }
        }
        #expect(taken > 1000 && refused > 1000 && unread > 100, "\(taken) \(refused) \(unread)")
    }

    /// From text through Netlink and typed actions back to text.
    @Test func textComesBackAsItWas() throws {
        var source = RandomActions(SplitMix64(seed: 15))
        source.makesRefused = true
        var count = 0
        for round in 0..<3000 {
            let text = ActionText.actions(source.list().rawSpan, portName: nil)
            // An empty list behind other actions cannot be told from none, a range that is none has no text, and user data
            // are filled up as the tool does.
            if ["drop", "error", "userspace"].contains(where: { text.contains($0) }) { continue }
            count += 1
            do throws(FlowTextError) {
                let parsed = try ActionText.parseActions(text, portNumber: nil)
                guard let actions = try? [Action](Attributes(parsed.rawSpan)), let bytes = try? actions.encoded(),
                    bytes == parsed, ActionText.actions(bytes.rawSpan, portName: nil) == text
                else {
                    Issue.record("round \(round): \(text)\n\(ActionText.actions(parsed.rawSpan, portName: nil))")
                    return
                }
            } catch {
                Issue.record("round \(round): \(text): \(error)")
                return
            }
        }
        #expect(count > 500)
    }
}
