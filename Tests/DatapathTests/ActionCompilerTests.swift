import Netlink
import OpenvSwitch
import Testing

@testable import Datapath

/// What lists of actions become. What is taken and what is refused is in the corpus (`ActionCorpusTests`).
@Suite struct ActionCompilerTests {
    private func compile(_ actions: [Action], for key: FlowKey) throws -> [Instruction] {
        let bytes = try actions.encoded()
        return try ActionCompiler.compile(Attributes(bytes.rawSpan), for: key)
    }

    private var ethernet: FlowKey {
        var key = FlowKey()
        key.kind = 1
        key.etherType = 0x1234
        return key
    }

    @Test func anEmptyListDrops() throws { #expect(try compile([], for: ethernet).isEmpty) }

    @Test func userdataIsFoundInTheProgramsBytes() throws {
        let action = Action.userspace(UserspaceAction(portID: 5, userdata: [9, 8, 7]))
        let bytes = try [Action.output(1), action].encoded()
        // Offsets count from the list's own start, wherever it lies in a message.
        let instructions = try ActionCompiler.compile(Attributes(bytes.rawSpan, baseOffset: 100), for: ethernet)
        guard case .userspace(let step) = instructions[1] else {
            Issue.record("\(instructions[1])")
            return
        }
        #expect(Array(bytes[step.userdataStart..<(step.userdataStart + step.userdataCount)]) == [9, 8, 7])
    }

    @Test func connectionFieldsAreClearedAndNotSet() throws {
        let steps = try compile([.ctClear, .set(.ctMark(5)), .setMasked(.ctMark(1), mask: .ctMark(1))], for: ethernet)
        guard case .clearConnection = steps[0], case .fail = steps[1], case .fail = steps[2] else {
            Issue.record("\(steps)")
            return
        }
    }
}
