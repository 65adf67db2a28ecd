import DPIF
import Netlink
import NetlinkSocket
import OpenvSwitch

extension DPCtl {
    /// `dump-flows [DP]`.
    func dumpFlows(_ arguments: [String]) throws {
        var datapath: String?
        for argument in arguments {
            if ["filter=", "type=", "pmd="].contains(where: { argument.hasPrefix($0) }) {
                let key = argument.prefix { $0 != "=" }
                throw CommandError("\(key)= is not supported", advice: "take grep, or --json and jq")
            }
            guard datapath == nil else { throw CommandError("dump-flows takes one datapath") }
            datapath = argument
        }
        let dpif = try openOnly(datapath)
        let names = options.printsNames ? try portNames(dpif) : nil
        var flows: [FlowMessage] = []
        do {
            try dpif.dumpFlows { flow in flows.append(flow) }
        } catch { throw CommandError("Failed to dump flows from datapath", error) }
        if options.json {
            return try output.writeLine(.array(flows.map { document($0, names) }))
        }
        try output.write(flows.map { line($0, names) + "\n" }.joined())
    }

    /// `get-flow [DP] ufid:UFID`.
    func getFlow(_ arguments: [String]) throws {
        let (datapath, rest) = try Self.split(arguments, 1, "get-flow")
        let ufid: UFID
        do {
            let bytes = try UFIDText.parse(rest[0])
            guard let parsed = UFID(bytes) else { throw FlowTextError("expected 16 bytes", at: 0) }
            ufid = parsed
        } catch { throw CommandError("parsing flow ufid", reason: "Invalid argument", advice: "\(error)") }
        let dpif = try openOnly(datapath)
        let flow: FlowMessage
        do { flow = try dpif.flow(.ufid(ufid)) } catch { throw CommandError("getting flow", error) }
        let names = options.printsNames ? try portNames(dpif) : nil
        try options.json ? output.writeLine(document(flow, names)) : output.writeLine(line(flow, names))
    }

    /// `add-flow [DP] FLOW ACTIONS`.
    func addFlow(_ arguments: [String]) throws {
        let (datapath, rest) = try Self.split(arguments, 2, "add-flow")
        try putFlow(try openOnly(datapath), rest[0], rest[1], .create)
    }

    /// `mod-flow [DP] FLOW ACTIONS`.
    func modifyFlow(_ arguments: [String]) throws {
        let (datapath, rest) = try Self.split(arguments, 2, "mod-flow")
        try putFlow(try openOnly(datapath), rest[0], rest[1], options.mayCreate ? .createOrModify : .modify)
    }

    /// `del-flow [DP] FLOW|ufid:UFID`.
    func deleteFlow(_ arguments: [String]) throws {
        let (datapath, rest) = try Self.split(arguments, 1, "del-flow")
        try deleteFlow(try openOnly(datapath), rest[0])
    }

    /// `del-flows [DP]`: all of them.
    func deleteFlows(_ argument: String?) throws {
        let dpif = try openOnly(argument)
        do { try dpif.flushFlows() } catch { throw CommandError("deleting all flows", error) }
        try confirm(["datapath": .string(dpif.name)])
    }

    // MARK: Inside

    /// A datapath's name, if it is given, and the arguments behind it.
    private static func split(
        _ arguments: [String], _ count: Int, _ command: String
    ) throws(CommandError) -> (String?, [String]) {
        switch arguments.count {
        case count: return (nil, arguments)
        case count + 1: return (arguments[0], Array(arguments.dropFirst()))
        default: throw CommandError("'\(command)' takes \(count) or \(count + 1) arguments")
        }
    }

    /// What a flow's text says.
    private struct FlowArgument {
        var ufid: UFID?
        var key: [UInt8]
        var mask: [UInt8]

        init(_ text: String, _ names: PortNames) throws(CommandError) {
            do throws(FlowTextError) {
                let end = text.firstIndex { $0 == "," || $0 == " " } ?? text.endIndex
                if text.hasPrefix("ufid:") {
                    ufid = UFID(try UFIDText.parse(String(text[..<end])))
                }
                // The identifier alone names a flow.
                let isAlone = ufid != nil && text[end...].allSatisfy { $0 == "," || $0 == " " }
                (key, mask) = isAlone ? ([], []) : try FlowText.parseKey(text) { names.numbers[$0] }
            } catch { throw CommandError("parsing flow key", reason: "Invalid argument", advice: "\(error)") }
        }

        var identity: FlowIdentity { ufid.map { .ufid($0) } ?? .key(key) }
    }

    private func putFlow(_ dpif: NetlinkDPIF, _ text: String, _ actions: String, _ mode: FlowPut.Mode) throws {
        let names = try portNames(dpif)
        let flow = try FlowArgument(text, names)
        let actionBytes: [UInt8]
        do { actionBytes = try ActionText.parseActions(actions) { names.numbers[$0] } } catch {
            throw CommandError("parsing actions", reason: "Invalid argument", advice: "\(error)")
        }
        // The statistics that are printed are those from before the change.
        var before: FlowMessage?
        if options.statistics, mode != .create { before = try? dpif.flow(flow.identity) }
        var put = FlowPut(key: flow.key, mask: flow.mask, actions: actionBytes, ufid: flow.ufid, mode: mode)
        put.clearStatistics = options.clear
        do { try dpif.putFlow(put) } catch { throw CommandError("updating flow table", error) }
        if options.clear, mode == .createOrModify, before != nil || (try? dpif.flow(flow.identity)) != nil {
            // Making or changing keeps the statistics; they are cleared by a change.
            put.mode = .modify
            do { try dpif.putFlow(put) } catch { throw CommandError("updating flow table", error) }
        }
        let stats = before ?? FlowMessage(command: Command.get, datapathIfindex: dpif.ifindex)
        if options.json {
            return try confirm(["datapath": .string(dpif.name), "statistics": .object(statistics(stats))])
        }
        if options.statistics { try output.writeLine(statisticsText(stats)) }
    }

    private func deleteFlow(_ dpif: NetlinkDPIF, _ text: String) throws {
        let flow = try FlowArgument(text, try portNames(dpif))
        let deleted: FlowMessage
        do { deleted = try dpif.deleteFlow(flow.identity) } catch {
            var words = CommandError("deleting flow", error)
            if error.errno == Errno.noEntry, flow.ufid == nil { words.advice = "Perhaps you need to specify a UFID?" }
            throw words
        }
        if options.json {
            return try confirm(["datapath": .string(dpif.name), "statistics": .object(statistics(deleted))])
        }
        if options.statistics { try output.writeLine(statisticsText(deleted)) }
    }

    // MARK: Text

    private func statisticsText(_ flow: FlowMessage) -> String {
        FlowStatisticsText.format(
            packets: flow.stats?.packets ?? 0, bytes: flow.stats?.octets ?? 0, used: flow.used, now: host.now(),
            tcpFlags: UInt16(flow.tcpFlags ?? 0))
    }

    /// A line of `dump-flows`.
    func line(_ flow: FlowMessage, _ names: PortNames?) -> String {
        var text = ""
        if options.more, let ufid = flow.ufid { text += UFIDText.format(ufid.bytes.rawSpan) + ", " }
        text += keyText(flow, names) + ", " + statisticsText(flow)
        if options.more { text += ", dp:ovs" }
        return text + ", actions:" + actionText(flow, names)
    }

    private func keyText(_ flow: FlowMessage, _ names: PortNames?) -> String {
        let key = flow.key ?? []
        let mask = flow.mask ?? []
        let portName = names.map { names in { (number: UInt32) in names.names[number] } }
        return FlowText.key(
            key.rawSpan, mask: mask.isEmpty ? nil : mask.rawSpan, verbose: options.more, portName: portName)
    }

    private func actionText(_ flow: FlowMessage, _ names: PortNames?) -> String {
        let actions = flow.actions ?? []
        return ActionText.actions(actions.rawSpan, portName: names.map { names in { names.names[$0] } })
    }

    // MARK: JSON

    private func statistics(_ flow: FlowMessage) -> [String: JSON] {
        let now = host.now()
        return [
            "packets": .number(flow.stats?.packets ?? 0), "bytes": .number(flow.stats?.octets ?? 0),
            "used": flow.used.map { .seconds(milliseconds: now > $0 ? now - $0 : 0) } ?? .null,
            "flags": .string(flow.tcpFlags.map { FlowStatisticsText.tcpFlags(UInt16($0)) }),
        ]
    }

    private func document(_ flow: FlowMessage, _ names: PortNames?) -> JSON {
        .object(
            statistics(flow).merging([
                "ufid": .string(flow.ufid.map { UFIDText.format($0.bytes.rawSpan) }),
                "match": .string(keyText(flow, names)),
                "actions": .string(actionText(flow, names)),
            ]) { $1 })
    }
}
