import Netlink
import OpenvSwitch

/// What a bridge's flow matches: the port, the addresses and the VLAN tags of a frame.
///
/// Frames that a bridge treats alike have equal headers, so that the header is also what a flow is found by.
struct FrameHeader: Hashable, Sendable {
    /// The vport the frame came in on.
    var inPort: UInt16
    /// 48-bit numbers in wire order.
    var source: UInt64
    var destination: UInt64
    /// TPID of the outer VLAN tag; 0 if there is none.
    var tpid: UInt16 = 0
    /// The VLAN ID of the outer tag; 0 if there is none.
    var vlan: UInt16 = 0
    /// TPID of the inner VLAN tag; 0 if there is none.
    var innerTPID: UInt16 = 0
    /// The EtherType behind the tags; 0 for any. A mask must say something inside each `OVS_KEY_ATTR_ENCAP`, as an
    /// empty one counts as absent; so a flow for tagged frames has one EtherType, one for frames without a tag has all.
    var etherType: UInt16 = 0

    var sourceAddress: Address { Address(mac: source, vlan: vlan) }
    var destinationAddress: Address { Address(mac: destination, vlan: vlan) }

    /// Whether a flow can match such frames alone. The keys of MPLS and NSH need their headers, which is more than a
    /// bridge knows; behind a VLAN tag, where the EtherType must be named, they are forwarded one by one.
    var isMatchable: Bool {
        etherType != EtherType.mplsUnicast && etherType != EtherType.mplsMulticast && etherType != EtherType.nsh
    }

    /// Attributes other than these do not matter.
    private static let policy = Policy([
        KeyAttribute.inPort: .u32,
        KeyAttribute.ethernet: .atLeast(12),
        KeyAttribute.etherType: .u16,
        KeyAttribute.vlan: .u16,
        KeyAttribute.encap: .any,
    ])

    init(inPort: UInt16, source: UInt64, destination: UInt64) {
        self.inPort = inPort
        self.source = source
        self.destination = destination
    }

    /// Reads an upcall's key, the contents of `OVS_PACKET_ATTR_KEY`.
    ///
    /// nil if it lacks a port or an Ethernet header, or is malformed.
    init?(key: [UInt8]) {
        guard let outer = try? Self.policy.parse(Attributes(key.rawSpan)),
            let port: UInt32 = outer.integer(KeyAttribute.inPort), port < UInt32(FlowKey.noPort),
            let ethernet = outer[KeyAttribute.ethernet]
        else { return nil }
        self.init(
            inPort: UInt16(truncatingIfNeeded: port), source: ethernet.payload.mac(at: 0),
            destination: ethernet.payload.mac(at: 6))
        guard let tag = Self.tag(outer) else { return }
        guard let encap = outer[KeyAttribute.encap], let middle = try? Self.policy.parse(encap.nested) else {
            return nil
        }
        tpid = tag.tpid
        vlan = tag.tci & 0x0fff
        etherType = Self.etherType(middle)
        guard let innerTag = Self.tag(middle) else { return }
        guard let innerEncap = middle[KeyAttribute.encap], let inner = try? Self.policy.parse(innerEncap.nested) else {
            return nil
        }
        innerTPID = innerTag.tpid
        etherType = Self.etherType(inner)
    }

    private static func tag(_ level: borrowing AttributeSet) -> (tpid: UInt16, tci: UInt16)? {
        guard let tci: UInt16 = level[KeyAttribute.vlan]?.payload.loadBigEndian(at: 0) else { return nil }
        let tpid = etherType(level)
        return tpid.isVLANTPID && tci & FlowKey.vlanPresent != 0 ? (tpid, tci) : nil
    }

    private static func etherType(_ level: borrowing AttributeSet) -> UInt16 {
        level[KeyAttribute.etherType]?.payload.loadBigEndian(at: 0) ?? EtherType.ieee8022
    }

    /// The flow's key. Fields that the mask leaves out are zero.
    var key: FlowKey {
        var key = FlowKey()
        key.kind = 1
        key.inPort = inPort
        key.ethernetSource = source
        key.ethernetDestination = destination
        key.etherType = EtherType.ieee8022
        guard tpid != 0 else { return key }
        key.vlanTPID = tpid
        key.vlanTCI = vlan | FlowKey.vlanPresent
        key.etherType = etherType
        guard innerTPID != 0 else { return key }
        key.innerVLANTPID = innerTPID
        key.innerVLANTCI = FlowKey.vlanPresent
        return key
    }

    /// The flow's mask: priority bits of a tag do not count, nor does the VLAN ID of an inner tag.
    var mask: FlowMask {
        var mask = FlowMask()
        mask.kind = 0xff
        mask.inPort = 0xffff
        mask.ethernetSource = .max
        mask.ethernetDestination = .max
        // Where there is no tag, that is matched too, without an attribute.
        guard tpid != 0 else { return mask }
        mask.vlanTPID = 0xffff
        mask.vlanTCI = 0x0fff | FlowKey.vlanPresent
        mask.etherType = 0xffff
        guard innerTPID != 0 else { return mask }
        mask.innerVLANTPID = 0xffff
        mask.innerVLANTCI = FlowKey.vlanPresent
        return mask
    }

    /// The contents of `OVS_FLOW_ATTR_KEY`.
    var encodedKey: [UInt8] { Self.encode { writer throws(NetlinkError) in try key.write(to: &writer) } }

    /// The contents of `OVS_FLOW_ATTR_MASK`.
    var encodedMask: [UInt8] {
        Self.encode { writer throws(NetlinkError) in try key.write(mask: mask, to: &writer) }
    }

    private static func encode(_ body: (inout MessageWriter) throws(NetlinkError) -> Void) -> [UInt8] {
        var writer = MessageWriter(capacity: 192)
        do { try body(&writer) } catch { return [] }  // cannot be: a key is short
        return writer.bytes
    }
}
