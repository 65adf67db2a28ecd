"""Flow keys as fields, from the text of `martlet parse-pcap` and of `ovs-ofctl parse-pcap`.

Both become the same dictionary, so that keys can be compared field by field. A field that a line does not have is zero,
as it is in the key: EMPTY. Of a frame that the switch drops there are no fields but `dropped`.
"""

NO_MAC = "00:00:00:00:00:00"

# OpenFlow's number for a frame that has no EtherType.
NO_ETHER_TYPE = 0x05FF

EMPTY = {
    "eth_src": NO_MAC, "eth_dst": NO_MAC, "vlans": (), "eth_type": NO_ETHER_TYPE,
    "src": "", "dst": "", "proto": 0, "tos": 0, "ttl": 0, "frag": "no", "label": 0,
    # Of ICMP: type and code.
    "tp_src": 0, "tp_dst": 0, "tcp_flags": frozenset(),
    "nd_target": "::", "nd_sll": NO_MAC, "nd_tll": NO_MAC,
    "sha": NO_MAC, "tha": NO_MAC,
    "mpls": (0, 0, 0),
    # flags, ttl, mdtype, np, spi, si, contexts
    "nsh": (0,) * 10,
}
DROPPED = {"dropped": True}
_UNSPECIFIED = {0x0800: "0.0.0.0", 0x0806: "0.0.0.0", 0x8035: "0.0.0.0", 0x86DD: "::"}


def key(**fields):
    """A whole key of the fields that are not zero."""
    fields = {**EMPTY, **fields}
    none = _UNSPECIFIED.get(fields["eth_type"], "")
    return {**fields, "src": fields["src"] or none, "dst": fields["dst"] or none}


def _flags(text):
    return frozenset() if text == "0" else frozenset(text.split("|"))


def _entry(label, traffic_class, ttl, bottom):
    return int(label) << 12 | int(traffic_class) << 9 | int(bottom) << 8 | int(ttl)


def _number(text):
    return int(text, 0)


# Martlet


def _attributes(text):
    """`a(b=c),d(e(f))` as pairs: ("a", "b=c"), ("d", "e(f)")."""
    depth = begin = 0
    name = ""
    for at, character in enumerate(text):
        if character == "(":
            depth += 1
            if depth == 1:
                name, begin = text[begin:at].lstrip(","), at + 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                yield name, text[begin:at]
                begin = at + 1
    if depth or text[begin:]:
        raise AssertionError(f"this is no flow key: {text}")


def of_martlet(line):
    """The key in a line of `martlet parse-pcap`; with `tpids` and `mpls_count`, which OpenFlow's text does not have."""
    if line.startswith("dropped: "):
        return DROPPED
    fields = {"tpids": (), "mpls_count": 0}
    names = _read_martlet(line, fields)
    whole = key(**fields)
    if names != _names(whole):
        raise AssertionError(f"these are not the attributes that there have to be, {_names(whole)}: {line}")
    return whole


def _names(fields):
    """The attributes that the kernel wants in a key, from the innermost EtherType on."""
    kind, protocol = fields["eth_type"], fields["proto"]
    if kind == NO_ETHER_TYPE:
        return []
    if kind in (0x8100, 0x88A8) and len(fields["vlans"]) < 2:
        # A tag of which the frame has only the TPID.
        return ["eth_type", "vlan", "encap"]
    names = {0x0800: ["ipv4"], 0x86DD: ["ipv6", "key32"], 0x0806: ["arp"], 0x8035: ["arp"], 0x8847: ["mpls"],
             0x8848: ["mpls"], 0x894F: ["nsh"]}.get(kind, [])
    if kind in (0x0800, 0x86DD) and fields["frag"] != "later":
        names = names + {6: ["tcp", "tcp_flags"], 17: ["udp"], 132: ["sctp"]}.get(protocol, [])
        if (kind, protocol) == (0x0800, 1):
            names += ["icmp"]
        elif (kind, protocol) == (0x86DD, 58):
            names += ["icmpv6", "nd"] if fields["tp_src"] in (135, 136) else ["icmpv6"]
    return ["eth_type", *names]


def _read_martlet(text, fields):
    """Reads attributes; returns the names of the innermost."""
    values = list(_attributes(text))
    innermost, is_tagged = [name for name, _ in values if name != "eth"], False
    for name, inner in values:
        pairs = [tuple(pair.partition("=")[::2]) for pair in inner.split(",")]
        arguments = dict(pairs)
        if name == "eth":
            fields.update(eth_src=arguments["src"], eth_dst=arguments["dst"])
        elif name == "eth_type":
            fields["eth_type"] = _number(inner)
        elif name == "vlan":
            # Without the bit there is no tag, only its TPID.
            is_tagged = "cfi" not in arguments
            if is_tagged:
                fields["vlans"] = fields.get("vlans", ()) + ((int(arguments["vid"]), int(arguments["pcp"])),)
                fields["tpids"] += (fields.pop("eth_type"),)
        elif name == "encap":
            inside = _read_martlet(inner, fields)
            innermost = inside if is_tagged else innermost + inside
        elif name in ("ipv4", "ipv6"):
            fields.update(
                src=arguments["src"], dst=arguments["dst"], proto=int(arguments["proto"]), frag=arguments["frag"],
                tos=_number(arguments.get("tos") or arguments["tclass"]),
                ttl=int(arguments.get("ttl") or arguments["hlimit"]), label=_number(arguments.get("label", "0")))
        elif name in ("tcp", "udp", "sctp"):
            fields.update(tp_src=int(arguments["src"]), tp_dst=int(arguments["dst"]))
        elif name == "tcp_flags":
            fields["tcp_flags"] = _flags(inner)
        elif name in ("icmp", "icmpv6"):
            fields.update(tp_src=int(arguments["type"]), tp_dst=int(arguments["code"]))
        elif name == "nd":
            fields.update(nd_target=arguments["target"], nd_sll=arguments["sll"], nd_tll=arguments["tll"])
        elif name == "arp":
            fields.update(src=arguments["sip"], dst=arguments["tip"], proto=int(arguments["op"]),
                          sha=arguments["sha"], tha=arguments["tha"])
        elif name == "mpls":
            numbers = [value for _, value in pairs]
            entries = [_entry(*numbers[at:at + 4]) for at in range(0, len(numbers), 4)]
            fields.update(mpls=tuple(entries + [0] * (3 - len(entries))), mpls_count=len(entries))
        elif name == "nsh":
            fields["nsh"] = tuple(_number(arguments.get(each, "0")) for each in (
                "flags", "ttl", "mdtype", "np", "spi", "si", "c1", "c2", "c3", "c4"))
        elif name != "key32":  # IPv6 extension headers, which OpenFlow's text does not have
            raise AssertionError(f"nobody expects {name}({inner})")
    return innermost


# Open vSwitch

_PROTOCOLS = {"": None, "ip": None, "tcp": 6, "udp": 17, "sctp": 132, "icmp": 1}
_WORDS = {"arp": 0x0806, "rarp": 0x8035, "mpls": 0x8847, "mplsm": 0x8848, "ipv6": 0x86DD}


def of_open_vswitch(line):
    """The key in a line of `ovs-ofctl parse-pcap`."""
    words = line.split(",")
    value = dict(word.partition("=")[::2] for word in words)
    fields = {"eth_src": value["dl_src"], "eth_dst": value["dl_dst"]}
    fields["vlans"] = tuple((int(value["dl_vlan" + suffix]), int(value["dl_vlan_pcp" + suffix]))
                            for suffix in ("", "1") if "dl_vlan" + suffix in value)
    protocol = 0
    word = "" if "=" in words[0] else words[0]
    if not word:
        fields["eth_type"] = _number(value["dl_type"])
    elif word in _WORDS:
        fields["eth_type"] = _WORDS[word]
    else:
        version, name = (0x86DD, word[:-1]) if word.endswith("6") else (0x0800, word)
        protocol = _PROTOCOLS[name] or 0
        fields["eth_type"] = version
        if version == 0x86DD and name == "icmp":
            protocol = 58

    def first(*names):
        return next((value[name] for name in names if name in value), None)

    def put(field, text, convert=str):
        if text is not None:
            fields[field] = convert(text)

    put("src", first("nw_src", "ipv6_src", "arp_spa"))
    put("dst", first("nw_dst", "ipv6_dst", "arp_tpa"))
    fields["proto"] = int(first("nw_proto", "arp_op") or protocol)
    fields["tos"] = int(value.get("nw_tos", 0)) | int(value.get("nw_ecn", 0))
    put("ttl", first("nw_ttl"), int)
    put("frag", first("nw_frag"))
    put("label", first("ipv6_label"), _number)
    put("tp_src", first("tp_src", "icmp_type"), int)
    put("tp_dst", first("tp_dst", "icmp_code"), int)
    put("tcp_flags", first("tcp_flags"), _flags)
    for name in ("nd_target", "nd_sll", "nd_tll"):
        put(name, first(name))
    put("sha", first("arp_sha"))
    put("tha", first("arp_tha"))
    if "mpls_label" in value:
        fields["mpls"] = (_entry(*(value["mpls_" + name] for name in ("label", "tc", "ttl", "bos"))),
                          int(value.get("mpls_lse1", 0)), int(value.get("mpls_lse2", 0)))
    if "nsh_flags" in value:
        fields["nsh"] = tuple(_number(value.get("nsh_" + name, "0")) for name in (
            "flags", "ttl", "mdtype", "np", "spi", "si", "c1", "c2", "c3", "c4"))
    return key(**fields)
