extension Generator {
    /// A frame of the shape, mostly whole.
    mutating func frame() -> [UInt8] {
        var bytes: [UInt8] = []
        let header = networkHeader()
        if shape.hasEthernet {
            bytes += shape.macs[6...] + shape.macs[..<6]
            for tag in shape.tags { bytes += network(tag.tpid) + network(tag.tci & 0xefff) }
            let isLength = shape.isSNAP || shape.etherType == Ether.ieee8022
            bytes += network(isLength ? UInt16(header.count) : shape.etherType)
            if shape.isSNAP { bytes += [0xaa, 0xaa, 3, 0, 0, 0] + network(shape.etherType) }
        }
        bytes += header
        let padding = source.byte()
        let lengths = [0, 0, 6, 46, 200, 1400, 4000, 65_400, 65_531 - 14, 65_535]
        if padding < 200 { bytes += zeros(Int(padding & 15)) }
        if padding >= 250 { bytes += zeros(lengths[Int(source.byte()) % lengths.count] - bytes.count) }
        if source.oneIn256(24) { bytes.removeLast(min(bytes.count, Int(source.byte() & 63))) }
        if source.oneIn256(16), !bytes.isEmpty { bytes[Int(source.byte()) % bytes.count] ^= source.byte() }
        return bytes
    }

    private func networkHeader() -> [UInt8] {
        switch shape.etherType {
        case Ether.ipv4: ipv4()
        case Ether.ipv6: ipv6()
        case Ether.arp, Ether.rarp:
            [0, 1, 8, 0, 6, 4, 0, 1] + shape.macs[..<6] + shape.address4.source + shape.macs[6...]
                + shape.address4.destination
        case Ether.mpls, Ether.mplsMulticast: shape.stack + ipv4()
        case Ether.nsh: shape.nsh + shape.macs + [8, 0] + ipv4()
        default: [0x42, 0x42, 3, 1, 2, 3, 4, 5]
        }
    }

    private func ipv4() -> [UInt8] {
        let transport = transport()
        let offset: [UInt8] = shape.fragment == 0 ? [0x40, 0] : shape.fragment == 1 ? [0x20, 0] : [0, 8]
        return [0x45, shape.tos] + network(UInt16(20 + transport.count)) + [0, 1] + offset
            + [shape.ttl, shape.proto, 0, 0] + shape.address4.source + shape.address4.destination + transport
    }

    private func ipv6() -> [UInt8] {
        var payload = transport()
        var next = shape.proto
        if shape.fragment != 0 {
            payload = [next, 0] + (shape.fragment == 1 ? [0, 1] : [0, 8]) + [0, 0, 0, 1] + payload
            next = 44
        }
        for header in shape.extensionHeaders.reversed() {
            // One unit of eight bytes; of authentication the unit is four. A routing header has a segment left.
            payload =
                [next, header == 51 ? 1 : 0, header == 43 ? 0 : 1, header == 43 ? 1 : 4, 0, 0, 0, 0]
                + zeros(header == 51 ? 4 : 0) + payload
            next = header
        }
        return [0x60 | shape.tos >> 4, shape.tos << 4, 0, 0] + network(UInt16(payload.count)) + [next, shape.ttl]
            + shape.address6.source + shape.address6.destination + payload
    }

    private func transport() -> [UInt8] {
        switch shape.proto {
        case 6: shape.ports + zeros(8) + network(0x5000 | shape.tcpFlags) + [1, 0, 0, 0, 0, 0] + [1, 2, 3, 4]
        case 17: shape.ports + [0, 12, 0, shape.variant] + [1, 2, 3, 4]
        case 132: shape.ports + zeros(8)
        case 1: [shape.icmpType, shape.icmpCode, 0, 0, 0, 1, 0, 1]
        case 58:
            [shape.icmpType, shape.icmpCode, 0, 0, 0, 0, 0, 0]
                + (shape.icmpType < 128 ? [] : shape.neighbour.target + neighbourOption())
        default: [1, 2, 3, 4, 5, 6, 7, 8]
        }
    }

    private func neighbourOption() -> [UInt8] {
        shape.icmpType == 135 ? [1, 1] + shape.macs[..<6] : [2, 1] + shape.macs[6...]
    }
}
