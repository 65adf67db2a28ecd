import Netlink
import OpenvSwitch

// What the row of an action says: its length, the values of its fields, what must be true of the packet and what is known
// behind it.

extension ActionCompiler {
    /// Checks what the row of an action says of it.
    func check(
        _ row: ActionDescription, _ action: Attribute, _ current: Current, isLast: Bool
    ) throws(RequestError) {
        if let size = row.size, size != action.payload.byteCount {
            throw fault(size == 0 ? "there must be no payload" : "the payload must be \(size) bytes", action)
        }
        try check(rules: row.rules, action, current, isLast: isLast)
        for index in row.fields.indices {
            if let rule = row.fields[index].rule(brokenBy: action.payload) { throw fault(rule, action) }
        }
    }

    /// Checks what must be true where an action stands.
    func check(
        rules: [ActionDescription.Rule], _ action: Attribute, _ current: Current, isLast: Bool = false
    ) throws(RequestError) {
        for rule in rules where !isKept(rule, current, isLast: isLast) { throw fault(rule.sentence, action) }
    }

    private func isKept(_ rule: ActionDescription.Rule, _ current: Current, isLast: Bool) -> Bool {
        switch rule {
        case .ethernetHeader: current.hasEthernet
        case .noEthernetHeader: !current.hasEthernet
        case .noVLANTag: !current.hasVLAN
        case .etherTypes(let types): types.contains(current.etherType)
        case .flowEtherTypes(let types): types.contains(key.etherType)
        case .last: isLast
        case .other: true
        }
    }

    /// What is known behind an action.
    func apply(_ effects: [ActionDescription.Effect], _ current: inout Current) {
        for effect in effects {
            switch effect {
            case .ethernetHeader(let isThere): current.hasEthernet = isThere
            case .vlanTag(let isThere): current.hasVLAN = isThere
            case .other: break
            }
        }
    }

    /// The error of a valid action that this datapath does not carry out.
    func refusal(_ row: ActionDescription, _ action: Attribute) -> RequestError {
        guard case .refused(let errno, let sentence) = row.support else {
            return fault("this datapath does not support the action", action)
        }
        var error = fault(sentence, action)
        error.errno = errno
        return error
    }

    // MARK: Faults

    /// A fault of an action.
    func fault(_ sentence: String, _ action: Attribute) -> RequestError {
        RequestError(
            Errno.invalid,
            "flow actions: \(ActionTable.name(action.type)): \(sentence) (\(ActionTable.constant(action.type)))",
            offset: action.offset)
    }

    /// A fault of the key attribute in an action.
    func fault(_ sentence: String, _ action: Attribute, field: Attribute) -> RequestError {
        RequestError(
            Errno.invalid,
            "flow actions: \(ActionTable.name(action.type)): \(sentence) (\(KeyTable.constant(field.type)))",
            offset: field.offset)
    }
}

extension ActionDescription {
    /// The value of a field, by its place in `fields`.
    func value<T: FixedWidthInteger>(_ index: Int, _ action: Attribute) -> T {
        T(truncatingIfNeeded: fields[index].value(action.payload))
    }
}
