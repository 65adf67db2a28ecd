import DPIF
import NetlinkSocket
import OpenvSwitch

extension DPCtl {
    /// `show [DP...]`.
    func show(_ arguments: [String]) throws -> Bool {
        var isWhole = true
        var text = ""
        var documents: [JSON] = []
        for argument in arguments.isEmpty ? try datapaths().compactMap(\.name) : arguments {
            do throws(CommandError) {
                let dpif = try open(argument)
                let information = try information(dpif)
                let ports = try ports(dpif)
                if options.json {
                    documents.append(Self.document(information, ports))
                } else {
                    text += describe(information, ports)
                }
            } catch {
                try complain(error)
                isWhole = false
            }
        }
        if options.json { try output.writeLine(.array(documents)) } else { try output.write(text) }
        return isWhole
    }

    // MARK: Text

    /// What `show` prints of a datapath.
    func describe(_ datapath: DatapathMessage, _ ports: [VportMessage]) -> String {
        var text = "system@\(datapath.name ?? ""):\n"
        if let stats = datapath.stats {
            text += "  lookups: hit:\(stats.hit) missed:\(stats.missed) lost:\(stats.lost)\n"
            text += "  flows: \(stats.flows)\n"
            if let megaflows = datapath.megaflowStats {
                let packets = stats.hit &+ stats.missed
                func ratio(_ count: UInt64) -> Double { packets == 0 ? 0 : Double(count) / Double(packets) }
                let perPacket = NumberText.fixed(ratio(megaflows.maskHit), decimals: 2)
                text += "  masks: hit:\(megaflows.maskHit) total:\(megaflows.masks) hit/pkt:\(perPacket)\n"
                if megaflows.cacheHit != 0 {
                    let rate = NumberText.fixed(ratio(megaflows.cacheHit) * 100, decimals: 2)
                    text += "  cache: hit:\(megaflows.cacheHit) hit-rate:\(rate)%\n"
                }
            }
        }
        if let size = datapath.masksCacheSize { text += "  caches:\n    masks-cache: size:\(size)\n" }
        for port in ports {
            text += "  port \(port.portNumber ?? 0): \(port.name ?? "")"
            let type = port.typeName
            // A tunnel's device says of itself only which packets it takes.
            if type != "system" { text += type == "internal" ? " (internal)" : " (\(type): packet_type=ptap)" }
            text += "\n"
            if options.statistics { text += describe(port) }
        }
        return text
    }

    private func describe(_ port: VportMessage) -> String {
        guard let stats = port.stats else { return "" }
        let counters = port.name.flatMap { host.counters($0, port.ifindex ?? 0) }
        func known(_ value: UInt64?) -> String { value.map { "\($0)" } ?? "?" }
        var text = "    RX packets:\(stats.receivedPackets) errors:\(stats.receiveErrors)"
        text += " dropped:\(stats.receiveDropped) overruns:\(known(counters?.overruns))"
        text += " frame:\(known(counters?.frameErrors))\n"
        text += "    TX packets:\(stats.transmittedPackets) errors:\(stats.transmitErrors)"
        text += " dropped:\(stats.transmitDropped) aborted:\(known(counters?.aborted))"
        text += " carrier:\(known(counters?.carrierErrors))\n"
        text += "    collisions:\(known(counters?.collisions))\n"
        text += "    RX bytes:\(stats.receivedBytes)\(NumberText.humanSize(stats.receivedBytes))"
        text += "  TX bytes:\(stats.transmittedBytes)\(NumberText.humanSize(stats.transmittedBytes))\n"
        if let upcalls = port.upcallStats {
            text += "    UPCALL packets:\(upcalls.success) errors:\(upcalls.fail)\n"
        }
        return text
    }

    // MARK: JSON

    private static func document(_ datapath: DatapathMessage, _ ports: [VportMessage]) -> JSON {
        var members: [String: JSON] = [
            "datapath": .string(datapath.name), "type": "system",
            "ifindex": .number(UInt32(bitPattern: datapath.datapathIfindex)),
            "ports": .array(ports.map { document($0) }),
        ]
        if let stats = datapath.stats {
            members["lookups"] = .object([
                "hit": .number(stats.hit), "missed": .number(stats.missed), "lost": .number(stats.lost),
            ])
            members["flows"] = .number(stats.flows)
        }
        if let megaflows = datapath.megaflowStats {
            members["masks"] = .object(["hit": .number(megaflows.maskHit), "total": .number(megaflows.masks)])
            members["cache"] = .object(["hit": .number(megaflows.cacheHit)])
        }
        if let size = datapath.masksCacheSize { members["caches"] = .object(["masks-cache": .number(size)]) }
        return .object(members)
    }

    static func document(_ port: VportMessage) -> JSON {
        var members: [String: JSON] = [
            "number": port.portNumber.map { .number($0) } ?? .null, "name": .string(port.name),
            "type": .string(port.typeName),
        ]
        if let ifindex = port.ifindex { members["ifindex"] = .number(ifindex) }
        if let stats = port.stats {
            members["statistics"] = .object([
                "rx_packets": .number(stats.receivedPackets), "tx_packets": .number(stats.transmittedPackets),
                "rx_bytes": .number(stats.receivedBytes), "tx_bytes": .number(stats.transmittedBytes),
                "rx_errors": .number(stats.receiveErrors), "tx_errors": .number(stats.transmitErrors),
                "rx_dropped": .number(stats.receiveDropped), "tx_dropped": .number(stats.transmitDropped),
            ])
        }
        if let upcalls = port.upcallStats {
            members["upcalls"] = .object(["packets": .number(upcalls.success), "errors": .number(upcalls.fail)])
        }
        return .object(members)
    }
}

extension VportMessage {
    /// The port's type as `ovs-dpctl` calls it. The device of a tunnel is known by its name.
    var typeName: String {
        switch type {
        case .netdev?:
            let tunnels = [
                ("vxlan_sys", "vxlan"), ("genev_sys", "geneve"), ("gre_sys", "gre"), ("ip6gre_sys", "ip6gre"),
                ("erspan_sys", "erspan"), ("ip6erspan_sys", "ip6erspan"), ("lisp_sys", "lisp"), ("stt_sys", "stt"),
                ("gtpu_sys", "gtpu"), ("bareudp_sys", "bareudp"),
            ]
            let name = name ?? ""
            return tunnels.first { name.hasPrefix($0.0) }?.1 ?? "system"
        case .internal?: return "internal"
        case .gre?: return "gre"
        case .vxlan?: return "vxlan"
        case .geneve?: return "geneve"
        case let other: return other.map { "unknown \($0.rawValue)" } ?? "unknown"
        }
    }
}
