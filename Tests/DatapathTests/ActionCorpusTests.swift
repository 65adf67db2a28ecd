import Netlink
import OpenvSwitch
import Testing

@testable import Datapath

/// What is taken and what is refused, with which number, sentence and place.
@Suite struct ActionCorpusTests {
    static let corpus = [
        ActionCase.actions, ActionCase.inside, ActionCase.sets, ActionCase.neverSet, ActionCase.connections,
    ].flatMap { $0 }

    @Test(arguments: corpus) func aListIsTakenOrRefused(_ row: ActionCase) throws {
        let flow = try FlowText.parseKey(row.key, portNumber: nil)
        let match = try FlowMatch(key: Attributes(flow.key.rawSpan), mask: Attributes(flow.mask.rawSpan))
        var outcome = ActionCase.Outcome.taken
        do throws(RequestError) {
            _ = try ActionCompiler.compile(Attributes(row.actions.rawSpan), for: match.maskedKey)
        } catch {
            outcome = .refused(error.errno, error.message, error.offset ?? -1)
        }
        switch (row.outcome, outcome) {
        case (.taken, .taken): break
        case (.refused(let errno, let sentence, let place), .refused(let found, let message, let offset)):
            #expect(message == "flow actions: " + sentence)
            #expect(found == errno)
            #expect(offset == place)
        default: Issue.record("\(outcome)")
        }
    }

    /// The place is in the request, wherever the list stands in it.
    @Test func placesCountFromTheRequest() throws {
        let list = try ActionText.parseActions("1,clone(2,trunc(3))", portNumber: nil)
        do throws(RequestError) {
            _ = try ActionCompiler.compile(Attributes(list.rawSpan, baseOffset: 100), for: FlowKey())
            Issue.record("taken")
        } catch { #expect(error.offset == 120) }
    }

    /// Every action of the interface has a row in the table, and the corpus is about each.
    @Test func noActionIsLeftOut() {
        #expect(ActionTable.rows.map(\.type) == Array(1...ActionAttribute.maximum))
        for row in ActionTable.rows {
            let isThere = Self.corpus.contains { entry in
                var attributes = Attributes(entry.actions.rawSpan)
                while let action = try? attributes.next() { if action.type == row.type { return true } }
                return false
            }
            #expect(isThere, "\(row.constant)")
        }
    }
}
