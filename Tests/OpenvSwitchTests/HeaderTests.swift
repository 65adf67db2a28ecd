import Foundation
import Netlink
import OpenvSwitch
import Testing

/// Compares the numbers of the interface with those of the host's `linux/openvswitch.h`.
@Suite struct HeaderTests {
    static let path = "/usr/include/linux/openvswitch.h"
    static var isThere: Bool { FileManager.default.fileExists(atPath: path) }

    /// The header without comments and without what only the kernel sees.
    private static func source() throws -> String {
        var text = try String(contentsOfFile: path, encoding: .utf8)
        while let begin = text.range(of: "/*") {
            let end = text.range(of: "*/", range: begin.upperBound..<text.endIndex)?.upperBound ?? text.endIndex
            text.removeSubrange(begin.lowerBound..<end)
        }
        while let begin = text.range(of: "#ifdef __KERNEL__") {
            let end = text.range(of: "#endif", range: begin.upperBound..<text.endIndex)?.upperBound ?? text.endIndex
            text.removeSubrange(begin.lowerBound..<end)
        }
        return text
    }

    /// All constants of all enumerations.
    private static func constants() throws -> [String: Int] {
        let text = try source()
        var result: [String: Int] = [:]
        var rest = text[...]
        while let begin = rest.range(of: "enum") {
            rest = rest[begin.upperBound...]
            guard let open = rest.firstIndex(of: "{"), let close = rest.firstIndex(of: "}"), open < close else { break }
            // Between the word and the brace there may only be a name.
            let name = rest[rest.startIndex..<open].trimmingCharacters(in: .whitespacesAndNewlines)
            guard name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) else { continue }
            var next = 0
            for entry in rest[rest.index(after: open)..<close].split(separator: ",") {
                let parts = entry.split(separator: "=").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
                guard let constant = parts.first, !constant.isEmpty else { continue }
                if parts.count > 1, let value = Int(parts[1]) { next = value }
                result[constant] = next
                next += 1
            }
            rest = rest[close...]
        }
        return result
    }

    /// By prefix of the header, our constants by the rest of the name.
    private static let tables: [(prefix: String, [String: UInt16])] = [
        (
            "OVS_DP_ATTR_",
            [
                "NAME": DatapathAttribute.name, "UPCALL_PID": DatapathAttribute.upcallPortID,
                "STATS": DatapathAttribute.stats,
                "MEGAFLOW_STATS": DatapathAttribute.megaflowStats, "USER_FEATURES": DatapathAttribute.userFeatures,
                "PAD": DatapathAttribute.pad, "MASKS_CACHE_SIZE": DatapathAttribute.masksCacheSize,
                "PER_CPU_PIDS": DatapathAttribute.perCPUPortIDs, "IFINDEX": DatapathAttribute.ifindex,
            ]
        ),
        (
            "OVS_VPORT_ATTR_",
            [
                "PORT_NO": VportAttribute.portNumber, "TYPE": VportAttribute.type, "NAME": VportAttribute.name,
                "OPTIONS": VportAttribute.options, "UPCALL_PID": VportAttribute.upcallPortID,
                "STATS": VportAttribute.stats,
                "PAD": VportAttribute.pad, "IFINDEX": VportAttribute.ifindex, "NETNSID": VportAttribute.netnsID,
                "UPCALL_STATS": VportAttribute.upcallStats,
            ]
        ),
        (
            "OVS_VPORT_UPCALL_ATTR_",
            ["SUCCESS": VportUpcallAttribute.success, "FAIL": VportUpcallAttribute.fail]
        ),
        (
            "OVS_FLOW_ATTR_",
            [
                "KEY": FlowAttribute.key, "ACTIONS": FlowAttribute.actions, "STATS": FlowAttribute.stats,
                "TCP_FLAGS": FlowAttribute.tcpFlags, "USED": FlowAttribute.used, "CLEAR": FlowAttribute.clear,
                "MASK": FlowAttribute.mask, "PROBE": FlowAttribute.probe, "UFID": FlowAttribute.ufid,
                "UFID_FLAGS": FlowAttribute.ufidFlags, "PAD": FlowAttribute.pad,
            ]
        ),
        (
            "OVS_PACKET_ATTR_",
            [
                "PACKET": PacketAttribute.packet, "KEY": PacketAttribute.key, "ACTIONS": PacketAttribute.actions,
                "USERDATA": PacketAttribute.userdata, "EGRESS_TUN_KEY": PacketAttribute.egressTunnelKey, "UNUSED1": 6,
                "UNUSED2": 7, "PROBE": PacketAttribute.probe, "MRU": PacketAttribute.mru, "LEN": PacketAttribute.length,
                "HASH": PacketAttribute.hash, "UPCALL_PID": PacketAttribute.upcallPortID,
            ]
        ),
        (
            "OVS_KEY_ATTR_",
            [
                "ENCAP": KeyAttribute.encap, "PRIORITY": KeyAttribute.priority, "IN_PORT": KeyAttribute.inPort,
                "ETHERNET": KeyAttribute.ethernet, "VLAN": KeyAttribute.vlan, "ETHERTYPE": KeyAttribute.etherType,
                "IPV4": KeyAttribute.ipv4, "IPV6": KeyAttribute.ipv6, "TCP": KeyAttribute.tcp, "UDP": KeyAttribute.udp,
                "ICMP": KeyAttribute.icmp, "ICMPV6": KeyAttribute.icmpv6, "ARP": KeyAttribute.arp,
                "ND": KeyAttribute.nd,
                "SKB_MARK": KeyAttribute.skbMark, "TUNNEL": KeyAttribute.tunnel, "SCTP": KeyAttribute.sctp,
                "TCP_FLAGS": KeyAttribute.tcpFlags, "DP_HASH": KeyAttribute.dpHash, "RECIRC_ID": KeyAttribute.recircID,
                "MPLS": KeyAttribute.mpls, "CT_STATE": KeyAttribute.ctState, "CT_ZONE": KeyAttribute.ctZone,
                "CT_MARK": KeyAttribute.ctMark, "CT_LABELS": KeyAttribute.ctLabels,
                "CT_ORIG_TUPLE_IPV4": KeyAttribute.ctOrigTupleIPv4, "CT_ORIG_TUPLE_IPV6": KeyAttribute.ctOrigTupleIPv6,
                "NSH": KeyAttribute.nsh, "PACKET_TYPE": KeyAttribute.packetType,
                "ND_EXTENSIONS": KeyAttribute.ndExtensions,
                "TUNNEL_INFO": KeyAttribute.tunnelInfo, "IPV6_EXTHDRS": KeyAttribute.ipv6ExtensionHeaders,
            ]
        ),
        (
            "OVS_TUNNEL_KEY_ATTR_",
            [
                "ID": TunnelKeyAttribute.id, "IPV4_SRC": TunnelKeyAttribute.ipv4Source,
                "IPV4_DST": TunnelKeyAttribute.ipv4Destination, "TOS": TunnelKeyAttribute.tos,
                "TTL": TunnelKeyAttribute.ttl,
                "DONT_FRAGMENT": TunnelKeyAttribute.dontFragment, "CSUM": TunnelKeyAttribute.checksum,
                "OAM": TunnelKeyAttribute.oam, "GENEVE_OPTS": TunnelKeyAttribute.geneveOptions,
                "TP_SRC": TunnelKeyAttribute.sourcePort, "TP_DST": TunnelKeyAttribute.destinationPort,
                "VXLAN_OPTS": TunnelKeyAttribute.vxlanOptions, "IPV6_SRC": TunnelKeyAttribute.ipv6Source,
                "IPV6_DST": TunnelKeyAttribute.ipv6Destination, "PAD": TunnelKeyAttribute.pad,
                "ERSPAN_OPTS": TunnelKeyAttribute.erspanOptions, "IPV4_INFO_BRIDGE": TunnelKeyAttribute.ipv4InfoBridge,
            ]
        ),
        ("OVS_NSH_KEY_ATTR_", ["BASE": NSHKeyAttribute.base, "MD1": NSHKeyAttribute.md1, "MD2": NSHKeyAttribute.md2]),
        (
            "OVS_ACTION_ATTR_",
            [
                "OUTPUT": ActionAttribute.output, "USERSPACE": ActionAttribute.userspace, "SET": ActionAttribute.set,
                "PUSH_VLAN": ActionAttribute.pushVLAN, "POP_VLAN": ActionAttribute.popVLAN,
                "SAMPLE": ActionAttribute.sample,
                "RECIRC": ActionAttribute.recirc, "HASH": ActionAttribute.hash, "PUSH_MPLS": ActionAttribute.pushMPLS,
                "POP_MPLS": ActionAttribute.popMPLS, "SET_MASKED": ActionAttribute.setMasked, "CT": ActionAttribute.ct,
                "TRUNC": ActionAttribute.trunc, "PUSH_ETH": ActionAttribute.pushEthernet,
                "POP_ETH": ActionAttribute.popEthernet, "CT_CLEAR": ActionAttribute.ctClear,
                "PUSH_NSH": ActionAttribute.pushNSH, "POP_NSH": ActionAttribute.popNSH, "METER": ActionAttribute.meter,
                "CLONE": ActionAttribute.clone, "CHECK_PKT_LEN": ActionAttribute.checkPacketLength,
                "ADD_MPLS": ActionAttribute.addMPLS, "DEC_TTL": ActionAttribute.decrementTTL,
                "DROP": ActionAttribute.drop,
                "PSAMPLE": ActionAttribute.psample,
            ]
        ),
        (
            "OVS_USERSPACE_ATTR_",
            [
                "PID": UserspaceAttribute.portID, "USERDATA": UserspaceAttribute.userdata,
                "EGRESS_TUN_PORT": UserspaceAttribute.egressTunnelPort, "ACTIONS": UserspaceAttribute.actions,
            ]
        ),
        (
            "OVS_SAMPLE_ATTR_",
            ["PROBABILITY": SampleAttribute.probability, "ACTIONS": SampleAttribute.actions]
        ),
        (
            "OVS_CHECK_PKT_LEN_ATTR_",
            [
                "PKT_LEN": CheckPacketLengthAttribute.packetLength,
                "ACTIONS_IF_GREATER": CheckPacketLengthAttribute.ifGreater,
                "ACTIONS_IF_LESS_EQUAL": CheckPacketLengthAttribute.ifLessEqual,
            ]
        ),
        ("OVS_DEC_TTL_ATTR_", ["ACTION": DecrementTTLAttribute.action]),
        ("OVS_PSAMPLE_ATTR_", ["GROUP": PsampleAttribute.group, "COOKIE": PsampleAttribute.cookie]),
        (
            "OVS_CT_ATTR_",
            [
                "COMMIT": CTAttribute.commit, "ZONE": CTAttribute.zone, "MARK": CTAttribute.mark,
                "LABELS": CTAttribute.labels,
                "HELPER": CTAttribute.helper, "NAT": CTAttribute.nat, "FORCE_COMMIT": CTAttribute.forceCommit,
                "EVENTMASK": CTAttribute.eventMask, "TIMEOUT": CTAttribute.timeout,
            ]
        ),
        (
            "OVS_NAT_ATTR_",
            [
                "SRC": NATAttribute.source, "DST": NATAttribute.destination, "IP_MIN": NATAttribute.ipMinimum,
                "IP_MAX": NATAttribute.ipMaximum, "PROTO_MIN": NATAttribute.protoMinimum,
                "PROTO_MAX": NATAttribute.protoMaximum, "PERSISTENT": NATAttribute.persistent,
                "PROTO_HASH": NATAttribute.protoHash, "PROTO_RANDOM": NATAttribute.protoRandom,
            ]
        ),
        (
            "OVS_VPORT_TYPE_",
            [
                "NETDEV": UInt16(VportType.netdev.rawValue), "INTERNAL": UInt16(VportType.internal.rawValue),
                "GRE": UInt16(VportType.gre.rawValue), "VXLAN": UInt16(VportType.vxlan.rawValue),
                "GENEVE": UInt16(VportType.geneve.rawValue),
            ]
        ),
        (
            "OVS_METER_ATTR_",
            [
                "ID": MeterAttribute.id, "KBPS": MeterAttribute.kilobits, "STATS": MeterAttribute.stats,
                "BANDS": MeterAttribute.bands, "USED": MeterAttribute.used, "CLEAR": MeterAttribute.clear,
                "MAX_METERS": MeterAttribute.maximumMeters, "MAX_BANDS": MeterAttribute.maximumBands,
                "PAD": MeterAttribute.pad,
            ]
        ),
        (
            "OVS_BAND_ATTR_",
            [
                "TYPE": BandAttribute.type, "RATE": BandAttribute.rate, "BURST": BandAttribute.burst,
                "STATS": BandAttribute.stats,
            ]
        ),
        ("OVS_METER_BAND_TYPE_", ["DROP": UInt16(MeterBandType.drop)]),
        ("OVS_CT_LIMIT_ATTR_", ["ZONE_LIMIT": CTLimitAttribute.zoneLimit]),
        (
            "OVS_FRAG_TYPE_",
            [
                "NONE": UInt16(Fragment.none), "FIRST": UInt16(Fragment.first), "LATER": UInt16(Fragment.later),
            ]
        ),
    ]
    /// Constants that came with later versions of the interface and that a header may lack.
    private static let newer: Set<String> = [
        "OVS_VPORT_ATTR_UPCALL_STATS", "OVS_VPORT_UPCALL_ATTR_SUCCESS", "OVS_VPORT_UPCALL_ATTR_FAIL",
        "OVS_DP_ATTR_IFINDEX",
        "OVS_PACKET_ATTR_UPCALL_PID", "OVS_ACTION_ATTR_DROP", "OVS_ACTION_ATTR_PSAMPLE", "OVS_PSAMPLE_ATTR_GROUP",
        "OVS_PSAMPLE_ATTR_COOKIE",
    ]

    @Test(.enabled(if: isThere)) func attributeNumbersAreThoseOfTheHeader() throws {
        let constants = try Self.constants()
        var compared = 0
        for (prefix, table) in Self.tables {
            for (name, number) in table {
                guard let expected = constants[prefix + name] else {
                    #expect(Self.newer.contains(prefix + name), "\(prefix + name) is not in the header")
                    continue
                }
                #expect(Int(number) == expected, "\(prefix + name)")
                compared += 1
            }
            // And the other way: nothing of the header is missing here.
            let others = constants.keys.filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.count) }
            for name in others where table[String(name)] == nil {
                let isOfLongerPrefix = Self.tables.contains {
                    $0.prefix.count > prefix.count && (prefix + name).hasPrefix($0.prefix)
                }
                let isNone = ["UNSPEC", "MAX"].contains(name)
                #expect(isOfLongerPrefix || isNone, "\(prefix + name) is not known here")
            }
        }
        #expect(compared > 155)
    }

    @Test(.enabled(if: isThere)) func commandNumbersAreThoseOfTheHeader() throws {
        let constants = try Self.constants()
        for prefix in ["OVS_DP_CMD_", "OVS_VPORT_CMD_", "OVS_FLOW_CMD_"] {
            #expect(constants[prefix + "NEW"] == Int(Command.new))
            #expect(constants[prefix + "DEL"] == Int(Command.delete))
            #expect(constants[prefix + "GET"] == Int(Command.get))
            #expect(constants[prefix + "SET"] == Int(Command.set))
        }
        #expect(constants["OVS_PACKET_CMD_MISS"] == Int(PacketCommand.miss))
        #expect(constants["OVS_PACKET_CMD_ACTION"] == Int(PacketCommand.action))
        #expect(constants["OVS_PACKET_CMD_EXECUTE"] == Int(PacketCommand.execute))
        #expect(constants["OVS_METER_CMD_FEATURES"] == Int(MeterCommand.features))
        #expect(constants["OVS_METER_CMD_SET"] == Int(MeterCommand.set))
        #expect(constants["OVS_METER_CMD_DEL"] == Int(MeterCommand.delete))
        #expect(constants["OVS_METER_CMD_GET"] == Int(MeterCommand.get))
        #expect(constants["OVS_CT_LIMIT_CMD_SET"] == Int(CTLimitCommand.set))
        #expect(constants["OVS_CT_LIMIT_CMD_DEL"] == Int(CTLimitCommand.delete))
        #expect(constants["OVS_CT_LIMIT_CMD_GET"] == Int(CTLimitCommand.get))
    }

    /// The names of the fields of a structure, in order, with their sizes.
    private static func fields(_ structure: String) throws -> [(String, Int)] {
        let text = try source()
        guard let begin = text.range(of: "struct \(structure) {"),
            let end = text.range(of: "}", range: begin.upperBound..<text.endIndex)
        else { return [] }
        return text[begin.upperBound..<end.lowerBound].split(separator: ";").compactMap { line in
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count >= 2, let name = words.last else { return nil }
            let size = words[words.count - 2].hasSuffix("64") ? 8 : words[words.count - 2].hasSuffix("32") ? 4 : 0
            return (String(name), size)
        }
    }

    /// Bytes in which every field has its number, counted from 1, as value.
    private static func numbered(_ structure: String) throws -> (names: [String], bytes: [UInt8]) {
        let fields = try fields(structure)
        var bytes: [UInt8] = []
        for (index, field) in fields.enumerated() {
            bytes += field.1 == 8 ? host(UInt64(index + 1)) : host(UInt32(index + 1))
        }
        return (fields.map(\.0), bytes)
    }

    /// The payload of the attribute that `write` writes.
    private func written(_ write: (inout MessageWriter) throws -> Void) throws -> [UInt8] {
        var writer = MessageWriter()
        try write(&writer)
        return Array(writer.bytes.dropFirst(4))
    }

    @Test(.enabled(if: isThere)) func statisticsHaveTheHeadersLayout() throws {
        let datapath = try Self.numbered("ovs_dp_stats")
        let stats = try #require(datapath.bytes.withSpan { DatapathStatistics($0) })
        #expect(datapath.names == ["n_hit", "n_missed", "n_lost", "n_flows"])
        #expect([stats.hit, stats.missed, stats.lost, stats.flows] == [1, 2, 3, 4])
        #expect(try written(stats.write) == datapath.bytes)

        let megaflow = try Self.numbered("ovs_dp_megaflow_stats")
        let megaflowStats = try #require(megaflow.bytes.withSpan { MegaflowStatistics($0) })
        #expect(megaflow.names == ["n_mask_hit", "n_masks", "pad0", "n_cache_hit", "pad1"])
        #expect(megaflowStats.maskHit == 1)
        #expect(megaflowStats.masks == 2)
        #expect(megaflowStats.cacheHit == 4)
        let padded = megaflow.bytes.enumerated().map {
            [12, 24].contains($0.offset & ~3) || $0.offset > 27 ? 0 : $0.element
        }
        #expect(try written(megaflowStats.write) == padded)

        let vport = try Self.numbered("ovs_vport_stats")
        let vportStats = try #require(vport.bytes.withSpan { VportStatistics($0) })
        #expect(
            vport.names == [
                "rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_errors", "tx_errors", "rx_dropped",
                "tx_dropped",
            ])
        #expect(
            [
                vportStats.receivedPackets, vportStats.transmittedPackets, vportStats.receivedBytes,
                vportStats.transmittedBytes, vportStats.receiveErrors, vportStats.transmitErrors,
                vportStats.receiveDropped,
                vportStats.transmitDropped,
            ] == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(try written(vportStats.write) == vport.bytes)

        let flow = try Self.numbered("ovs_flow_stats")
        let flowStats = try #require(flow.bytes.withSpan { FlowStatistics($0) })
        #expect(flow.names == ["n_packets", "n_bytes"])
        #expect([flowStats.packets, flowStats.octets] == [1, 2])
        #expect(try written { try flowStats.write(to: &$0) } == flow.bytes)
    }
}

extension [UInt8] {
    /// What `body` makes of the bytes. The testing macros cannot take a span themselves.
    func withSpan<T>(_ body: (RawSpan) -> T) -> T { body(rawSpan) }
}
