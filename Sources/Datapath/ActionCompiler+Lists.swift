import Netlink
import OpenvSwitch

// Actions that have lists of their own. A nested list is compiled behind its action, which holds how many instructions
// it came to.

extension ActionCompiler {
    /// `OVS_ACTION_ATTR_SAMPLE`: its attributes may stand in any order.
    mutating func sample(_ action: Attribute, _ current: Current, depth: Int) throws(RequestError) {
        let inside = try ActionTable.sample.read(action, in: ActionTable.name(action.type))
        let probability: UInt32 = inside.integer(SampleAttribute.probability) ?? 0
        let place = instructions.count
        instructions.append(.sample(probability: probability, count: 0))
        let count = try nested(inside[SampleAttribute.actions], current, depth)
        instructions[place] = .sample(probability: probability, count: count)
    }

    /// `OVS_ACTION_ATTR_CLONE`: its payload is the list.
    mutating func clone(_ action: Attribute, _ current: Current, depth: Int) throws(RequestError) {
        let place = instructions.count
        instructions.append(.clone(count: 0))
        let count = try nested(action, current, depth)
        instructions[place] = .clone(count: count)
    }

    /// `OVS_ACTION_ATTR_CHECK_PKT_LEN`.
    mutating func checkPacketLength(_ action: Attribute, _ current: Current, depth: Int) throws(RequestError) {
        let nest = ActionTable.checkPacketLength
        let inside = try nest.read(action, in: ActionTable.name(action.type))
        let length: UInt16 = inside.integer(CheckPacketLengthAttribute.packetLength) ?? 0
        if length == 0, let attribute = inside[CheckPacketLengthAttribute.packetLength] {
            throw nest.fault("the length must not be 0", attribute, in: ActionTable.name(action.type))
        }
        let place = instructions.count
        instructions.append(.checkPacketLength(length, greater: 0, lessEqual: 0))
        let greater = try nested(inside[CheckPacketLengthAttribute.ifGreater], current, depth)
        let lessEqual = try nested(inside[CheckPacketLengthAttribute.ifLessEqual], current, depth)
        instructions[place] = .checkPacketLength(length, greater: greater, lessEqual: lessEqual)
    }

    /// `OVS_ACTION_ATTR_DEC_TTL`.
    mutating func decrementTTL(_ action: Attribute, _ current: Current, depth: Int) throws(RequestError) {
        let inside = try ActionTable.decrementTTL.read(action, in: ActionTable.name(action.type))
        let place = instructions.count
        instructions.append(.decrementTTL(count: 0))
        let count = try nested(inside[DecrementTTLAttribute.action], current, depth)
        instructions[place] = .decrementTTL(count: count)
    }

    /// Compiles the list in an attribute.
    /// - Returns: how many instructions it came to.
    private mutating func nested(
        _ attribute: consuming Attribute?, _ current: Current, _ depth: Int
    ) throws(RequestError) -> Int {
        guard let attribute else { return 0 }
        let start = instructions.count
        try list(attribute.nested, current, depth: depth + 1)
        return instructions.count - start
    }
}
