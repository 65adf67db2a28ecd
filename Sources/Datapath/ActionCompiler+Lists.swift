import Netlink
import OpenvSwitch

// Actions that have lists of their own. A nested list is compiled behind its action, which holds how many instructions
// it came to.

extension ActionCompiler {
    /// `OVS_ACTION_ATTR_SAMPLE`: its attributes may stand in any order.
    mutating func sample(_ action: Attribute, _ current: Current, depth: Int) throws(RequestError) {
        var probability: UInt32?
        var actions: Attribute?
        var run = action.nested
        while let attribute = try run.nextOrInvalid() {
            switch attribute.type {
            case SampleAttribute.probability where probability == nil:
                guard attribute.payload.byteCount == 4, let value: UInt32 = attribute.payload.load(at: 0) else {
                    throw fail("sample: the probability must be 4 bytes", attribute)
                }
                probability = value
            case SampleAttribute.actions where actions == nil: actions = attribute
            case SampleAttribute.probability, SampleAttribute.actions:
                throw fail("sample: an attribute stands there twice", attribute)
            default: throw fail("sample: the attribute is not known", attribute)
            }
        }
        guard let probability else { throw fail("sample: there is no probability", action) }
        guard let actions else { throw fail("sample: there are no actions", action) }
        let place = instructions.count
        instructions.append(.sample(probability: probability, count: 0))
        let count = try nested(actions.nested, current, depth)
        instructions[place] = .sample(probability: probability, count: count)
    }

    /// `OVS_ACTION_ATTR_CLONE`: its payload is the list.
    mutating func clone(_ action: Attribute, _ current: Current, depth: Int) throws(RequestError) {
        let place = instructions.count
        instructions.append(.clone(count: 0))
        let count = try nested(action.nested, current, depth)
        instructions[place] = .clone(count: count)
    }

    /// `OVS_ACTION_ATTR_CHECK_PKT_LEN`: of duplicates the last counts, as in the kernel.
    mutating func checkPacketLength(_ action: Attribute, _ current: Current, depth: Int) throws(RequestError) {
        var length: UInt16 = 0
        var greater: Attribute?
        var lessEqual: Attribute?
        var run = action.nested
        while let attribute = try run.nextOrInvalid() {
            switch attribute.type {
            case CheckPacketLengthAttribute.packetLength:
                guard let value: UInt16 = attribute.payload.load(at: 0) else {
                    throw RequestError(
                        Errno.range, "flow actions: check_pkt_len: the length must be 2 bytes",
                        offset: attribute.offset)
                }
                length = value
            case CheckPacketLengthAttribute.ifGreater: greater = attribute
            case CheckPacketLengthAttribute.ifLessEqual: lessEqual = attribute
            default: throw fail("check_pkt_len: the attribute is not known", attribute)
            }
        }
        guard length != 0 else { throw fail("check_pkt_len: a length other than 0 is needed", action) }
        guard let greater else { throw fail("check_pkt_len: there are no actions for longer packets", action) }
        guard let lessEqual else { throw fail("check_pkt_len: there are no actions for shorter packets", action) }
        let place = instructions.count
        instructions.append(.checkPacketLength(length, greater: 0, lessEqual: 0))
        let greaterCount = try nested(greater.nested, current, depth)
        let lessEqualCount = try nested(lessEqual.nested, current, depth)
        instructions[place] = .checkPacketLength(length, greater: greaterCount, lessEqual: lessEqualCount)
    }

    /// `OVS_ACTION_ATTR_DEC_TTL`: attributes with higher numbers are ignored, as in the kernel.
    mutating func decrementTTL(_ action: Attribute, _ current: Current, depth: Int) throws(RequestError) {
        var actions: Attribute?
        var run = action.nested
        while let attribute = try run.nextOrInvalid() {
            guard attribute.type <= DecrementTTLAttribute.action else { continue }
            guard attribute.type == DecrementTTLAttribute.action, actions == nil else {
                throw fail("dec_ttl: the attribute stands there twice, or is none", attribute)
            }
            actions = attribute
        }
        guard let actions else { throw fail("dec_ttl: there are no actions for an expired TTL", action) }
        let place = instructions.count
        instructions.append(.decrementTTL(count: 0))
        let count = try nested(actions.nested, current, depth)
        instructions[place] = .decrementTTL(count: count)
    }

    /// Compiles a nested list.
    /// - Returns: how many instructions it came to.
    private mutating func nested(
        _ attributes: Attributes, _ current: Current, _ depth: Int
    ) throws(RequestError) -> Int {
        let start = instructions.count
        try list(attributes, current, depth: depth + 1)
        return instructions.count - start
    }
}
