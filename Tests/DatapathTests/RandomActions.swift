import Netlink
import OpenvSwitch

/// Makes random lists of actions, byte by byte, that are valid for a TCP packet over IPv4 with an Ethernet header.
struct RandomActions<Source: RandomNumberGenerator> {
    var random: Source
    /// What the actions before have made of the packet.
    struct Packet {
        var etherType = EtherType.ipv4
        var hasVLAN = false
        var hasEthernet = true
        var labels = 0
    }
    /// Also makes actions that are valid but not carried out.
    var makesRefused = false

    init(_ random: Source) { self.random = random }

    mutating func list() -> [UInt8] {
        var packet = Packet()
        return list(&packet, depth: 0)
    }

    private mutating func list(_ packet: inout Packet, depth: Int) -> [UInt8] {
        var result: [UInt8] = []
        for _ in 0..<below(depth == 0 ? 9 : 4) { result += action(&packet, depth: depth) }
        if chance(10) { result += attribute(ActionAttribute.drop, bytes(4)) }
        return result
    }

    /// A list of its own: what it changes ends with it.
    private mutating func nested(_ packet: Packet, depth: Int) -> [UInt8] {
        var packet = packet
        return list(&packet, depth: depth + 1)
    }

    private mutating func action(_ packet: inout Packet, depth: Int) -> [UInt8] {
        while true {
            switch below(24) {
            case 0: return attribute(ActionAttribute.output, host(UInt32(below(65535))))
            case 1: return attribute(ActionAttribute.userspace, userspace())
            case 2: return attribute(ActionAttribute.set, field(packet, isMasked: false))
            case 3: return attribute(ActionAttribute.setMasked, field(packet, isMasked: true))
            case 4 where packet.hasEthernet:
                packet.hasVLAN = true
                return attribute(
                    ActionAttribute.pushVLAN,
                    [[0x81, 0], [0x88, 0xa8]][below(2)] + [0x10 | UInt8(below(16))] + bytes(1))
            case 5 where packet.hasEthernet:
                packet.hasVLAN = false
                return attribute(ActionAttribute.popVLAN, [])
            case 6 where depth < 4: return attribute(ActionAttribute.sample, sample(packet, depth: depth))
            case 7: return attribute(ActionAttribute.recirc, bytes(4))
            case 8: return attribute(ActionAttribute.hash, host(UInt32(below(2))) + bytes(4))
            case 9 where !packet.hasVLAN && packet.etherType != 0:
                packet.labels += 1
                packet.etherType = EtherType.mplsUnicast
                return attribute(ActionAttribute.pushMPLS, bytes(4) + [0x88, 0x47, 0, 0])
            case 10 where !packet.hasVLAN && packet.etherType.isMPLS:
                packet.labels -= 1
                if packet.labels == 0 { packet.etherType = 0 }
                return attribute(ActionAttribute.popMPLS, packet.labels > 0 ? [0x88, 0x47] : [8, 0])
            case 11 where makesRefused:
                return attribute(ActionAttribute.ct, connectionTracking())
            case 12: return attribute(ActionAttribute.trunc, host(UInt32(14 + below(2000))))
            case 13 where !packet.hasEthernet:
                packet.hasEthernet = true
                return attribute(ActionAttribute.pushEthernet, bytes(12))
            case 14 where packet.hasEthernet && !packet.hasVLAN:
                packet.hasEthernet = false
                return attribute(ActionAttribute.popEthernet, [])
            case 15: return attribute(ActionAttribute.ctClear, [])
            case 16 where packet.hasEthernet || [EtherType.ipv4, EtherType.mplsUnicast].contains(packet.etherType):
                packet.hasEthernet = false
                packet.hasVLAN = false
                return attribute(ActionAttribute.pushNSH, attribute(KeyAttribute.nsh, networkServiceHeader()))
            case 17: return attribute(ActionAttribute.meter, bytes(4))
            case 18 where depth < 4: return attribute(ActionAttribute.clone, nested(packet, depth: depth))
            case 19 where depth < 4:
                let lists = attribute(2, nested(packet, depth: depth)) + attribute(3, nested(packet, depth: depth))
                return attribute(
                    ActionAttribute.checkPacketLength, attribute(1, host(UInt16(1 + below(65535)))) + lists)
            case 20 where !packet.hasVLAN && packet.etherType != 0:
                let isInFront = chance(50)
                packet.labels = isInFront && packet.hasEthernet ? 1 : packet.labels + 1
                packet.etherType = EtherType.mplsMulticast
                if isInFront { packet.hasEthernet = false }
                return attribute(
                    ActionAttribute.addMPLS, bytes(4) + [0x88, 0x48] + host(UInt16(isInFront ? 2 * below(9) : 1)))
            case 21 where depth < 4:
                return attribute(
                    ActionAttribute.decrementTTL, attribute(1, nested(packet, depth: depth)))
            case 22 where makesRefused:
                let cookie = chance(50) ? attribute(2, bytes(below(17))) : []
                return attribute(ActionAttribute.psample | 0x8000, attribute(1, bytes(4)) + cookie)
            default: continue
            }
        }
    }

    // MARK: Contents

    private mutating func userspace() -> [UInt8] {
        var result = attribute(1, host(1 + UInt32(below(1 << 20))))
        if chance(50) { result += attribute(2, bytes(below(60))) }
        if chance(20) { result += attribute(3, bytes(4)) }
        if chance(30) { result += attribute(4, []) }
        return result
    }

    private mutating func sample(_ packet: Packet, depth: Int) -> [UInt8] {
        let parts = [attribute(1, bytes(4)), attribute(2, nested(packet, depth: depth))]
        return chance(80) ? parts[0] + parts[1] : parts[1] + parts[0]
    }

    private mutating func field(_ packet: Packet, isMasked: Bool) -> [UInt8] {
        func both(_ type: UInt16, _ value: [UInt8], _ mask: [UInt8]) -> [UInt8] {
            isMasked ? attribute(type, zip(value, mask).map { $0 & $1 } + mask) : attribute(type, value)
        }
        while true {
            switch below(9) {
            case 0: return both(KeyAttribute.priority, bytes(4), bytes(4))
            case 1: return both(KeyAttribute.skbMark, bytes(4), bytes(4))
            case 2: return both(KeyAttribute.ctMark, bytes(4), bytes(4))
            case 3: return both(KeyAttribute.ctLabels, bytes(16), bytes(16))
            case 4 where packet.hasEthernet: return both(KeyAttribute.ethernet, bytes(12), bytes(12))
            case 5 where packet.etherType == EtherType.ipv4:
                return both(
                    KeyAttribute.ipv4, bytes(8) + [IPProtocol.tcp] + bytes(2) + [0], bytes(8) + [0] + bytes(2) + [0])
            case 6 where packet.etherType == EtherType.ipv4: return both(KeyAttribute.tcp, bytes(4), bytes(4))
            case 7 where packet.etherType.isMPLS: return both(KeyAttribute.mpls, bytes(4), bytes(4))
            case 8 where makesRefused && !isMasked:
                return attribute(
                    KeyAttribute.tunnel,
                    attribute(TunnelKeyAttribute.id, bytes(8))
                        + attribute(TunnelKeyAttribute.ipv4Destination, [10, 0, 0, 1])
                        + attribute(TunnelKeyAttribute.ttl, bytes(1)))
            default: continue
            }
        }
    }

    private mutating func networkServiceHeader() -> [UInt8] {
        chance(50)
            ? attribute(NSHKeyAttribute.base, [0, 63, 1, 3] + bytes(4)) + attribute(NSHKeyAttribute.md1, bytes(16))
            : attribute(NSHKeyAttribute.base, [0, 63, 2, 3] + bytes(4))
                + attribute(NSHKeyAttribute.md2, [7] + bytes(3 + 4 * below(20)))
    }

    private mutating func connectionTracking() -> [UInt8] {
        var result: [UInt8] = []
        let isCommitted = chance(60)
        if isCommitted { result += attribute(chance(50) ? CTAttribute.commit : CTAttribute.forceCommit, []) }
        if chance(50) { result += attribute(CTAttribute.zone, bytes(2)) }
        if isCommitted, chance(50) { result += attribute(CTAttribute.mark, bytes(4) + [1, 0, 0, 0]) }
        if isCommitted, chance(50) { result += attribute(CTAttribute.labels, bytes(16) + bytes(15) + [1]) }
        if chance(30) { result += attribute(CTAttribute.helper, Array("ftp".utf8) + [0]) }
        if chance(30) { result += attribute(CTAttribute.eventMask, bytes(4)) }
        if chance(30) { result += attribute(CTAttribute.timeout, Array("policy".utf8) + [0]) }
        if chance(50) {
            var nat: [UInt8] = []
            if isCommitted, chance(70) {
                nat += attribute(UInt16(1 + below(2)), [])
                if chance(50) { nat += attribute(NATAttribute.ipMinimum, bytes(4)) }
                if chance(50) { nat += attribute(NATAttribute.ipMaximum, bytes(4)) }
                if chance(50) { nat += attribute(NATAttribute.protoMinimum, bytes(2)) }
                if chance(50) { nat += attribute(NATAttribute.protoMaximum, bytes(2)) }
                if chance(30) { nat += attribute(UInt16(7 + below(3)), []) }
            }
            result += attribute(CTAttribute.nat, nat)
        }
        return result
    }

    // MARK: Bytes

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next() as UInt64) }
    }
}

/// An attribute made by hand, padded.
func attribute(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
    host(UInt16(4 + payload.count)) + host(type) + payload + [UInt8](repeating: 0, count: (4 - payload.count % 4) % 4)
}

/// The bytes of a number in host byte order.
func host<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    let bytes = (0..<MemoryLayout<T>.size).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    #if _endian(big)
        return bytes.reversed()
    #else
        return bytes
    #endif
}
