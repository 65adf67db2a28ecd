"""Ethernet frames as fields and as bytes.

A frame is a dictionary of fields, named as OpenFlow names them; `build` makes its bytes with right lengths and
checksums, `parse` reads bytes back and fails where a length or a checksum is wrong. For every frame that `build` makes,
`parse(build(**fields))` is `complete(**fields)`. A test says what it sends and which fields are to change; that
everything else must arrive as it was follows by itself.

    eth_src, eth_dst      "02:00:00:00:00:01"
    vlans                 tags from the outermost: (TPID, VLAN identifier, priority)
    mpls                  entries from the outermost: (label, traffic class, time to live); eth_type 0x8847 or 0x8848
    eth_type              what follows the tags
    arp_op, arp_spa, arp_tpa, arp_sha, arp_tha
    ip_src, ip_dst, ip_proto, tos, ttl            of IPv4 and IPv6 (there: traffic class, hop limit)
    ip_frag               IPv4: (identification, more fragments, offset in bytes); without it the datagram is whole.
                          The transport checksum of a first fragment is here that of the fragment alone
    label                 flow label of IPv6
    tp_src, tp_dst        ports of TCP, UDP and SCTP
    tcp_flags, tcp_rest   of TCP: flags; sequence number, acknowledgement, window, urgent pointer
    sctp_tag              verification tag of SCTP
    udp_checksum          0 for UDP over IPv4 without a checksum
    icmp_type, icmp_code  of ICMP and ICMPv6; the four bytes that follow are icmp_rest
    nd_target, nd_options neighbour discovery: options are (type, MAC address)
    payload               what follows the last header that is known
"""

import ipaddress
import struct

IPV4, ARP, VLAN, QINQ, IPV6, MPLS, MPLS_MULTICAST = 0x0800, 0x0806, 0x8100, 0x88A8, 0x86DD, 0x8847, 0x8848
ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
PAYLOAD = bytes(range(97, 123)) * 2 + b"!"  # An odd number of bytes: the last one of a checksum stands alone.


class Malformed(AssertionError):
    """Bytes that are no frame as it has to be."""


# Checksums


def ones_complement_sum(data):
    """The Internet checksum's sum (RFC 1071), not yet inverted."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def internet_checksum(data):
    return ones_complement_sum(data) ^ 0xFFFF


def _crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC32C = _crc32c_table()


def crc32c(data):
    """The checksum of SCTP (RFC 9260, appendix A)."""
    value = 0xFFFFFFFF
    for byte in data:
        value = (value >> 8) ^ _CRC32C[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def pseudo_header(source, destination, protocol, length):
    if len(source) == 4:
        return source + destination + struct.pack(">BBH", 0, protocol, length)
    return source + destination + struct.pack(">IHBB", length, 0, 0, protocol)


# Addresses


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def mac_text(data):
    return data.hex(":")


def ip_bytes(text):
    return ipaddress.ip_address(text).packed


def ip_text(data):
    return str(ipaddress.ip_address(data))


# Fields to bytes

_DEFAULTS = {"eth_src": "02:00:00:00:00:01", "eth_dst": "02:00:00:00:00:02", "vlans": (), "eth_type": IPV4}
_IP = {"ip_proto": UDP, "tos": 0, "ttl": 64}
_BY_TYPE = {
    ARP: {"arp_op": 1, "arp_spa": "10.1.0.1", "arp_tpa": "10.1.0.2", "arp_sha": "02:00:00:00:00:01",
          "arp_tha": "00:00:00:00:00:00", "payload": b""},
    IPV4: {**_IP, "ip_src": "10.1.0.1", "ip_dst": "10.1.0.2"},
    IPV6: {**_IP, "ip_src": "fd01::1", "ip_dst": "fd01::2", "label": 0},
}
_PORTS = {"tp_src": 1001, "tp_dst": 2002}
_ECHO = {"icmp_code": 0, "icmp_rest": b"\x12\x34\0\1"}
_BY_PROTOCOL = {
    TCP: {**_PORTS, "tcp_flags": 0x10, "tcp_rest": (0x12345678, 0x9ABCDEF0, 512, 0)}, UDP: _PORTS,
    SCTP: {**_PORTS, "sctp_tag": 0xFEDCBA98},
    ICMP: {"icmp_type": 8, **_ECHO}, ICMPV6: {"icmp_type": 128, **_ECHO},
}


def complete(**fields):
    """The fields and the defaults of those that are not given."""
    fields = {**_DEFAULTS, **fields}
    layer3 = fields["eth_type"]
    if "mpls" in fields:
        layer3 = IPV6 if ":" in fields.get("ip_src", "") else IPV4
    fields = {**_BY_TYPE.get(layer3, {}), **fields}
    if layer3 in (IPV4, IPV6) and fields.get("ip_frag", (0, 0, 0))[2] == 0:
        defaults = _BY_PROTOCOL.get(fields["ip_proto"], {})
        if fields.get("icmp_type") in (135, 136) and fields["ip_proto"] == ICMPV6:
            defaults = {"icmp_code": 0, "icmp_rest": bytes(4), "nd_target": "fd01::2", "nd_options": (), "payload": b""}
        fields = {**defaults, **fields}
    fields.setdefault("payload", PAYLOAD)
    return fields


def build(**fields):
    """The bytes of a frame, without the frame check sequence."""
    fields = complete(**fields)
    data = mac_bytes(fields["eth_dst"]) + mac_bytes(fields["eth_src"])
    for tpid, identifier, priority in fields["vlans"]:
        data += struct.pack(">HH", tpid, priority << 13 | identifier)
    data += struct.pack(">H", fields["eth_type"])
    if "mpls" in fields:
        for index, (label, traffic_class, ttl) in enumerate(fields["mpls"]):
            bottom = index == len(fields["mpls"]) - 1
            data += struct.pack(">I", label << 12 | traffic_class << 9 | bottom << 8 | ttl)
    if "ip_src" in fields:
        return data + _build_ip(fields)
    if fields["eth_type"] == ARP:
        data += struct.pack(">HHBBH", 1, IPV4, 6, 4, fields["arp_op"])
        data += mac_bytes(fields["arp_sha"]) + ip_bytes(fields["arp_spa"])
        data += mac_bytes(fields["arp_tha"]) + ip_bytes(fields["arp_tpa"])
    return data + fields["payload"]


def _build_ip(fields):
    source, destination = ip_bytes(fields["ip_src"]), ip_bytes(fields["ip_dst"])
    body = _build_transport(fields, source, destination)
    if len(source) == 16:
        return struct.pack(">IHBB", 6 << 28 | fields["tos"] << 20 | fields["label"], len(body), fields["ip_proto"],
                           fields["ttl"]) + source + destination + body
    identification, more, offset = fields.get("ip_frag", (0, False, 0))
    header = struct.pack(">BBHHHBBH", 0x45, fields["tos"], 20 + len(body), identification,
                         bool(more) << 13 | offset // 8, fields["ttl"], fields["ip_proto"], 0) + source + destination
    return header[:10] + struct.pack(">H", internet_checksum(header)) + header[12:] + body


def _build_transport(fields, source, destination):
    protocol, payload = fields["ip_proto"], fields["payload"]
    if fields.get("ip_frag", (0, 0, 0))[2] != 0:
        return payload
    if protocol == TCP:
        sequence, acknowledgement, window, urgent = fields["tcp_rest"]
        body, at = struct.pack(">HHIIBBHHH", fields["tp_src"], fields["tp_dst"], sequence, acknowledgement, 0x50,
                               fields["tcp_flags"], window, 0, urgent) + payload, 16
    elif protocol == UDP:
        body, at = struct.pack(">HHHH", fields["tp_src"], fields["tp_dst"], 8 + len(payload), 0) + payload, 6
        if fields.get("udp_checksum") == 0:
            return body
    elif protocol == SCTP:
        body = struct.pack(">HHII", fields["tp_src"], fields["tp_dst"], fields["sctp_tag"], 0) + payload
        return body[:8] + struct.pack("<I", crc32c(body)) + body[12:]
    elif protocol in (ICMP, ICMPV6):
        body, at = struct.pack(">BBH", fields["icmp_type"], fields["icmp_code"], 0) + fields["icmp_rest"], 2
        if "nd_target" in fields:
            body += ip_bytes(fields["nd_target"])
            for kind, address in fields["nd_options"]:
                body += struct.pack("BB", kind, 1) + mac_bytes(address)
        body += payload
    else:
        return payload
    pseudo = b"" if protocol == ICMP else pseudo_header(source, destination, protocol, len(body))
    checksum = internet_checksum(pseudo + body)
    if protocol == UDP:
        checksum = checksum or 0xFFFF
    return body[:at] + struct.pack(">H", checksum) + body[at + 2:]


# Bytes to fields


def parse(data):
    """The fields of a frame.

    Raises Malformed if something is cut short, or a length or a checksum is wrong.
    """
    try:
        return _parse(data)
    except (struct.error, IndexError) as error:
        raise Malformed(f"cut short ({error}): {data.hex()}") from None


def _parse(data):
    fields = {"eth_src": mac_text(data[6:12]), "eth_dst": mac_text(data[:6])}
    vlans, at = [], 12
    kind, = struct.unpack_from(">H", data, at)
    while kind in (VLAN, QINQ):
        tci, = struct.unpack_from(">H", data, at + 2)
        vlans.append((kind, tci & 0xFFF, tci >> 13))
        at += 4
        kind, = struct.unpack_from(">H", data, at)
    fields["vlans"], fields["eth_type"] = tuple(vlans), kind
    at += 2
    if kind in (MPLS, MPLS_MULTICAST):
        entries, bottom = [], False
        while not bottom:
            entry, = struct.unpack_from(">I", data, at)
            entries.append((entry >> 12, entry >> 9 & 7, entry & 0xFF))
            bottom = entry & 0x100
            at += 4
        fields["mpls"] = tuple(entries)
        kind = {4: IPV4, 6: IPV6}.get(data[at] >> 4)
    rest = data[at:]
    if kind == IPV4:
        _parse_ipv4(fields, rest)
    elif kind == IPV6:
        _parse_ipv6(fields, rest)
    elif kind == ARP:
        hardware, protocol, *lengths, fields["arp_op"] = struct.unpack_from(">HHBBH", rest)
        if (hardware, protocol, lengths) != (1, IPV4, [6, 4]):
            raise Malformed(f"no ARP for IPv4: {data.hex()}")
        fields["arp_sha"], fields["arp_spa"] = mac_text(rest[8:14]), ip_text(rest[14:18])
        fields["arp_tha"], fields["arp_tpa"] = mac_text(rest[18:24]), ip_text(rest[24:28])
        fields["payload"] = rest[28:]
    else:
        fields["payload"] = rest
    return fields


def _parse_ipv4(fields, data):
    version, fields["tos"], length, identification, fragment, fields["ttl"], fields["ip_proto"] = \
        struct.unpack_from(">BBHHHBB", data)
    if version != 0x45 or length != len(data):
        raise Malformed(f"IPv4 header 0x{version:x}, total length {length} of {len(data)}: {data.hex()}")
    if ones_complement_sum(data[:20]) != 0xFFFF:
        raise Malformed(f"IPv4 header checksum: {data.hex()}")
    fields["ip_src"], fields["ip_dst"] = ip_text(data[12:16]), ip_text(data[16:20])
    if fragment & 0x3FFF or identification:
        fields["ip_frag"] = (identification, bool(fragment & 0x2000), (fragment & 0x1FFF) * 8)
    if fragment & 0xC000:
        raise Malformed(f"flags of IPv4 that nobody set: {data.hex()}")
    _parse_transport(fields, data[20:], data[12:16], data[16:20])


def _parse_ipv6(fields, data):
    first, length, fields["ip_proto"], fields["ttl"] = struct.unpack_from(">IHBB", data)
    if first >> 28 != 6 or length != len(data) - 40:
        raise Malformed(f"IPv6 header 0x{first:x}, payload length {length} of {len(data) - 40}: {data.hex()}")
    fields["tos"], fields["label"] = first >> 20 & 0xFF, first & 0xFFFFF
    fields["ip_src"], fields["ip_dst"] = ip_text(data[8:24]), ip_text(data[24:40])
    _parse_transport(fields, data[40:], data[8:24], data[24:40])


def _parse_transport(fields, data, source, destination):
    protocol = fields["ip_proto"]
    if fields.get("ip_frag", (0, 0, 0))[2] or protocol not in _BY_PROTOCOL:
        fields["payload"] = data
        return
    check_transport(protocol, data, source, destination)
    if protocol in (ICMP, ICMPV6):
        fields["icmp_type"], fields["icmp_code"], fields["icmp_rest"] = data[0], data[1], data[4:8]
        if protocol == ICMPV6 and data[0] in (135, 136):
            fields["nd_target"], options, at = ip_text(data[8:24]), [], 24
            while at < len(data):
                if data[at + 1] != 1:
                    raise Malformed(f"length of an option of neighbour discovery: {data.hex()}")
                options.append((data[at], mac_text(data[at + 2:at + 8])))
                at += 8
            fields["nd_options"], fields["payload"] = tuple(options), data[at:]
        else:
            fields["payload"] = data[8:]
        return
    fields["tp_src"], fields["tp_dst"] = struct.unpack_from(">HH", data)
    if protocol == TCP:
        sequence, acknowledgement, offset, fields["tcp_flags"], window, _, urgent = struct.unpack_from(
            ">IIBBHHH", data, 4)
        fields["tcp_rest"] = (sequence, acknowledgement, window, urgent)
        fields["payload"] = data[(offset >> 4) * 4:]
    elif protocol == UDP:
        length, checksum = struct.unpack_from(">HH", data, 4)
        if length != len(data):
            raise Malformed(f"UDP length {length} of {len(data)}: {data.hex()}")
        if checksum == 0:
            fields["udp_checksum"] = 0
        fields["payload"] = data[8:]
    else:
        fields["sctp_tag"], = struct.unpack_from(">I", data, 4)
        fields["payload"] = data[12:]


def check_transport(protocol, data, source, destination):
    """Fails unless the checksum of a whole TCP, UDP, SCTP, ICMP or ICMPv6 packet is right."""
    if protocol == SCTP:
        if struct.unpack_from("<I", data, 8)[0] != crc32c(data[:8] + bytes(4) + data[12:]):
            raise Malformed(f"SCTP checksum: {data.hex()}")
        return
    if protocol == UDP and data[6:8] == b"\0\0":
        if len(source) == 16:
            raise Malformed(f"UDP over IPv6 without a checksum: {data.hex()}")
        return
    pseudo = b"" if protocol == ICMP else pseudo_header(source, destination, protocol, len(data))
    if ones_complement_sum(pseudo + data) != 0xFFFF:
        raise Malformed(f"checksum of protocol {protocol}: {data.hex()}")


def difference(expected, actual):
    """The fields in which two frames differ, for a message."""
    return ", ".join(f"{name}: expected {expected.get(name)}, got {actual.get(name)}"
                     for name in sorted(expected.keys() | actual.keys()) if expected.get(name) != actual.get(name))
