import OpenvSwitch

// One row or more for each rule of what is inside an action: user space, lists and psample.

private typealias A = ActionAttribute
private let one = attribute(A.output, host(UInt32(1)))
private let probability = attribute(1, host(UInt32(7)))
private let size = attribute(1, host(UInt16(100)))

extension ActionCase {
    static let inside: [ActionCase] = [
        .ok("USERSPACE", Keys.link, "userspace(pid=5,userdata(0102030405060708),actions,tunnel_out_port=3)"),
        .no(
            "USERSPACE: a port ID", Keys.link, attribute(A.userspace, attribute(2, [1])),
            "userspace: the attribute is missing (OVS_USERSPACE_ATTR_PID)"),
        .no(
            "USERSPACE: a port ID other than 0", Keys.link, one + attribute(A.userspace, attribute(1, host(UInt32(0)))),
            "userspace: the port ID must not be 0 (OVS_USERSPACE_ATTR_PID)", at: 12),
        .no(
            "USERSPACE: a port ID of 4 bytes", Keys.link, attribute(A.userspace, attribute(1, [7, 0])),
            "userspace: the payload must be 4 bytes (OVS_USERSPACE_ATTR_PID)", at: 4, errno: Errno.range),
        .ok("USERSPACE: or more", Keys.link, attribute(A.userspace, attribute(1, [7, 0, 0, 0, 0]))),
        .no(
            "USERSPACE: an egress tunnel port of 4 bytes", Keys.link,
            attribute(A.userspace, attribute(1, host(UInt32(7))) + attribute(3, [1])),
            "userspace: the payload must be 4 bytes (OVS_USERSPACE_ATTR_EGRESS_TUN_PORT)", at: 12, errno: Errno.range),
        .ok(
            "USERSPACE: other types are ignored, of two the last counts, as do bytes behind the last", Keys.link,
            attribute(
                A.userspace,
                attribute(1, host(UInt32(0))) + attribute(99, [1]) + attribute(0, []) + attribute(1, host(UInt32(7)))
                    + [1])),

        .ok("SAMPLE: in either order", Keys.link, attribute(A.sample, attribute(2, one) + probability)),
        .ok("SAMPLE: the list may be empty", Keys.link, attribute(A.sample, probability + attribute(2, []))),
        .no(
            "SAMPLE: a probability", Keys.link, attribute(A.sample, attribute(2, one)),
            "sample: the attribute is missing (OVS_SAMPLE_ATTR_PROBABILITY)"),
        .no(
            "SAMPLE: a list", Keys.link, attribute(A.sample, probability),
            "sample: the attribute is missing (OVS_SAMPLE_ATTR_ACTIONS)"),
        .no(
            "SAMPLE: once", Keys.link, attribute(A.sample, probability + attribute(2, []) + probability),
            "sample: the attribute stands there twice (OVS_SAMPLE_ATTR_PROBABILITY)", at: 16),
        .no(
            "SAMPLE: known attributes", Keys.link,
            attribute(A.sample, probability + attribute(2, []) + attribute(3, [])),
            "sample: the attribute is not known (attribute 3)", at: 16),
        .no(
            "SAMPLE: 0 is none", Keys.link, attribute(A.sample, attribute(0, [])),
            "sample: the attribute is not known (attribute 0)", at: 4),
        .no(
            "SAMPLE: 4 bytes", Keys.link, attribute(A.sample, attribute(1, [1, 2, 3, 4, 5]) + attribute(2, [])),
            "sample: the payload must be 4 bytes (OVS_SAMPLE_ATTR_PROBABILITY)", at: 4),
        .no(
            "SAMPLE: a whole list", Keys.link, attribute(A.sample, probability + attribute(2, [1, 2])),
            "sample: the payload is too short for an attribute (OVS_SAMPLE_ATTR_ACTIONS)", at: 12),
        .no(
            "SAMPLE: padded", Keys.link,
            attribute(
                A.sample, probability + host(UInt16(10)) + host(UInt16(2)) + host(UInt16(6)) + host(A.popMPLS) + [8, 0]),
            "sample: the attributes inside must be padded to a multiple of 4 bytes (OVS_ACTION_ATTR_SAMPLE)"),
        .no(
            "SAMPLE: what is wrong in the list is", Keys.link, "1,sample(sample=50%,actions(2,trunc(3)))",
            "trunc: the length must be at least 14 (OVS_ACTION_ATTR_TRUNC)", at: 32),

        .ok("CLONE: the list may be empty", Keys.link, "clone()"),
        .no(
            "CLONE: a whole list", Keys.link, attribute(A.clone, [1, 2, 3]),
            "there are bytes behind the last attribute at byte 4", at: 4),
        .no(
            "CLONE: what is wrong in the list is", Keys.link, "clone(65535)",
            "output: the port must be less than 65535 (OVS_ACTION_ATTR_OUTPUT)", at: 4),
        .ok("CLONE: what it changes ends with it", Keys.ipv4, "clone(push_vlan(vid=1,pcp=0)),\(push)"),
        .no(
            "CLONE: it begins with what was changed", Keys.ipv4, "push_vlan(vid=1,pcp=0),clone(\(push))",
            "push_mpls: the packet must have no VLAN tag (OVS_ACTION_ATTR_PUSH_MPLS)", at: 12),
        .ok("lists: 16 levels", Keys.link, nested(16)),
        .no(
            "lists: no more", Keys.link, nested(17), "lists are nested more than 16 levels deep", at: 64,
            errno: Errno.overflow),

        .ok(
            "CHECK_PKT_LEN: in any order, of two the last counts", Keys.link,
            attribute(A.checkPacketLength, attribute(3, []) + attribute(1, [0, 0]) + attribute(2, one) + size)),
        .no(
            "CHECK_PKT_LEN: a length", Keys.link, attribute(A.checkPacketLength, attribute(2, []) + attribute(3, [])),
            "check_pkt_len: the attribute is missing (OVS_CHECK_PKT_LEN_ATTR_PKT_LEN)"),
        .no(
            "CHECK_PKT_LEN: a length other than 0", Keys.link, "check_pkt_len(size=0,gt(),le())",
            "check_pkt_len: the length must not be 0 (OVS_CHECK_PKT_LEN_ATTR_PKT_LEN)", at: 4),
        .no(
            "CHECK_PKT_LEN: a length of 2 bytes", Keys.link,
            attribute(A.checkPacketLength, attribute(1, [1]) + attribute(2, []) + attribute(3, [])),
            "check_pkt_len: the payload must be 2 bytes (OVS_CHECK_PKT_LEN_ATTR_PKT_LEN)", at: 4, errno: Errno.range),
        .ok(
            "CHECK_PKT_LEN: or more", Keys.link,
            attribute(A.checkPacketLength, attribute(1, [1, 0, 0, 0]) + attribute(2, []) + attribute(3, []))),
        .no(
            "CHECK_PKT_LEN: a list for longer packets", Keys.link,
            attribute(A.checkPacketLength, size + attribute(3, [])),
            "check_pkt_len: the attribute is missing (OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER)"),
        .no(
            "CHECK_PKT_LEN: a list for others", Keys.link, attribute(A.checkPacketLength, size + attribute(2, [])),
            "check_pkt_len: the attribute is missing (OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL)"),
        .no(
            "CHECK_PKT_LEN: whole lists", Keys.link,
            attribute(A.checkPacketLength, size + attribute(2, []) + attribute(3, [1])),
            "check_pkt_len: the payload is too short for an attribute (OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL)",
            at: 16, errno: Errno.range),
        .no(
            "CHECK_PKT_LEN: known attributes", Keys.link,
            attribute(A.checkPacketLength, size + attribute(2, []) + attribute(3, []) + attribute(4, [])),
            "check_pkt_len: the attribute is not known (attribute 4)", at: 20),
        .no(
            "CHECK_PKT_LEN: nothing behind the last", Keys.link,
            attribute(A.checkPacketLength, size + attribute(2, []) + attribute(3, []) + [9]),
            "check_pkt_len: inside, there are bytes behind the last attribute", at: 20),

        .ok("DEC_TTL", Keys.link, "dec_ttl(le_1(1,2))"),
        .ok(
            "DEC_TTL: higher types are ignored", Keys.link,
            attribute(A.decrementTTL, attribute(9, [1]) + attribute(1, one))),
        .no(
            "DEC_TTL: a list", Keys.link, attribute(A.decrementTTL, []),
            "dec_ttl: the attribute is missing (OVS_DEC_TTL_ATTR_ACTION)"),
        .no(
            "DEC_TTL: once", Keys.link, attribute(A.decrementTTL, attribute(1, []) + attribute(1, [])),
            "dec_ttl: the attribute stands there twice (OVS_DEC_TTL_ATTR_ACTION)", at: 8),
        .no(
            "DEC_TTL: 0 is none", Keys.link, attribute(A.decrementTTL, attribute(0, []) + attribute(1, [])),
            "dec_ttl: the attribute is not known (attribute 0)", at: 4),
        .no(
            "DEC_TTL: a whole list", Keys.link, attribute(A.decrementTTL, attribute(1, [1])),
            "dec_ttl: the payload is too short for an attribute (OVS_DEC_TTL_ATTR_ACTION)", at: 4),

        .no(
            "PSAMPLE: valid, and not supported", Keys.link, "psample(group=1,cookie=0x0102)", noPsample,
            errno: Errno.notSupported),
        .no(
            "PSAMPLE: marked as nested", Keys.link, attribute(A.psample, attribute(1, host(UInt32(1)))),
            "psample: its type must have the flag NLA_F_NESTED (OVS_ACTION_ATTR_PSAMPLE)"),
        .no(
            "PSAMPLE: a group", Keys.link, attribute(A.psample | 0x8000, attribute(2, [1])),
            "psample: the attribute is missing (OVS_PSAMPLE_ATTR_GROUP)"),
        .no(
            "PSAMPLE: a group of 4 bytes", Keys.link, attribute(A.psample | 0x8000, attribute(1, [1, 0, 0, 0, 0])),
            "psample: the payload must be 4 bytes (OVS_PSAMPLE_ATTR_GROUP)", at: 4),
        .no(
            "PSAMPLE: a group that is not marked as nested", Keys.link,
            attribute(A.psample | 0x8000, attribute(0x8001, host(UInt32(1)))),
            "psample: its type must not have the flag NLA_F_NESTED (OVS_PSAMPLE_ATTR_GROUP)", at: 4),
        .no(
            "PSAMPLE: a cookie of 16 bytes", Keys.link,
            attribute(A.psample | 0x8000, attribute(1, host(UInt32(1))) + attribute(2, .init(repeating: 1, count: 17))),
            "psample: the payload must be 0 to 16 bytes (OVS_PSAMPLE_ATTR_COOKIE)", at: 12, errno: Errno.range),
        .no(
            "PSAMPLE: known attributes", Keys.link, attribute(A.psample | 0x8000, attribute(3, [])),
            "psample: the attribute is not known (attribute 3)", at: 4),
    ]

    private static let noPsample =
        "psample: this datapath has no psample, as a kernel that was built without it (OVS_ACTION_ATTR_PSAMPLE)"

    private static func nested(_ depth: Int) -> [UInt8] {
        (0..<depth).reduce(one) { list, _ in attribute(A.clone, list) }
    }
}
