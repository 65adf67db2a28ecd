import OpenvSwitch

/// Makes random keys and actions of the kind that the text form does not lose anything of.
struct RandomAttributes {
    var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(state: seed) }

    static func attribute(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
        let length = UInt16(4 + payload.count)
        let header = host(UInt64(length), 2) + host(UInt64(type), 2)
        return header + payload + [UInt8](repeating: 0, count: (4 - payload.count % 4) % 4)
    }

    static func host(_ value: UInt64, _ count: Int) -> [UInt8] {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
        #if _endian(big)
            return bytes.reversed()
        #else
            return bytes
        #endif
    }

    static func big(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    mutating func number(_ bits: Int) -> UInt64 {
        let limit: UInt64 = bits == 64 ? .max : (1 << UInt64(bits)) - 1
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return 0
        case 1: return limit
        default: return random.next() & limit
        }
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        switch Int.random(in: 0..<5, using: &random) {
        case 0: [UInt8](repeating: 0, count: count)
        case 1: [UInt8](repeating: 0xff, count: count)
        default: (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        }
    }

    // MARK: Keys

    typealias Pair = (key: [UInt8], mask: [UInt8])

    private func pair(_ type: UInt16, _ key: [UInt8], _ mask: [UInt8]) -> Pair {
        (Self.attribute(type, key), Self.attribute(type, mask))
    }

    mutating func key(depth: Int = 0) -> Pair {
        var result: Pair = ([], [])
        var headers: Set<[UInt8]> = []
        for _ in 0..<Int.random(in: 1...5, using: &random) {
            let next = keyAttribute(depth: depth)
            // The mask of a type that stands twice would be that of the first.
            guard headers.insert(Array(next.key[2..<4])).inserted else { continue }
            result.key += next.key
            result.mask += next.mask
        }
        return result
    }

    mutating func keyAttribute(depth: Int) -> Pair {
        switch Int.random(in: 0..<22, using: &random) {
        case 0:
            let types = [
                KeyAttribute.priority, KeyAttribute.skbMark, KeyAttribute.dpHash, KeyAttribute.ctMark,
                KeyAttribute.inPort,
            ]
            return pair(types.randomElement(using: &random) ?? 2, bytes(4), bytes(4))
        case 1: return pair(KeyAttribute.recircID, bytes(4), .init(repeating: 0xff, count: 4))
        case 2: return pair(KeyAttribute.ctZone, bytes(2), bytes(2))
        case 3:
            let mask = chance(50) ? Self.host(0xffff_ffff, 4) : Self.host(number(8), 4)
            return pair(KeyAttribute.ctState, Self.host(number(8), 4), mask)
        case 4: return pair(KeyAttribute.ctLabels, bytes(16), bytes(16))
        case 5: return pair(KeyAttribute.ethernet, bytes(12), bytes(12))
        case 6: return pair(KeyAttribute.etherType, bytes(2), bytes(2))
        case 7:
            return pair(KeyAttribute.vlan, Self.big(number(16) | 0x1000, 2), Self.big(number(16) | 0x1000, 2))
        case 8:
            let (frag, fragMask) = fragment()
            return pair(KeyAttribute.ipv4, bytes(11) + frag, bytes(11) + fragMask)
        case 9:
            let (frag, fragMask) = fragment()
            return pair(
                KeyAttribute.ipv6, bytes(32) + Self.big(number(20), 4) + bytes(3) + frag,
                bytes(32) + Self.big(number(20), 4) + bytes(3) + fragMask)
        case 10:
            let types = [KeyAttribute.tcp, KeyAttribute.udp, KeyAttribute.sctp]
            return pair(types.randomElement(using: &random) ?? 9, bytes(4), bytes(4))
        case 11:
            return pair(chance(50) ? KeyAttribute.icmp : KeyAttribute.icmpv6, bytes(2), bytes(2))
        case 12: return pair(KeyAttribute.arp, bytes(22) + [0, 0], bytes(22) + [0, 0])
        case 13: return pair(KeyAttribute.nd, bytes(28), bytes(28))
        case 14:
            if chance(30) { return pair(KeyAttribute.tcpFlags, Self.big(number(12), 2), [0xff, 0xff]) }
            let mask = number(12) & 0xffe
            return pair(KeyAttribute.tcpFlags, Self.big(number(12) & mask, 2), Self.big(mask, 2))
        case 15:
            let count = Int.random(in: 1...3, using: &random) * 4
            return pair(KeyAttribute.mpls, bytes(count), bytes(count))
        case 16: return pair(KeyAttribute.ctOrigTupleIPv4, bytes(13) + [0, 0, 0], bytes(13) + [0, 0, 0])
        case 17: return pair(KeyAttribute.ctOrigTupleIPv6, bytes(37) + [0, 0, 0], bytes(37) + [0, 0, 0])
        case 18: return nsh()
        case 19, 20: return tunnel()
        default:
            guard depth < 4 else { return pair(KeyAttribute.etherType, bytes(2), bytes(2)) }
            let inner = key(depth: depth + 1)
            return pair(KeyAttribute.encap, inner.key, inner.mask)
        }
    }

    private mutating func fragment() -> Pair {
        chance(30) ? ([0], [0]) : ([UInt8.random(in: 0...2, using: &random)], [0xff])
    }

    /// A field that is wildcarded is not printed, so it is zero here.
    private mutating func nsh() -> Pair {
        var mask = bytes(8)
        mask[2] = 0xff
        var key = zip(bytes(8), mask).map { $1 == 0 ? 0 : $0 }
        key[2] = 1
        key[4...6] = mask[4...6].allSatisfy { $0 == 0 } ? [0, 0, 0] : [1, 2, 3]
        let contextMask = bytes(16)
        var context = bytes(16)
        for word in 0..<4 where contextMask[word * 4..<word * 4 + 4].allSatisfy({ $0 == 0 }) {
            context.replaceSubrange(word * 4..<word * 4 + 4, with: [0, 0, 0, 0])
        }
        return pair(
            KeyAttribute.nsh,
            Self.attribute(NSHKeyAttribute.base, key) + Self.attribute(NSHKeyAttribute.md1, context),
            Self.attribute(NSHKeyAttribute.base, mask) + Self.attribute(NSHKeyAttribute.md1, contextMask))
    }

    private mutating func tunnel() -> Pair {
        var result: Pair = ([], [])
        func add(_ type: UInt16, _ key: [UInt8], _ mask: [UInt8]) {
            result.key += Self.attribute(type, key)
            result.mask += Self.attribute(type, mask)
        }
        let sizes: [(UInt16, Int)] = [(0, 8), (1, 4), (2, 4), (12, 16), (13, 16), (3, 1), (4, 1), (9, 2), (10, 2)]
        for (type, size) in sizes where chance(60) { add(type, bytes(size), bytes(size)) }
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            let (policy, policyMask) = (number(24) | 1, number(24) | 1)
            add(
                TunnelKeyAttribute.vxlanOptions, Self.attribute(1, Self.host(policy, 4)),
                Self.attribute(1, Self.host(policyMask, 4)))
        case 1:
            var options: Pair = ([], [])
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let words = UInt8.random(in: 0...5, using: &random)
                options.key += bytes(3) + [words] + bytes(Int(words) * 4)
                options.mask += bytes(3) + [UInt8(number(5))] + bytes(Int(words) * 4)
            }
            add(TunnelKeyAttribute.geneveOptions, options.key, options.mask)
        case 2:
            add(
                TunnelKeyAttribute.erspanOptions, Self.host(1, 4) + bytes(4) + [0, 0, 0, 0],
                Self.host(0xffff_ffff, 4) + bytes(4) + [0xff, 0xff, 0xff, 0xff])
        default: break
        }
        for type in [TunnelKeyAttribute.dontFragment, TunnelKeyAttribute.checksum, TunnelKeyAttribute.oam]
        where chance(50) {
            result.mask += Self.attribute(type, [])
            if chance(50) { result.key += Self.attribute(type, []) }
        }
        return pair(KeyAttribute.tunnel, result.key, result.mask)
    }

    // MARK: Actions

    mutating func actions(depth: Int = 0) -> [UInt8] {
        (0..<Int.random(in: 0...4, using: &random)).flatMap { _ in action(depth: depth) }
    }

    private mutating func action(depth: Int) -> [UInt8] {
        let attribute = Self.attribute
        switch Int.random(in: 0..<(depth < 4 ? 21 : 16), using: &random) {
        case 0: return attribute(ActionAttribute.output, bytes(4))
        case 1: return attribute(ActionAttribute.trunc, bytes(4))
        case 2: return attribute(ActionAttribute.meter, bytes(4)) + attribute(ActionAttribute.recirc, bytes(4))
        case 3:
            let flags = [
                ActionAttribute.popVLAN, ActionAttribute.popEthernet, ActionAttribute.popNSH, ActionAttribute.ctClear,
            ]
            return attribute(flags.randomElement(using: &random) ?? 5, [])
        case 4:
            // A VLAN identifier and a priority of zero are not printed without a mask that asks for them.
            return attribute(ActionAttribute.pushVLAN, (chance(50) ? [0x81, 0] : bytes(2)) + bytes(2))
        case 5: return attribute(ActionAttribute.pushMPLS, bytes(6) + [0, 0])
        case 6: return attribute(ActionAttribute.addMPLS, bytes(6) + [0, 0])
        case 7: return attribute(ActionAttribute.popMPLS, bytes(2))
        case 8: return attribute(ActionAttribute.pushEthernet, bytes(12))
        case 9: return attribute(ActionAttribute.hash, Self.host(UInt64(chance(50) ? 0 : 1), 4) + bytes(4))
        case 10:
            let base: [UInt8] = [0, 63, 1, 3] + bytes(4)
            let nsh = attribute(NSHKeyAttribute.base, base) + attribute(NSHKeyAttribute.md1, bytes(16))
            return attribute(ActionAttribute.pushNSH, attribute(KeyAttribute.nsh, nsh))
        case 11: return attribute(ActionAttribute.set, attribute(KeyAttribute.ethernet, bytes(12)))
        case 12:
            let mask: [UInt8] = [0xff, 0xff, 0xff, 0xff, 0, 0xf0]
            let value = zip(bytes(6), mask).map { $1 == 0 ? 0 : $0 }
            let payload = value + bytes(6) + mask + [1, 2, 3, 4, 5, 6]
            return attribute(ActionAttribute.setMasked, attribute(KeyAttribute.ethernet, payload))
        case 13:
            return attribute(ActionAttribute.userspace, attribute(1, bytes(4)) + attribute(2, bytes(20) + [9]))
        case 14: return attribute(ActionAttribute.ct, connectionTracking())
        case 15: return attribute(ActionAttribute.psample | 0x8000, attribute(1, bytes(4)) + attribute(2, bytes(9)))
        case 16: return attribute(ActionAttribute.clone, actions(depth: depth + 1))
        case 17:
            let percentage = Double(Int.random(in: 0...1000, using: &random)) / 10
            let probability = UInt64((Double(UInt32.max) * (percentage / 100) + 0.5).rounded(.down))
            let inner = attribute(2, actions(depth: depth + 1))
            return attribute(ActionAttribute.sample, attribute(1, Self.host(probability, 4)) + inner)
        case 18:
            let greater = attribute(2, actions(depth: depth + 1))
            let lessOrEqual = attribute(3, actions(depth: depth + 1))
            return attribute(ActionAttribute.checkPacketLength, attribute(1, bytes(2)) + greater + lessOrEqual)
        default: return attribute(ActionAttribute.decrementTTL, attribute(1, actions(depth: depth + 1)))
        }
    }

    private mutating func connectionTracking() -> [UInt8] {
        let attribute = Self.attribute
        var result: [UInt8] = []
        if chance(50) { result += attribute(chance(50) ? CTAttribute.commit : CTAttribute.forceCommit, []) }
        if chance(50) { result += attribute(CTAttribute.zone, Self.host(number(15) + 1, 2)) }
        if chance(50) { result += attribute(CTAttribute.mark, bytes(4) + Self.host(number(31) + 1, 4)) }
        if chance(50) { result += attribute(CTAttribute.labels, bytes(16) + bytes(15) + [1]) }
        if chance(50) { result += attribute(CTAttribute.helper, Array("tftp".utf8) + [0]) }
        if chance(50) { result += attribute(CTAttribute.timeout, Array("policy_1".utf8) + [0]) }
        if chance(50) {
            var nat: [UInt8] = []
            if chance(80) {
                nat = attribute(chance(50) ? NATAttribute.source : NATAttribute.destination, [])
                if chance(80) {
                    let start: [UInt8] = chance(50) ? [10, 0, 0] : [0xfe, 0x80] + .init(repeating: 0, count: 13)
                    nat += attribute(NATAttribute.ipMinimum, start + [UInt8(number(7))])
                    if chance(50) { nat += attribute(NATAttribute.ipMaximum, start + [200]) }
                    if chance(50) {
                        nat += attribute(NATAttribute.protoMinimum, Self.host(number(15) + 1, 2))
                        if chance(50) { nat += attribute(NATAttribute.protoMaximum, Self.host(65535, 2)) }
                    }
                }
                if chance(50) { nat += attribute(NATAttribute.persistent, []) }
                if chance(50) { nat += attribute(chance(50) ? NATAttribute.protoHash : NATAttribute.protoRandom, []) }
            }
            result += attribute(CTAttribute.nat, nat)
        }
        return result
    }
}
