// The families of control, of interfaces, of meters and of limits.

#include "Check.h"

#include <errno.h>
#include <string.h>

// MARK: Properties of a socket

static struct message properties(void) {
    return request(MARTLET_FAMILY_CONTROL, MARTLET_CONTROL_CMD_SOCKET_PROPERTIES, 0, 0);
}

static void expect_properties(struct check *check, conformance_handle handle, const struct message *asked,
                              uint32_t protocol) {
    struct answer answer = transact(check, handle, asked);
    EXPECT_REPLY(answer, asked);
    EXPECT_EQUAL(answer.information, 40);
    if (first(answer) == NULL) return;
    EXPECT_EQUAL(generic_of(first(answer))->cmd, MARTLET_CONTROL_CMD_SOCKET_PROPERTIES);
    EXPECT_EQUAL(u32_of(attribute(first(answer), MARTLET_CONTROL_ATTR_SOCKET_PORT_ID)), port_id(check, handle));
    EXPECT_EQUAL(u32_of(attribute(first(answer), MARTLET_CONTROL_ATTR_SOCKET_PROTOCOL)), protocol);
}

static void socket_properties(struct check *check) {
    conformance_handle handle = open_handle(check), other = open_handle(check);
    struct message bare = properties(), set = properties(), both = properties(), zero = properties();
    expect_properties(check, handle, &bare, 0);
    put_u32(&set, MARTLET_CONTROL_ATTR_SOCKET_PROTOCOL, NETLINK_GENERIC);
    expect_properties(check, handle, &set, NETLINK_GENERIC);
    // It has been kept, and 0 leaves it as it is.
    expect_properties(check, handle, &bare, NETLINK_GENERIC);
    put_u32(&zero, MARTLET_CONTROL_ATTR_SOCKET_PROTOCOL, 0);
    expect_properties(check, handle, &zero, NETLINK_GENERIC);
    put_u32(&both, MARTLET_CONTROL_ATTR_SOCKET_PROTOCOL, NETLINK_GENERIC);
    put_u32(&both, MARTLET_CONTROL_ATTR_SOCKET_PORT_ID, port_id(check, handle));
    expect_properties(check, handle, &both, NETLINK_GENERIC);
    expect_properties(check, other, &bare, 0);
}

static void wrong_properties(struct check *check) {
    conformance_handle handle = open_handle(check), other = open_handle(check);
    const uint32_t wrong[] = {0, 1, port_id(check, other), UINT32_MAX};
    for (size_t each = 0; each < sizeof wrong / sizeof *wrong; each++) {
        in_case(check, "port ID %u", wrong[each]);
        struct message asked = properties();
        put_u32(&asked, MARTLET_CONTROL_ATTR_SOCKET_PROTOCOL, NETLINK_GENERIC);
        put_u32(&asked, MARTLET_CONTROL_ATTR_SOCKET_PORT_ID, wrong[each]);
        EXPECT_ERROR(transact(check, handle, &asked), &asked, EINVAL);
    }
    no_case(check);
    struct message short_protocol = properties(), bare = properties();
    put_u16(&short_protocol, MARTLET_CONTROL_ATTR_SOCKET_PROTOCOL, NETLINK_GENERIC);
    EXPECT_ERROR(transact(check, handle, &short_protocol), &short_protocol, EINVAL);
    static const uint32_t strange[] = {1, 2, 11, 13, 15, 17, UINT32_MAX};
    for (size_t each = 0; each < sizeof strange / sizeof *strange; each++) {
        in_case(check, "protocol %u", strange[each]);
        struct message asked = properties();
        put_u32(&asked, MARTLET_CONTROL_ATTR_SOCKET_PROTOCOL, strange[each]);
        EXPECT_ERROR(transact(check, handle, &asked), &asked, EPROTONOSUPPORT);
    }
    no_case(check);
    // None of them has set the protocol.
    expect_properties(check, handle, &bare, 0);
}

static void windows_clients(struct check *check) {
    conformance_handle windows = open_handle(check), other = open_handle(check);
    int32_t datapath = make_datapath(check, other, "br0");
    struct message set = properties();
    put_u32(&set, MARTLET_CONTROL_ATTR_SOCKET_PROTOCOL, NETLINK_NETFILTER);
    expect_properties(check, windows, &set, NETLINK_NETFILTER);
    struct message feature = request(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_SET, NLM_F_ACK, datapath);
    put_u32(&feature, OVS_DP_ATTR_USER_FEATURES, OVS_DP_F_DISPATCH_UPCALL_PER_CPU);
    EXPECT_ERROR(transact(check, windows, &feature), &feature, EOPNOTSUPP);
    EXPECT_ERROR(transact(check, other, &feature), &feature, 0);
}

static const struct rule control_rules[] = {
    {"socket properties are kept and given back", socket_properties, 0},
    {"socket properties that are wrong are refused and set nothing", wrong_properties, 0},
    {"a client that has set a protocol is refused upcalls by CPU", windows_clients, 0},
};

TOPIC(control_topic, "family ovs_win_control", control_rules);

// MARK: Interfaces

static struct message get_netdev(const char *name) {
    struct message result = request(MARTLET_FAMILY_NETDEV, MARTLET_NETDEV_CMD_GET, 0, 0);
    put_string(&result, MARTLET_NETDEV_ATTR_NAME, name);
    return result;
}

static void netdev_by_name(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    plug_with(check, "p1", 0x020000000a0b, 9000);
    struct message get = get_netdev("p1");
    struct answer answer = transact(check, handle, &get);
    EXPECT_REPLY(answer, &get);
    const struct nlmsghdr *reply = first(answer);
    if (reply == NULL) return;
    static const uint8_t mac[] = {2, 0, 0, 0, 0x0a, 0x0b};
    EXPECT_EQUAL(generic_of(reply)->cmd, MARTLET_NETDEV_CMD_GET);
    EXPECT(is_string(attribute(reply, MARTLET_NETDEV_ATTR_NAME), "p1"));
    const struct nlattr *address = attribute(reply, MARTLET_NETDEV_ATTR_MAC_ADDRESS);
    EXPECT(address != NULL && payload_length(address) == 6 && memcmp(payload(address), mac, 6) == 0);
    EXPECT_EQUAL(u32_of(attribute(reply, MARTLET_NETDEV_ATTR_MTU)), 9000);
    EXPECT(u32_of(attribute(reply, MARTLET_NETDEV_ATTR_IFINDEX)) != 0);
    EXPECT(u32_of(attribute(reply, MARTLET_NETDEV_ATTR_FLAGS)) & 1);
    EXPECT(attribute(reply, MARTLET_NETDEV_ATTR_PORT_NO) == NULL);
    // As a vport it has a number and a type.
    struct message new = new_vport(datapath, "p1", 0, NLM_F_ACK);
    EXPECT_ERROR(transact(check, handle, &new), &new, 0);
    answer = transact(check, handle, &get);
    EXPECT_EQUAL(u32_of(attribute(first(answer), MARTLET_NETDEV_ATTR_PORT_NO)), 1);
    EXPECT_EQUAL(u32_of(attribute(first(answer), MARTLET_NETDEV_ATTR_TYPE)), OVS_VPORT_TYPE_NETDEV);
}

static void netdev_not_found(struct check *check) {
    conformance_handle handle = open_handle(check);
    plug(check, "p1");
    struct message unknown = get_netdev("p2"), bare = request(MARTLET_FAMILY_NETDEV, MARTLET_NETDEV_CMD_GET, 0, 0);
    struct message by_index = bare;
    put_u32(&by_index, MARTLET_NETDEV_ATTR_IFINDEX, 1);
    EXPECT_ERROR(transact(check, handle, &unknown), &unknown, ENODEV);
    EXPECT_ERROR(transact(check, handle, &bare), &bare, EINVAL);
    EXPECT_ERROR(transact(check, handle, &by_index), &by_index, EINVAL);
    unplug(check, "p1");
    struct message gone = get_netdev("p1");
    EXPECT_ERROR(transact(check, handle, &gone), &gone, ENODEV);
}

static const struct rule netdev_rules[] = {
    {"GET by name tells what an interface is, and which vport", netdev_by_name, 0},
    {"GET of an interface that is not there is ENODEV, and without a name EINVAL", netdev_not_found, 0},
};

TOPIC(netdevs_topic, "family ovs_win_netdev", netdev_rules);

// MARK: Meters

static struct message meter(uint8_t command, int32_t datapath, uint32_t id) {
    struct message result = request(MARTLET_FAMILY_METER, command, 0, datapath);
    put_u32(&result, OVS_METER_ATTR_ID, id);
    return result;
}

static void put_band(struct message *message, uint32_t type, uint32_t rate) {
    size_t band = nest(message, OVS_BAND_ATTR_UNSPEC);
    put_u32(message, OVS_BAND_ATTR_TYPE, type);
    put_u32(message, OVS_BAND_ATTR_RATE, rate);
    put_u32(message, OVS_BAND_ATTR_BURST, 10);
    end_nest(message, band);
}

static struct message set_meter(int32_t datapath, uint32_t id, int bands, uint32_t rate) {
    struct message result = meter(OVS_METER_CMD_SET, datapath, id);
    size_t list = nest(&result, OVS_METER_ATTR_BANDS);
    for (int band = 0; band < bands; band++) put_band(&result, OVS_METER_BAND_TYPE_DROP, rate);
    end_nest(&result, list);
    return result;
}

static void meter_life(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    struct message set = set_meter(datapath, 5, 1, 1000), get = meter(OVS_METER_CMD_GET, datapath, 5);
    struct message delete = meter(OVS_METER_CMD_DEL, datapath, 5);
    EXPECT_ERROR(transact(check, handle, &get), &get, ENOENT);
    EXPECT_REPLY(transact(check, handle, &set), &set);
    struct answer answer = transact(check, handle, &get);
    EXPECT_REPLY(answer, &get);
    EXPECT_EQUAL(u32_of(attribute(first(answer), OVS_METER_ATTR_ID)), 5);
    EXPECT(attribute(first(answer), OVS_METER_ATTR_STATS) != NULL);
    EXPECT_REPLY(transact(check, handle, &set), &set);
    answer = transact(check, handle, &delete);
    EXPECT_REPLY(answer, &delete);
    EXPECT_EQUAL(u32_of(attribute(first(answer), OVS_METER_ATTR_ID)), 5);
    EXPECT_ERROR(transact(check, handle, &get), &get, ENOENT);
    // Deleting what is not there is no error, but the reply names no meter.
    answer = transact(check, handle, &delete);
    EXPECT_REPLY(answer, &delete);
    EXPECT(attribute(first(answer), OVS_METER_ATTR_ID) == NULL);
}

static void meter_features(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message features = request(MARTLET_FAMILY_METER, OVS_METER_CMD_FEATURES, 0, make_datapath(check, handle, "br0"));
    struct answer answer = transact(check, handle, &features);
    EXPECT_REPLY(answer, &features);
    EXPECT(u32_of(attribute(first(answer), OVS_METER_ATTR_MAX_METERS)) > 0);
    EXPECT_EQUAL(u32_of(attribute(first(answer), OVS_METER_ATTR_MAX_BANDS)), 1);
}

static void meter_faults(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    struct message bare = request(MARTLET_FAMILY_METER, OVS_METER_CMD_SET, 0, datapath);
    struct message without_bands = meter(OVS_METER_CMD_SET, datapath, 1), two = set_meter(datapath, 1, 2, 1000);
    struct message no_rate = set_meter(datapath, 1, 1, 0), nowhere = set_meter(4711, 1, 1, 1000);
    struct message get = request(MARTLET_FAMILY_METER, OVS_METER_CMD_GET, 0, datapath);
    EXPECT_ERROR(transact(check, handle, &bare), &bare, EINVAL);
    EXPECT_ERROR(transact(check, handle, &without_bands), &without_bands, EINVAL);
    EXPECT_ERROR(transact(check, handle, &two), &two, EINVAL);
    EXPECT_ERROR(transact(check, handle, &no_rate), &no_rate, EINVAL);
    EXPECT_ERROR(transact(check, handle, &nowhere), &nowhere, ENODEV);
    EXPECT_ERROR(transact(check, handle, &get), &get, EINVAL);
    struct message get_one = meter(OVS_METER_CMD_GET, datapath, 1);
    EXPECT_ERROR(transact(check, handle, &get_one), &get_one, ENOENT);
}

static const struct rule meter_rules[] = {
    {"FEATURES tells how many meters and bands there may be", meter_features, 0},
    {"SET, GET and DEL of a meter answer", meter_life, 0},
    {"a meter without number or bands, with two bands or without rate is EINVAL", meter_faults, 0},
};

TOPIC(meters_topic, "family ovs_meter", meter_rules);

// MARK: Limits of connections

static struct message limits(uint8_t command, int count, const struct ovs_zone_limit *records) {
    struct message result = request(MARTLET_FAMILY_CT_LIMIT, command, 0, 0);
    if (count >= 0) put(&result, OVS_CT_LIMIT_ATTR_ZONE_LIMIT, records, (size_t)count * sizeof *records);
    return result;
}

static void limit_life(struct check *check) {
    conformance_handle handle = open_handle(check);
    const struct ovs_zone_limit zones[] = {{.zone_id = 5, .limit = 100}, {.zone_id = 6, .limit = 200}};
    struct message set = limits(OVS_CT_LIMIT_CMD_SET, 2, zones), get = limits(OVS_CT_LIMIT_CMD_GET, 2, zones);
    EXPECT_REPLY(transact(check, handle, &set), &set);
    struct answer answer = transact(check, handle, &get);
    EXPECT_REPLY(answer, &get);
    const struct nlattr *list = attribute(first(answer), OVS_CT_LIMIT_ATTR_ZONE_LIMIT);
    EXPECT(list != NULL && payload_length(list) >= 2 * sizeof *zones);
    if (list == NULL || payload_length(list) < 2 * sizeof *zones) return;
    for (int each = 0; each < 2; each++) {
        const struct ovs_zone_limit *record = (const struct ovs_zone_limit *)payload(list) + each;
        EXPECT_EQUAL(record->zone_id, zones[each].zone_id);
        EXPECT_EQUAL(record->limit, zones[each].limit);
    }
    struct message delete = limits(OVS_CT_LIMIT_CMD_DEL, 1, zones);
    EXPECT_REPLY(transact(check, handle, &delete), &delete);
    answer = transact(check, handle, &get);
    list = attribute(first(answer), OVS_CT_LIMIT_ATTR_ZONE_LIMIT);
    EXPECT(list != NULL && ((const struct ovs_zone_limit *)payload(list))->limit == 0);
}

static void limit_faults(struct check *check) {
    conformance_handle handle = open_handle(check);
    for (uint8_t command = OVS_CT_LIMIT_CMD_SET; command <= OVS_CT_LIMIT_CMD_DEL; command++) {
        struct message bare = limits(command, -1, NULL);
        EXPECT_ERROR(transact(check, handle, &bare), &bare, EINVAL);
    }
}

static const struct rule limit_rules[] = {
    {"SET, GET and DEL of the limits of zones answer", limit_life, 0},
    {"SET and DEL without zones are EINVAL", limit_faults, 0},
};

TOPIC(limits_topic, "family ovs_ct_limit", limit_rules);
