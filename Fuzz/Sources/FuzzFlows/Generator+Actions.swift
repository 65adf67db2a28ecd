extension Generator {
    /// A list of actions for packets of the shape.
    mutating func actions() -> [UInt8] {
        alone { generator in
            var shape = generator.shape
            generator.list(&shape, depth: 0)
        }
    }

    /// Most bytes of a list, so that what a packet costs stays within bounds.
    private static let maximumBytes = 4000

    /// - Parameter shape: what the packet has become at this place.
    private mutating func list(_ shape: inout Shape, depth: Int) {
        let count = source.byte()
        for _ in 0..<(count < 240 ? count & 7 : count & 31) {
            guard out.count < Self.maximumBytes else { return }
            action(&shape, depth: depth)
        }
    }

    private mutating func nested(_ type: UInt16, _ shape: Shape, depth: Int) {
        let mark = begin(type)
        if depth < 20 {
            var inner = shape
            list(&inner, depth: depth + 1)
        }
        end(mark)
    }

    private mutating func action(_ shape: inout Shape, depth: Int) {
        let kind = source.byte()
        switch kind % 64 {
        case 0...9: put(Act.output, native(portNumber()))
        case 10, 11: userspace()
        case 12...17: set(shape, isMasked: false)
        case 18...25: set(shape, isMasked: true)
        case 26...28:
            guard shape.hasEthernet || kind >= 192 else { return }
            let tpid = source.pick([Ether.vlan, Ether.serviceVLAN, Ether.vlan, Ether.vlan])
            let tci = 0x1000 | UInt16(source.byte())
            put(Act.pushVLAN, network(kind == 26 ? Ether.mpls : tpid) + network(kind == 27 ? 1 : tci))
            shape.tags.insert((tpid, tci), at: 0)
        case 29, 30:
            guard shape.hasEthernet || kind >= 192 else { return }
            put(Act.popVLAN, [])
            if !shape.tags.isEmpty { shape.tags.removeFirst() }
        case 31, 32: sample(shape, depth: depth)
        case 33, 34: nested(Act.clone, shape, depth: depth)
        case 35, 36:
            let mark = begin(Act.checkPacketLength)
            put(1, native(source.pick([60, 1, 100, 1500, 54, 0xffff, 0, 64]) as UInt16))
            nested(2, shape, depth: depth)
            nested(3, shape, depth: depth)
            end(mark)
        case 37, 38:
            let mark = begin(Act.decTTL)
            nested(1, shape, depth: depth)
            end(mark)
        case 39, 40: put(Act.recirc, native(UInt32(source.byte() & 3)))
        case 41: put(Act.hash, native(UInt32(source.byte() & 1)) + native(source.u32()))
        case 42...44: pushMPLS(&shape, kind)
        case 45...47: popMPLS(&shape, kind)
        case 48, 49: put(Act.trunc, native(source.pick([14, 15, 20, 60, 100, 65_535, 13, .max]) as UInt32))
        case 50: put(Act.meter, native(UInt32(source.byte() & 3)))
        case 51:
            // Lists in lists, more than are allowed.
            let marks = (0..<(source.byte() % 19)).map { _ in begin(Act.clone) }
            var inner = shape
            if depth < 20 { list(&inner, depth: depth + marks.count) }
            for mark in marks.reversed() { end(mark) }
        case 52:
            // The list so far once more: so many edits and outputs that copies run out.
            if out.count < 2 * Self.maximumBytes, depth == 0 { out += out }
        case 53: put(Act.drop, native(UInt32(source.byte())))
        case 54, 55: ethernet(&shape)
        case 56, 57: nsh(&shape)
        case 58: put(Act.ctClear, [])
        case 59: psample()
        case 60:
            // These are refused as a whole list, so there are few of them.
            if kind < 128 { ct() } else { setTunnel() }
        case 61: set(shape, field: UInt16(source.byte() % 34), isMasked: kind & 64 != 0)
        case 62 where kind >= 192: put(UInt16(source.byte()), source.take(Int(source.byte() & 15)))
        default: put(Act.output, native(UInt32(kind >> 6)))
        }
    }

    private mutating func userspace() {
        let which = source.byte()
        let mark = begin(Act.userspace)
        put(1, native(which < 200 ? portID : which < 240 ? .max : UInt32(source.byte())))
        if which & 1 != 0 { put(2, source.take(Int(source.byte() % 49))) }
        if which & 2 != 0 { put(3, native(UInt32(which >> 4))) }
        if which & 4 != 0 { put(4, []) }
        if which & 0x38 == 0x38 { put(UInt16(source.byte()), []) }
        end(mark)
    }

    private mutating func sample(_ shape: Shape, depth: Int) {
        let mark = begin(Act.sample)
        let probability = source.pick([.max, 0, 0x8000_0000, 1, .max]) as UInt32
        let isActionsFirst = probability == 1
        if isActionsFirst { nested(2, shape, depth: depth) }
        put(1, native(probability))
        if !isActionsFirst { nested(2, shape, depth: depth) }
        end(mark)
    }

    private mutating func pushMPLS(_ shape: inout Shape, _ kind: UInt8) {
        guard shape.tags.isEmpty || kind >= 192 else { return }
        guard shape.isIP || shape.isMPLS || kind >= 128 else { return }
        let etherType = source.byte() & 1 == 0 ? Ether.mpls : Ether.mplsMulticast
        let entry = network(source.u32())
        let flags = source.byte()
        if flags & 3 == 0 {
            put(Act.addMPLS, entry + network(etherType) + native(UInt16(flags & 4 == 0 ? 1 : flags >> 3)))
            if flags & 4 != 0, flags & 8 == 0 { shape.hasEthernet = false }
        } else {
            put(Act.pushMPLS, entry + network(etherType) + [0, 0])
        }
        if !shape.isMPLS { shape.labels = 0 }
        shape.labels += 1
        shape.etherType = etherType
    }

    private mutating func popMPLS(_ shape: inout Shape, _ kind: UInt8) {
        guard shape.isMPLS || kind >= 192 else { return }
        shape.labels -= 1
        let next = shape.labels > 0 ? Ether.mpls : source.pick([Ether.ipv4, Ether.ipv6, 0x6558, 0, Ether.vlan])
        put(Act.popMPLS, network(next))
        shape.etherType = next
    }

    private mutating func ethernet(_ shape: inout Shape) {
        let isOdd = source.byte() > 240
        if shape.hasEthernet != isOdd {
            guard shape.tags.isEmpty || isOdd else { return }
            put(Act.popEth, [])
            shape.hasEthernet = false
        } else {
            put(Act.pushEth, shape.macs)
            shape.hasEthernet = true
        }
    }

    private mutating func nsh(_ shape: inout Shape) {
        let which = source.byte()
        if shape.etherType == Ether.nsh, which < 128 {
            put(Act.popNSH, [])
            // Of a shape there is a frame in the header, see `Shape.nsh`.
            shape.etherType = Ether.ipv4
            shape.hasEthernet = true
            return
        }
        let action = begin(Act.pushNSH)
        let header = begin(Key.nsh)
        let hasContext = which & 1 == 0
        put(1, [0, 63, hasContext ? 1 : 2, UInt8(which >> 1 & 7), 0, 0, which, 255])
        if hasContext { put(2, shape.nshContext) } else { put(3, source.take(Int(which & 0x7c))) }
        end(header)
        end(action)
        shape.etherType = Ether.nsh
        shape.hasEthernet = false
    }

    private mutating func psample() {
        let mark = begin(Act.psample | (source.byte() < 192 ? 0x8000 : 0))
        put(1, native(source.u32()))
        put(2, source.take(Int(source.byte() % 20)))
        end(mark)
    }

    private mutating func ct() {
        let which = source.byte()
        let mark = begin(Act.ct)
        if which & 1 != 0 { put(which & 2 == 0 ? 1 : 7, []) }
        if which & 4 != 0 { put(2, native(source.u16())) }
        if which & 8 != 0 { put(3, native(source.u32()) + native(source.u32())) }
        if which & 16 != 0 { put(4, source.take(32)) }
        if which & 32 != 0 { put(5, Array("ftp".utf8) + [0]) }
        if which & 64 != 0 { put(8, native(source.u32())) }
        if which & 128 != 0 {
            put(9, Array("long".utf8) + [0])
            let more = source.byte()
            let nat = begin(6)
            if more & 1 != 0 { put(more & 2 == 0 ? 1 : 2, []) }
            if more & 4 != 0 { put(3, shape.etherType == Ether.ipv6 ? shape.address6.source : shape.address4.source) }
            if more & 8 != 0 { put(4, shape.etherType == Ether.ipv6 ? shape.address6.source : shape.address4.source) }
            if more & 16 != 0 { put(5, native(source.u16())) }
            if more & 32 != 0 { put(6, native(source.u16())) }
            if more & 64 != 0 { put(7, []) }
            if more & 128 != 0 { put(more & 4 == 0 ? 8 : 9, []) }
            end(nat)
        }
        end(mark)
    }

    // MARK: Set

    private mutating func setTunnel() {
        let mark = begin(Act.set)
        tunnel()
        end(mark)
    }

    /// Value and mask stand behind each other in each attribute of the header. What cannot be set is not in the mask.
    private mutating func setNSH(_ isMasked: Bool) {
        let header = begin(Key.nsh)
        let which = source.byte()
        var mask: [UInt8] = [which & 3, which & 63, 0, 0, 0, which, 0xff, which]
        if which == 255 { mask[3] = 1 }
        let base = zip(shape.nshBase, isMasked ? mask : mask.map { _ in 0xff }).map { $0 & $1 }
        put(1, isMasked ? base + mask : base)
        if which & 4 == 0 {
            let context = [UInt8](repeating: which, count: 16)
            put(2, isMasked ? context + context : context)
        }
        end(header)
    }

    /// A set action of a field that the packet has.
    private mutating func set(_ shape: Shape, isMasked: Bool) {
        var fields = [Key.priority, Key.skbMark]
        if shape.hasEthernet { fields += [Key.ethernet, Key.ethernet] }
        if shape.etherType == Ether.ipv4 { fields += [Key.ipv4, Key.ipv4, Key.ipv4] }
        if shape.etherType == Ether.ipv6 { fields += [Key.ipv6, Key.ipv6, Key.ipv6] }
        if shape.isMPLS { fields += [Key.mpls, Key.mpls] }
        if shape.etherType == Ether.nsh { fields += [Key.nsh, Key.nsh] }
        if shape.isIP {
            switch shape.proto {
            case 6: fields += [Key.tcp, Key.tcp, Key.tcp]
            case 17: fields += [Key.udp, Key.udp, Key.udp]
            case 132: fields += [Key.sctp, Key.sctp, Key.sctp]
            default: break
            }
        }
        set(shape, field: source.pick(fields), isMasked: isMasked)
    }

    private mutating func set(_ shape: Shape, field: UInt16, isMasked: Bool) {
        let mark = begin(isMasked ? Act.setMasked : Act.set)
        if field == Key.nsh {
            setNSH(isMasked)
        } else {
            let size = Int(field) < Key.sizes.count ? Key.sizes[Int(field)] : 4
            var value = source.take(size)
            value += zeros(size - value.count)
            var mask = isMasked ? source.take(size) : value.map { _ in 0xff }
            mask += zeros(size - mask.count)
            // What cannot be set is as it is, or not in the mask.
            if field == Key.ipv4 { (value[8], value[11], mask[8], mask[11]) = (shape.proto, shape.fragment, 0, 0) }
            if field == Key.ipv6 {
                (value[36], value[39], mask[36], mask[39]) = (shape.proto, shape.fragment, 0, 0)
                value[32] = 0
                value[33] &= 0x0f
                (mask[32], mask[33]) = (0, mask[33] & 0x0f)
            }
            if isMasked { value = zip(value, mask).map { $0 & $1 } }
            put(field, isMasked ? value + mask : value)
        }
        end(mark)
    }
}
