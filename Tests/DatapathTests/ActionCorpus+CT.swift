import OpenvSwitch

// One row or more for each rule of connection tracking.

private typealias C = CTAttribute
private typealias N = NATAttribute

private func ct(_ attributes: [UInt8]...) -> [UInt8] { attribute(ActionAttribute.ct, attributes.flatMap { $0 }) }
private func nat(_ attributes: [UInt8]...) -> [UInt8] { attribute(C.nat, attributes.flatMap { $0 }) }
private let commit = attribute(C.commit, [])
private let src = attribute(N.source, [])
private let dst = attribute(N.destination, [])
private let mark = attribute(C.mark, host(UInt32(1)) + host(UInt32(1)))
private let notYet = "ct: connection tracking is not there yet (OVS_ACTION_ATTR_CT)"

extension ActionCase {
    /// A list that is valid, and refused as it is not carried out.
    private static func valid(_ rule: String, _ key: String, _ actions: [UInt8]) -> ActionCase {
        .no(rule, key, actions, notYet)
    }

    static let connections: [ActionCase] = [
        valid("CT: nothing", Keys.tcp4, ct()), valid("CT: IPv6", Keys.tcp6, ct()),
        .no("CT: of IPv4 and IPv6", Keys.arp, ct(), "ct: the flow must be IPv4 or IPv6 (OVS_ACTION_ATTR_CT)"),
        .no(
            "CT: by the flow's EtherType, whatever was pushed", Keys.tcp4,
            attribute(ActionAttribute.pushMPLS, [0, 0, 0, 1, 0x88, 0x47, 0, 0]) + ct(), notYet, at: 12),
        .no(
            "CT: known attributes", Keys.tcp4, ct(attribute(10, [])), "ct: the attribute is not known (attribute 10)",
            at: 4),
        .no("CT: 0 is none", Keys.tcp4, ct(attribute(0, [])), "ct: the attribute is not known (attribute 0)", at: 4),
        .no(
            "CT: nothing behind the last", Keys.tcp4, ct(commit, [1]),
            "ct: inside, there are bytes behind the last attribute", at: 8),
        .no(
            "COMMIT: no payload", Keys.tcp4, ct(attribute(C.commit, [1])),
            "ct: there must be no payload (OVS_CT_ATTR_COMMIT)", at: 4),
        .no(
            "FORCE_COMMIT: no payload", Keys.tcp4, ct(attribute(C.forceCommit, [1])),
            "ct: there must be no payload (OVS_CT_ATTR_FORCE_COMMIT)", at: 4),
        valid("COMMIT, FORCE_COMMIT: both", Keys.tcp4, ct(commit, attribute(C.forceCommit, []))),
        valid("ZONE: of two the last counts", Keys.tcp4, ct(attribute(C.zone, [1, 0]), attribute(C.zone, [2, 0]))),
        .no(
            "ZONE: 2 bytes", Keys.tcp4, ct(attribute(C.zone, [1, 0, 0, 0])),
            "ct: the payload must be 2 bytes (OVS_CT_ATTR_ZONE)", at: 4),
        valid("MARK", Keys.tcp4, ct(commit, mark)), valid("MARK: before commit", Keys.tcp4, ct(mark, commit)),
        valid("MARK: with force_commit", Keys.tcp4, ct(mark, attribute(C.forceCommit, []))),
        .no("MARK: needs commit", Keys.tcp4, ct(mark), "ct: a mark needs commit (OVS_CT_ATTR_MARK)", at: 4),
        .no(
            "MARK: a mask", Keys.tcp4, ct(commit, attribute(C.mark, host(UInt32(1)) + host(UInt32(0)))),
            "ct: the mask must not be 0 (OVS_CT_ATTR_MARK)", at: 8),
        .no(
            "MARK: 8 bytes", Keys.tcp4, ct(commit, attribute(C.mark, host(UInt32(1)))),
            "ct: the payload must be 8 bytes (OVS_CT_ATTR_MARK)", at: 8),
        valid("LABELS", Keys.tcp4, ct(commit, attribute(C.labels, .init(repeating: 1, count: 32)))),
        .no(
            "LABELS: need commit", Keys.tcp4, ct(attribute(C.labels, .init(repeating: 1, count: 32))),
            "ct: labels need commit (OVS_CT_ATTR_LABELS)", at: 4),
        .no(
            "LABELS: a mask", Keys.tcp4,
            ct(commit, attribute(C.labels, .init(repeating: 1, count: 16) + .init(repeating: 0, count: 16))),
            "ct: the mask must not be 0 (OVS_CT_ATTR_LABELS)", at: 8),
        .no(
            "LABELS: 32 bytes", Keys.tcp4, ct(commit, attribute(C.labels, .init(repeating: 1, count: 16))),
            "ct: the payload must be 32 bytes (OVS_CT_ATTR_LABELS)", at: 8),
        valid("HELPER", Keys.tcp4, ct(commit, attribute(C.helper, Array("ftp".utf8) + [0]))),
        .no(
            "HELPER: ends with a NUL", Keys.tcp4, ct(attribute(C.helper, Array("ftp".utf8))),
            "ct: the string must end with a NUL (OVS_CT_ATTR_HELPER)", at: 4),
        .no(
            "HELPER: 16 bytes", Keys.tcp4, ct(attribute(C.helper, .init(repeating: 65, count: 16) + [0])),
            "ct: the payload must be 1 to 16 bytes (OVS_CT_ATTR_HELPER)", at: 4),
        valid("EVENTMASK", Keys.tcp4, ct(attribute(C.eventMask, host(UInt32.max)))),
        .no(
            "EVENTMASK: 4 bytes", Keys.tcp4, ct(attribute(C.eventMask, [1])),
            "ct: the payload must be 4 bytes (OVS_CT_ATTR_EVENTMASK)", at: 4),
        valid("TIMEOUT: the policy need not be there", Keys.tcp4, ct(attribute(C.timeout, Array("tp".utf8) + [0]))),
        .no(
            "TIMEOUT: ends with a NUL", Keys.tcp4, ct(attribute(C.timeout, Array("tp".utf8))),
            "ct: the string must end with a NUL (OVS_CT_ATTR_TIMEOUT)", at: 4),
        .no(
            "TIMEOUT: 32 bytes", Keys.tcp4, ct(attribute(C.timeout, .init(repeating: 65, count: 32) + [0])),
            "ct: the payload must be 1 to 32 bytes (OVS_CT_ATTR_TIMEOUT)", at: 4),
        .no(
            "TIMEOUT: not empty", Keys.tcp4, ct(attribute(C.timeout, [])),
            "ct: the payload must be 1 to 32 bytes (OVS_CT_ATTR_TIMEOUT)", at: 4),

        valid("NAT: plain needs no commit", Keys.tcp4, ct(nat())),
        valid("NAT: plain twice", Keys.tcp4, ct(commit, nat(), nat())),
        .no(
            "NAT: plain twice needs commit", Keys.tcp4, ct(nat(), nat()),
            "ct: a kind of translation needs commit before it (OVS_CT_ATTR_NAT)", at: 8),
        valid(
            "NAT: all", Keys.tcp4,
            ct(
                commit,
                nat(
                    src, attribute(N.ipMinimum, [10, 0, 0, 1]), attribute(N.ipMaximum, [10, 0, 0, 9]),
                    attribute(N.protoMinimum, [1, 0]), attribute(N.protoMaximum, [9, 0]), attribute(N.persistent, []),
                    attribute(N.protoHash, []), attribute(N.protoRandom, [])))),
        valid("NAT: DST with force_commit", Keys.tcp4, ct(attribute(C.forceCommit, []), nat(dst))),
        valid(
            "NAT: an IPv6 address", Keys.tcp6,
            ct(commit, nat(dst, attribute(N.ipMinimum, .init(repeating: 1, count: 16))))),
        .no(
            "NAT: a kind needs commit", Keys.tcp4, ct(nat(src)),
            "ct: a kind of translation needs commit before it (OVS_CT_ATTR_NAT)", at: 4),
        .no(
            "NAT: commit comes before", Keys.tcp4, ct(nat(src), commit),
            "ct: a kind of translation needs commit before it (OVS_CT_ATTR_NAT)", at: 4),
        .no(
            "NAT: one kind", Keys.tcp4, ct(commit, nat(src, dst)),
            "ct: only one kind of translation is possible (OVS_NAT_ATTR_DST)", at: 16, errno: Errno.range),
        .no(
            "NAT: one kind, and not twice", Keys.tcp4, ct(commit, nat(src, src)),
            "ct: only one kind of translation is possible (OVS_NAT_ATTR_SRC)", at: 16, errno: Errno.range),
        .no(
            "NAT: one kind, not behind a plain one either", Keys.tcp4, ct(commit, nat(), nat(src)),
            "ct: only one kind of translation is possible (OVS_NAT_ATTR_SRC)", at: 16, errno: Errno.range),
        .no(
            "NAT: a range needs a kind", Keys.tcp4, ct(commit, nat(attribute(N.ipMinimum, [10, 0, 0, 1]))),
            "ct: a range of addresses or ports needs src or dst (OVS_CT_ATTR_NAT)", at: 8),
        .no(
            "NAT: a flag needs a kind", Keys.tcp4, ct(commit, nat(attribute(N.protoHash, []))),
            "ct: a range of addresses or ports needs src or dst (OVS_CT_ATTR_NAT)", at: 8),
        .no(
            "NAT: an address of the flow's family", Keys.tcp4,
            ct(commit, nat(src, attribute(N.ipMinimum, .init(repeating: 1, count: 16)))),
            "ct: an address of this flow has 4 bytes (OVS_NAT_ATTR_IP_MIN)", at: 16),
        .no(
            "NAT: an address of the flow's family", Keys.tcp6,
            ct(commit, nat(src, attribute(N.ipMaximum, [1, 2, 3, 4]))),
            "ct: an address of this flow has 16 bytes (OVS_NAT_ATTR_IP_MAX)", at: 16),
        .no(
            "NAT: a port of 2 bytes", Keys.tcp4, ct(commit, nat(src, attribute(N.protoMinimum, [1]))),
            "ct: the payload must be 2 bytes (OVS_NAT_ATTR_PROTO_MIN)", at: 16),
        .no(
            "NAT: flags without payload", Keys.tcp4, ct(commit, nat(src, attribute(N.persistent, [1]))),
            "ct: there must be no payload (OVS_NAT_ATTR_PERSISTENT)", at: 16),
        .no(
            "NAT: known attributes", Keys.tcp4, ct(commit, nat(src, attribute(10, []))),
            "ct: the attribute is not known (attribute 10)", at: 16),
        .no(
            "NAT: nothing behind the last", Keys.tcp4, ct(commit, nat(src, [1, 2])),
            "ct: inside, there are bytes behind the last attribute", at: 16),
    ]
}
