import Bed
import CCounters
import Netlink
import OpenvSwitch
import Packets

extension Case {
    /// From frames to keys, and between keys and messages.
    static var keyCases: [Case] {
        [
            extraction("extract TCP over IPv4, 64 B", Frames.tcp(), aim: 25),
            extraction("extract TCP over IPv6", Frames.tcpOverIPv6),
            extraction("extract UDP over IPv4 with a VLAN tag", Frames.taggedUDP),
            extraction("extract MPLS", Frames.mpls),
            Case(name: "key to Netlink", group: .keys) {
                let match = try flow()
                return Prepared { count in
                    var writer = MessageWriter(capacity: 1024, limit: 1024)
                    for _ in 0..<count {
                        writer.removeAll()
                        do throws(NetlinkError) { try match.writeKey(to: &writer) } catch { fatalError("\(error)") }
                    }
                    use(writer.count)
                }
            },
            Case(name: "mask to Netlink", group: .keys) {
                let match = try flow()
                return Prepared { count in
                    var writer = MessageWriter(capacity: 1024, limit: 1024)
                    for _ in 0..<count {
                        writer.removeAll()
                        do throws(NetlinkError) { try match.writeMask(to: &writer) } catch { fatalError("\(error)") }
                    }
                    use(writer.count)
                }
            },
            Case(name: "key from Netlink", group: .keys, aim: 85) {
                let (key, _) = try bytes()
                return Prepared { count in
                    for _ in 0..<count {
                        do { use(try FlowMatch.key(Attributes(key.rawSpan))) } catch { fatalError("\(error)") }
                    }
                }
            },
            Case(name: "key and mask from Netlink", group: .keys) {
                let (key, mask) = try bytes()
                return Prepared { count in
                    for _ in 0..<count {
                        do {
                            use(try FlowMatch(key: Attributes(key.rawSpan), mask: Attributes(mask.rawSpan)))
                        } catch { fatalError("\(error)") }
                    }
                }
            },
        ]
    }

    private static func extraction(_ name: String, _ frame: [UInt8], aim: Double? = nil) -> Case {
        Case(name: name, group: .keys, aim: aim) {
            Prepared { count in
                for _ in 0..<count {
                    var key = FlowKey()
                    let offsets = KeyExtraction.extract(frame.rawSpan, offload: Offload(), into: &key)
                    precondition(offsets != nil, "the frame has no key")
                    withUnsafePointer(to: &key) { counters_use($0) }
                }
            }
        }
    }

    /// The attributes of a UDP packet's key as ovs-vswitchd sends them, in its order, and a mask such as it makes.
    static let text =
        "recirc_id(0),dp_hash(0/0),skb_priority(0/0),in_port(1),skb_mark(0/0),ct_state(0/0),ct_zone(0/0),ct_mark(0/0),"
        + "ct_label(0/0),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),"
        + "ipv4(src=10.0.0.1/0.0.0.0,dst=10.0.0.2/0.0.0.0,proto=17/0,tos=0/0,ttl=64/0,frag=no),"
        + "udp(src=1000/0,dst=2000/0)"

    static func bytes() throws -> (key: [UInt8], mask: [UInt8]) { try FlowText.parseKey(text, portNumber: nil) }

    private static func flow() throws -> FlowMatch {
        let (key, mask) = try bytes()
        return try FlowMatch(key: Attributes(key.rawSpan), mask: Attributes(mask.rawSpan))
    }
}

/// Keeps the compiler from leaving out what makes a value.
@inline(__always)
func use<Value>(_ value: Value) { withUnsafePointer(to: value) { counters_use($0) } }
