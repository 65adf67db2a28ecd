extension Generator {
    /// The attributes of a key of the shape, with metadata as the input has it.
    mutating func key() -> [UInt8] {
        alone { generator in
            generator.metadata()
            let extra = generator.source.byte()
            if generator.shape.hasEthernet { generator.put(Key.ethernet, generator.shape.macs) }
            var encapsulations: [Int] = []
            for tag in generator.shape.tags {
                generator.put(Key.etherType, network(tag.tpid))
                generator.put(Key.vlan, network(tag.tci))
                encapsulations.append(generator.begin(Key.encap))
            }
            generator.headers()
            // Something that does not belong there.
            if extra >= 248 {
                let type = UInt16(generator.source.byte() % 34)
                let size = Int(type) < Key.sizes.count ? Key.sizes[Int(type)] : 4
                generator.put(type, generator.source.take(size))
            }
            for mark in encapsulations.reversed() { generator.end(mark) }
            if extra >= 244, extra < 248 { generator.out += [0, 1, 2] }
        }
    }

    private mutating func metadata() {
        let which = source.byte()
        if which & 1 != 0 { put(Key.recircID, native(UInt32(source.byte() & 3))) }
        if which & 2 != 0 { put(Key.dpHash, native(source.u32())) }
        if which & 4 != 0 { put(Key.priority, native(UInt32(source.byte()))) }
        if which & 8 == 0 { put(Key.inPort, native(portNumber())) }
        if which & 16 != 0 { put(Key.skbMark, native(UInt32(source.byte()))) }
        guard which & 32 != 0 else { return }
        let more = source.byte()
        if more & 1 != 0 { tunnel() }
        if more & 2 != 0 { put(Key.ctState, native(UInt32(source.byte()))) }
        if more & 4 != 0 { put(Key.ctZone, native(source.u16())) }
        if more & 8 != 0 { put(Key.ctMark, native(source.u32())) }
        if more & 16 != 0 { put(Key.ctLabels, source.take(16) + zeros(0)) }
        if more & 32 != 0 {
            if shape.etherType == Ether.ipv6 {
                put(
                    Key.ctTuple6,
                    shape.address6.source + shape.address6.destination + shape.ports + [shape.proto, 0, 0, 0])
            } else {
                put(
                    Key.ctTuple4,
                    shape.address4.source + shape.address4.destination + shape.ports + [shape.proto, 0, 0, 0])
            }
        }
    }

    /// A port that is there, mostly.
    mutating func portNumber() -> UInt32 {
        let choice = source.byte()
        return choice < 224 ? UInt32(choice & 3) : choice < 240 ? 9 : choice < 248 ? 65_535 : source.u32()
    }

    /// `OVS_KEY_ATTR_TUNNEL`.
    mutating func tunnel() {
        let which = source.byte()
        let more = source.byte()
        let mark = begin(Key.tunnel)
        if which & 1 != 0 { put(TunnelKey.id, network(UInt64(source.byte()))) }
        if which & 2 != 0 {
            put(TunnelKey.ipv6Source, shape.address6.source)
            put(TunnelKey.ipv6Destination, shape.address6.destination)
        } else {
            put(TunnelKey.ipv4Source, shape.address4.source)
            put(TunnelKey.ipv4Destination, shape.address4.destination)
        }
        if which & 4 != 0 { put(TunnelKey.tos, [source.byte()]) }
        if more & 0x3f != 0x3f { put(TunnelKey.ttl, [64]) }
        if which & 8 != 0 { put(TunnelKey.dontFragment, []) }
        if which & 16 != 0 { put(TunnelKey.checksum, []) }
        if which & 32 != 0 {
            put(TunnelKey.sourcePort, network(source.u16()))
            put(TunnelKey.destinationPort, network(UInt16(4789)))
        }
        if which & 64 != 0 { put(TunnelKey.oam, []) }
        if which & 128 != 0 { put(TunnelKey.ipv4InfoBridge, []) }
        switch more >> 6 {
        case 1:
            let options = begin(TunnelKey.geneveOptions)
            for index in 0..<(more & 3) {
                // Class, type, and the length in units of four bytes.
                let length = source.byte() % 4
                out += [1, 2, 0x80 + index, length] + zeros(4 * Int(length) - 1) + (length == 0 ? [] : [source.byte()])
            }
            end(options)
        case 2:
            let options = begin(TunnelKey.vxlanOptions)
            put(1, native(source.u32() & 0xff_ffff))
            end(options)
        case 3:
            let version = 1 + UInt32(more & 1)
            // Version 1 has an index; version 2 a structure of eight bytes.
            put(
                TunnelKey.erspanOptions,
                native(version) + (version == 1 ? [0, 0, 0, 7, 0, 0, 0, 0] : [0, 0, 0, 1, 0, 0, 0x10, 0x20]))
        default: break
        }
        end(mark)
    }

    /// EtherType and what is behind it.
    private mutating func headers() {
        if shape.etherType != Ether.ieee8022 { put(Key.etherType, network(shape.etherType)) }
        let (ttl, tos, fragment) = (shape.ttl, shape.tos, shape.fragment)
        switch shape.etherType {
        case Ether.ipv4:
            put(
                Key.ipv4,
                shape.address4.source + shape.address4.destination + [shape.proto, tos, ttl, fragment])
        case Ether.ipv6:
            // Of a later fragment the datapath sees the fragment header alone.
            let proto = fragment == 2 ? 44 : shape.proto
            put(
                Key.ipv6,
                shape.address6.source + shape.address6.destination + zeros(4) + [proto, tos, ttl, fragment])
            if shape.variant & 64 == 0 { put(Key.extensionHeaders, native(shape.extensionHeaderBits)) }
        case Ether.arp, Ether.rarp: put(Key.arp, shape.arp + [0, 1] + shape.macs + [0, 0])
        case Ether.mpls, Ether.mplsMulticast: put(Key.mpls, Array(shape.stack.prefix(12)))
        case Ether.nsh: nshKey()
        default: break
        }
        if shape.hasTransport { transport() }
    }

    mutating func nshKey() {
        let mark = begin(Key.nsh)
        nshFields()
        end(mark)
    }

    mutating func nshFields() {
        put(1, shape.nshBase)
        put(2, shape.nshContext)
    }

    private mutating func transport() {
        switch shape.proto {
        case 6:
            put(Key.tcp, shape.ports)
            put(Key.tcpFlags, network(shape.tcpFlags))
        case 17: put(Key.udp, shape.ports)
        case 132: put(Key.sctp, shape.ports)
        case 1 where shape.etherType == Ether.ipv4: put(Key.icmp, [shape.icmpType, shape.icmpCode])
        case 58 where shape.etherType == Ether.ipv6:
            put(Key.icmpv6, [shape.icmpType, shape.icmpCode])
            if shape.icmpType == 135 || shape.icmpType == 136 {
                let neighbour = shape.neighbour
                put(Key.nd, neighbour.target + neighbour.source + neighbour.destination)
            }
        default: break
        }
    }

    // MARK: Masks

    /// A mask over a key: for each of its attributes one that says how much of it counts; nil for none.
    mutating func mask(over key: [UInt8]) -> [UInt8]? {
        let style = source.byte()
        switch style & 7 {
        case 0, 1: return nil
        case 2, 3: return alone { $0.mask(key, isSimple: true, level: 0) }
        case 4:
            // A wide flow: where the packet is in its way, and perhaps what it is, as recirculation needs it.
            let isTyped = style & 8 != 0
            let wide = attributes(in: key).filter {
                $0.type == Key.recircID || isTyped && [Key.etherType, Key.vlan, Key.encap].contains($0.type)
            }
            return alone { generator in
                generator.mask(wide.flatMap { encoded($0.type, $0.payload) }, isSimple: true, level: 0)
            }
        default: return alone { $0.mask(key, isSimple: false, level: 0) }
        }
    }

    private mutating func mask(_ key: [UInt8], isSimple: Bool, level: Int) {
        for attribute in attributes(in: key) {
            let type = attribute.type
            if (level == 0 || level == Int(Key.encap)), [Key.encap, Key.tunnel, Key.nsh].contains(type) {
                let mark = begin(type)
                mask(attribute.payload, isSimple: isSimple, level: Int(type))
                end(mark)
                continue
            }
            let isTunnelOrNSH = level == Int(Key.tunnel) || level == Int(Key.nsh)
            var payload = attribute.payload.map { _ in UInt8(0xff) }
            if !isTunnelOrNSH, type == Key.ctState { payload = native(UInt32(0xff)) }
            if !isSimple {
                let choice = source.byte()
                switch choice & 7 {
                case 0: continue
                case 1: payload = payload.map { _ in 0 }
                case 2: payload = payload.indices.map { $0 < payload.count / 2 ? 0xff : 0 }
                case 3: payload = payload.map { _ in source.byte() }
                default: break
                }
                if !isTunnelOrNSH, choice < 240 { payload = sound(type, payload) }
            } else if !isTunnelOrNSH {
                payload = sound(type, payload)
            }
            put(type, payload)
        }
    }

    /// A mask that has what others depend on.
    private func sound(_ type: UInt16, _ mask: [UInt8]) -> [UInt8] {
        var mask = mask
        func set(_ place: Int, _ value: UInt8) { if place < mask.count { mask[place] = value } }
        switch type {
        case Key.etherType: mask = mask.map { _ in 0xff }
        case Key.vlan: if !mask.isEmpty { mask[0] |= 0x10 }
        case Key.ipv4:
            set(8, 0xff)
            set(11, 0xff)
        case Key.ipv6:
            for place in [36, 39] { set(place, 0xff) }
            for place in 32...33 where place < mask.count { mask[place] &= place == 32 ? 0 : 0x0f }
        case Key.icmpv6: set(0, 0xff)
        case Key.ctState: for place in 1..<max(mask.count, 1) { set(place, 0) }
        default: break
        }
        return mask
    }
}

/// Attributes as they lie behind each other, up to the first that is none.
func attributes(in bytes: [UInt8]) -> [(type: UInt16, payload: [UInt8], place: Int)] {
    var result: [(type: UInt16, payload: [UInt8], place: Int)] = []
    var place = 0
    while place + 4 <= bytes.count {
        let length = Int(bytes[place]) | Int(bytes[place + 1]) << 8
        guard length >= 4, place + length <= bytes.count else { break }
        let type = (UInt16(bytes[place + 2]) | UInt16(bytes[place + 3]) << 8) & 0x3fff
        result.append((type, Array(bytes[(place + 4)..<(place + length)]), place))
        place += (length + 3) & ~3
    }
    return result
}
