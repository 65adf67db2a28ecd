import Netlink
import OpenvSwitch

// Connection tracking: what is inside the action, checked in the order in which the kernel reads it.

extension ActionCompiler {
    /// What the attributes read so far have said.
    private struct Connection {
        var isCommitted = false
        /// There was address translation, of a kind or as the connection was committed with.
        var hasNAT = false
        /// There was a range of addresses or ports, or a flag that says how one is chosen.
        var hasRange = false
    }

    /// Validates `OVS_ACTION_ATTR_CT`.
    func connectionTracking(_ action: Attribute) throws(RequestError) {
        let nest = ActionTable.ct
        let name = ActionTable.name(action.type)
        var connection = Connection()
        var marks = AttributeSet(empty: action.nested)
        var run = action.nested
        while let attribute = try nest.next(&run, in: name) {
            guard try nest.isKnown(attribute, in: name) else { continue }
            switch attribute.type {
            case CTAttribute.commit, CTAttribute.forceCommit: connection.isCommitted = true
            case CTAttribute.mark, CTAttribute.labels:
                let half = attribute.payload.byteCount / 2
                guard !attribute.payload.clamped(from: half).isAllZero else {
                    throw nest.fault("the mask must not be 0", attribute, in: name)
                }
                marks.insert(attribute)
            case CTAttribute.nat: try translation(attribute, &connection, in: name)
            default: break
            }
        }
        guard !connection.isCommitted else { return }
        if let mark = marks[CTAttribute.mark] { throw nest.fault("a mark needs commit", mark, in: name) }
        if let labels = marks[CTAttribute.labels] { throw nest.fault("labels need commit", labels, in: name) }
    }

    /// Validates `OVS_CT_ATTR_NAT`.
    private func translation(
        _ holder: Attribute, _ connection: inout Connection, in name: String
    ) throws(RequestError) {
        let nest = ActionTable.nat
        let addressSize = key.etherType == EtherType.ipv6 ? 16 : 4
        var run = holder.nested
        while let attribute = try nest.next(&run, in: name) {
            guard try nest.isKnown(attribute, in: name) else { continue }
            switch attribute.type {
            case NATAttribute.source, NATAttribute.destination:
                guard !connection.hasNAT else {
                    throw nest.fault(
                        "only one kind of translation is possible", attribute, errno: Errno.range, in: name)
                }
                connection.hasNAT = true
            case NATAttribute.ipMinimum, NATAttribute.ipMaximum:
                guard attribute.payload.byteCount == addressSize else {
                    throw nest.fault("an address of this flow has \(addressSize) bytes", attribute, in: name)
                }
                connection.hasRange = true
            default: connection.hasRange = true
            }
        }
        if connection.hasNAT {
            guard connection.isCommitted else {
                throw ActionTable.ct.fault("a kind of translation needs commit before it", holder, in: name)
            }
        } else {
            guard !connection.hasRange else {
                throw ActionTable.ct.fault("a range of addresses or ports needs src or dst", holder, in: name)
            }
            connection.hasNAT = true
        }
    }
}
