@testable import OpenvSwitch

/// `docs/flow-language.md`, made from the tables of keys and actions.
enum FlowLanguageDocument {
    static var text: String {
        var lines = introduction
        lines += ["", "## Keys", ""] + overview
        for row in KeyTable.rows.sorted(by: { $0.type < $1.type }) { lines += key(row) }
        lines += ["", "## Actions", ""] + actionOverview
        for row in ActionTable.rows { lines += action(row) }
        return lines.joined(separator: "\n") + "\n"
    }

    private static let introduction = [
        "# The flow language", "",
        "Every key attribute and every action of the datapath interface (`linux/openvswitch.h`), as this datapath reads, checks, carries out and writes them, with the text that `ovs-dpctl` and `martlet dpctl` print and take.",
        "",
        "This page is made by `scripts/make-flow-language` from the tables in `Sources/OpenvSwitch/FlowLanguage`, by which requests are read and checked. Do not edit it; a test fails if it is not up to date.",
        "",
        "Numbers in a payload are in network byte order unless it says otherwise. Every refusal is `EINVAL` unless it says otherwise, and comes with a sentence and the place of the attribute at fault.",
    ]

    private static let overview =
        [
            "A key (`OVS_FLOW_ATTR_KEY`) is a run of attributes, in any order; the datapath writes them in the order of the table below. A length other than the one given, an attribute that is unknown or stands twice (also once beside and once inside ENCAP), and bytes behind the last attribute are refused.",
            "",
            "A mask (`OVS_FLOW_ATTR_MASK`) has the same attributes; a bit that is 1 is compared. An attribute whose payload is all zero counts as absent, and what is absent is not compared. Always compared are whether there is an Ethernet header, both VLAN tags unless the mask narrows their TCI, and the tunnel's IP version if the mask has TUNNEL. Without a mask everything is compared that the key has.",
            "",
            "| no. | attribute | text | bytes | in a key | in a mask | set |", "|---|---|---|---|---|---|---|",
        ]
        + KeyTable.rows.map { row in
            let name = row.name.isEmpty ? "" : "`\(row.name)(…)`"
            let size = row.size.map { $0 == 0 ? "" : String($0) } ?? "varies"
            return
                "| \(row.type) | `\(row.constant)` | \(name) | \(size) | \(row.presence.keyRule) | \(row.presence.maskRule) | \(row.setting.rule ?? "no") |"
        }

    private static func key(_ row: KeyDescription) -> [String] {
        var lines = ["", "### \(row.constant)", "", row.meaning]
        switch row.payload {
        case .fields(_, let fields): lines += self.fields(fields)
        case .labelStack:
            lines += [
                "", "Each entry: `label` (20 bits), `tc` (3), `bos` (1), `ttl` (8).",
            ]
        case .nested(let rows): lines += nested(rows)
        case .keys, .none: break
        }
        return lines
    }

    private static func fields(_ fields: [KeyField]) -> [String] {
        ["", "| byte | bytes | field | |", "|---|---|---|---|"]
            + fields.map { field in
                let limit = field.fault.isEmpty ? "" : "; refused if \(field.fault)"
                let name = field.name.isEmpty ? "" : "`\(field.name)`"
                return "| \(field.offset) | \(field.form.size) | \(name) | \(field.form.words)\(limit) |"
            }
    }

    static func nested(_ rows: [AttributeDescription]) -> [String] {
        ["", "| no. | attribute | text | payload | |", "|---|---|---|---|---|"]
            + rows.sorted { $0.type < $1.type }.map { row in
                let fields = row.fields.filter { !$0.name.isEmpty }
                let name = row.name.isEmpty ? fields.map { "`\($0.name)`" }.joined(separator: ", ") : "`\(row.name)`"
                return "| \(row.type) | `\(row.constant)` | \(name) | \(payload(row.payload)) | \(row.meaning) |"
            }
    }

    // MARK: Actions

    private static let actionOverview =
        [
            "A list of actions (`OVS_FLOW_ATTR_ACTIONS`) is carried out in order. It is checked as a whole when it comes, against the flow's key without the bits outside the mask; an empty list drops the packet. Lists may be nested 16 levels deep, more is `EOVERFLOW`. What a list inside another changes ends with it. An action that fails on a packet, because a header that it needs is not there, drops it.",
            "",
            "| no. | action | text | |", "|---|---|---|---|",
        ]
        + ActionTable.rows.map { row in
            let support =
                switch row.support {
                case .complete: ""
                case .partial(let sentence): sentence
                case .refused(let errno, let sentence):
                    "not carried out, refused with `\(Errno.name(errno))`: \(sentence)"
                }
            return "| \(row.type) | `\(row.constant)` | `\(row.example)` | \(support) |"
        }

    private static func action(_ row: ActionDescription) -> [String] {
        var lines = ["", "### \(row.constant)", "", row.meaning]
        if !row.rules.isEmpty {
            lines += ["", "Rules: " + row.rules.map(\.sentence).joined(separator: "; ") + "."]
        }
        if !row.effects.isEmpty {
            lines += ["", "Behind it: " + row.effects.map(\.sentence).joined(separator: "; ") + "."]
        }
        switch row.payload {
        case .fields(let size, let fields): lines += actionFields(size, fields)
        case .nested(let nest): lines += nested(nest)
        case .actions: lines += ["", "Its payload is the list."]
        case .key: lines += ["", "Its payload is one key attribute."]
        case .maskedKey:
            lines += [
                "",
                "Its payload is one key attribute of twice its length: the value, then the mask. In `OVS_KEY_ATTR_NSH` the attributes inside are twice as long.",
            ]
        case .networkServiceHeader:
            lines += ["", "Its payload is one `OVS_KEY_ATTR_NSH`, with a base and the metadata of its type."]
        }
        return lines
    }

    private static func actionFields(_ size: Int, _ fields: [ActionField]) -> [String] {
        guard size > 0 else { return ["", "It has no payload."] }
        return ["", "| byte | bytes | field | |", "|---|---|---|---|"]
            + fields.map { field in
                let order =
                    switch field.form {
                    case .host16, .host32: ["host byte order"]
                    case .network16, .network32, .ethernet: [] as [String]
                    }
                let rest = (order + [field.rule].compactMap(\.self)).joined(separator: "; ")
                return "| \(field.offset) | \(field.form.size) | \(field.name) | \(rest) |"
            }
    }

    private static func nested(_ nest: AttributeNest) -> [String] {
        var lines = nested(nest.attributes)
        let required = nest.attributes.filter(\.isRequired).map { "`\($0.constant)`" }
        lines += ["", strictness(nest.rules)]
        if !required.isEmpty { lines += ["", "Needed: " + required.joined(separator: ", ") + "."] }
        for row in nest.attributes {
            guard let inner = nest.inner[row.type] else { continue }
            lines += ["", "Inside `\(row.constant)`:"] + nested(inner.attributes)
        }
        return lines
    }

    private static func strictness(_ rules: AttributeNest.Rules) -> String {
        var words = rules.contains(.onlyKnown) ? "Unknown attributes are refused" : "Unknown attributes are ignored"
        if rules.contains(.ignoresHigher) { words += " (those with higher numbers are ignored)" }
        words += rules.contains(.once) ? "; none may stand twice" : "; of several the last counts"
        words +=
            rules.contains(.exact) ? "; lengths are exact" : "; a number may be longer, and a shorter one is `ERANGE`"
        if !rules.contains(.noRest) { words += "; bytes behind the last are ignored" }
        if rules.contains(.marked) { words += "; the action must have the flag `NLA_F_NESTED`" }
        return words + "."
    }

    static func payload(_ payload: AttributeDescription.Payload) -> String {
        switch payload {
        case .flag: "nothing"
        case .exactly(let size): size == 1 ? "1 byte" : "\(size) bytes"
        case .between(let least, let most): "\(least) to \(most) bytes"
        case .string(let maximum): "a string with its NUL, at most \(maximum) bytes"
        case .nested: "attributes"
        case .actions: "a list of actions"
        }
    }
}
