// The attributes inside actions.

extension ActionTable {
    /// Inside the `OVS_KEY_ATTR_NSH` of push_nsh.
    package static let nsh = AttributeNest(NSHTable.rows, [.onlyKnown, .noRest, .exact, .invalid])

    package static let userspace = AttributeNest(
        [
            AttributeDescription(
                UserspaceAttribute.portID, "OVS_USERSPACE_ATTR_PID", "pid", .exactly(4), isRequired: true,
                "Netlink port ID that gets the upcall, in host byte order; not 0."),
            AttributeDescription(
                UserspaceAttribute.userdata, "OVS_USERSPACE_ATTR_USERDATA", "userdata", .between(0, 65_527),
                """
                Bytes that the upcall brings back as they are. The text names what is inside those of ovs-vswitchd, \
                which are 48 bytes long: sFlow, slow_path, flow_sample, ipfix or controller.
                """),
            AttributeDescription(
                UserspaceAttribute.egressTunnelPort, "OVS_USERSPACE_ATTR_EGRESS_TUN_PORT", "tunnel_out_port",
                .exactly(4), "Vport, in host byte order, whose tunnel the upcall describes. There are no tunnels yet."),
            AttributeDescription(
                UserspaceAttribute.actions, "OVS_USERSPACE_ATTR_ACTIONS", "actions", .flag,
                "The upcall has the list that this action stands in."),
        ], [])

    package static let sample = AttributeNest(
        [
            AttributeDescription(
                SampleAttribute.probability, "OVS_SAMPLE_ATTR_PROBABILITY", "sample", .exactly(4), isRequired: true,
                "Probability in host byte order: 0 never, 4294967295 always. The text has percent."),
            AttributeDescription(
                SampleAttribute.actions, "OVS_SAMPLE_ATTR_ACTIONS", "actions", .actions, isRequired: true,
                "The list that is carried out; it may be empty."),
        ], [.onlyKnown, .once, .noRest, .exact, .invalid, .padded])

    package static let checkPacketLength = AttributeNest(
        [
            AttributeDescription(
                CheckPacketLengthAttribute.packetLength, "OVS_CHECK_PKT_LEN_ATTR_PKT_LEN", "size", .exactly(2),
                isRequired: true, "Length in bytes, with the Ethernet header, in host byte order; not 0."),
            AttributeDescription(
                CheckPacketLengthAttribute.ifGreater, "OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER", "gt", .actions,
                isRequired: true, "The list for longer packets; it may be empty."),
            AttributeDescription(
                CheckPacketLengthAttribute.ifLessEqual, "OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL", "le", .actions,
                isRequired: true, "The list for all other packets; it may be empty."),
        ], [.onlyKnown, .noRest])

    package static let decrementTTL = AttributeNest(
        [
            AttributeDescription(
                DecrementTTLAttribute.action, "OVS_DEC_TTL_ATTR_ACTION", "le_1", .actions, isRequired: true,
                "The list for packets whose TTL is 0 or 1; it may be empty.")
        ], [.onlyKnown, .ignoresHigher, .once, .noRest, .exact, .invalid, .padded])

    package static let psample = AttributeNest(
        [
            AttributeDescription(
                PsampleAttribute.group, "OVS_PSAMPLE_ATTR_GROUP", "group", .exactly(4), isRequired: true,
                "Number of the psample group, in host byte order."),
            AttributeDescription(
                PsampleAttribute.cookie, "OVS_PSAMPLE_ATTR_COOKIE", "cookie", .between(0, 16),
                "Bytes that are sent with each sample."),
        ], [.onlyKnown, .noRest, .exact, .marked])

    package static let ct = AttributeNest(
        [
            AttributeDescription(
                CTAttribute.commit, "OVS_CT_ATTR_COMMIT", "commit", .flag,
                "The connection is kept; until then it is only looked for."),
            AttributeDescription(
                CTAttribute.forceCommit, "OVS_CT_ATTR_FORCE_COMMIT", "force_commit", .flag,
                "As commit; a connection that began in the other direction is replaced."),
            AttributeDescription(
                CTAttribute.zone, "OVS_CT_ATTR_ZONE", "zone", .exactly(2),
                "The zone in which the connection is looked for, in host byte order; 0 if absent."),
            AttributeDescription(
                CTAttribute.mark, "OVS_CT_ATTR_MARK", "mark", .exactly(8),
                "Value and mask, 4 bytes each in host byte order. The mask is not 0. Needs commit."),
            AttributeDescription(
                CTAttribute.labels, "OVS_CT_ATTR_LABELS", "label", .exactly(32),
                "Value and mask, 16 bytes each, the lowest byte first. The mask is not 0. Needs commit."),
            AttributeDescription(
                CTAttribute.helper, "OVS_CT_ATTR_HELPER", "helper", .string(maximum: 16),
                "Name of a helper that finds related connections, such as ftp."),
            AttributeDescription(
                CTAttribute.nat, "OVS_CT_ATTR_NAT", "nat", .nested,
                "Address translation. Without attributes inside: as the connection was committed with."),
            AttributeDescription(
                CTAttribute.eventMask, "OVS_CT_ATTR_EVENTMASK", "", .exactly(4),
                "Bits of the events that are told, 1 << IPCT_*, in host byte order."),
            AttributeDescription(
                CTAttribute.timeout, "OVS_CT_ATTR_TIMEOUT", "timeout", .string(maximum: 32),
                "Name of a timeout policy. It need not be there."),
        ], [.onlyKnown, .noRest, .exact, .invalid], inner: [CTAttribute.nat: nat])

    package static let nat = AttributeNest(
        [
            AttributeDescription(
                NATAttribute.source, "OVS_NAT_ATTR_SRC", "src", .flag,
                "The source is translated. Needs commit, which must stand before the attribute that holds this."),
            AttributeDescription(
                NATAttribute.destination, "OVS_NAT_ATTR_DST", "dst", .flag,
                "The destination is translated. Needs commit as src does; both together are ERANGE."),
            AttributeDescription(
                NATAttribute.ipMinimum, "OVS_NAT_ATTR_IP_MIN", "", .between(4, 16),
                "First address of a range: 4 bytes of an IPv4 flow, 16 of an IPv6 flow. Needs src or dst."),
            AttributeDescription(
                NATAttribute.ipMaximum, "OVS_NAT_ATTR_IP_MAX", "", .between(4, 16),
                "Last address of the range; as long as the first, which it is if absent. Needs src or dst."),
            AttributeDescription(
                NATAttribute.protoMinimum, "OVS_NAT_ATTR_PROTO_MIN", "", .exactly(2),
                "First port of a range, in host byte order. Needs src or dst."),
            AttributeDescription(
                NATAttribute.protoMaximum, "OVS_NAT_ATTR_PROTO_MAX", "", .exactly(2),
                "Last port of the range, in host byte order; the first if absent. Needs src or dst."),
            AttributeDescription(
                NATAttribute.persistent, "OVS_NAT_ATTR_PERSISTENT", "persistent", .flag,
                "A client gets the same address for each of its connections. Needs src or dst."),
            AttributeDescription(
                NATAttribute.protoHash, "OVS_NAT_ATTR_PROTO_HASH", "hash", .flag,
                "Ports are chosen by a hash. Needs src or dst."),
            AttributeDescription(
                NATAttribute.protoRandom, "OVS_NAT_ATTR_PROTO_RANDOM", "random", .flag,
                "Ports are chosen at random. Needs src or dst."),
        ], [.onlyKnown, .noRest, .exact, .invalid])
}
