@testable import OpenvSwitch

/// `docs/flow-language.md`, made from the tables of keys and actions.
enum FlowLanguageDocument {
    static var text: String {
        var lines = introduction
        lines += ["", "## Keys", ""] + overview
        for row in KeyTable.rows.sorted(by: { $0.type < $1.type }) { lines += key(row) }
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

    static func payload(_ payload: AttributeDescription.Payload) -> String {
        switch payload {
        case .flag: "nothing"
        case .exactly(let size): "\(size) bytes"
        case .between(let least, let most): "\(least) to \(most) bytes"
        case .string(let maximum): "a string with its NUL, at most \(maximum) bytes"
        case .nested: "attributes"
        case .actions: "a list of actions"
        }
    }
}
