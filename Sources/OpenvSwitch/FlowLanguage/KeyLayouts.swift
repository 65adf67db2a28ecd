import Netlink

/// The quick way from keys and masks to attributes, for those that nearly all flows have: an Ethernet header, no VLAN tag,
/// tunnel, label stack or network service header.
///
/// Of each sort of them there is a layout: all attributes behind each other as they are written, and where in them the
/// values of the fields stand. The thorough way has written each, once; the bytes of both are the same.
@safe
struct KeyLayouts: @unchecked Sendable {
    // Sendable: the memory is written before the only value is there, and never again.

    static let shared = KeyLayouts(.keys)

    private struct Layout: BitwiseCopyable {
        /// In `bytes`.
        var start: Int32
        var size: Int32
        /// In `fields`.
        var firstField: Int32
        var endField: Int32
    }

    private let layouts: UnsafeMutablePointer<Layout>
    /// Each counts from the start of its layout.
    private let fields: UnsafeMutablePointer<FieldStore>
    private let bytes: UnsafeMutablePointer<UInt8>

    private init(_ wire: KeyWire) {
        var layouts: [Layout] = []
        var fields: [FieldStore] = []
        var writer = MessageWriter()
        for sort in 0..<Self.sortCount {
            for isMask in [false, true] {
                let (start, firstField) = (writer.count, fields.count)
                do throws(NetlinkError) {
                    try Self.specimen(sort).writeThoroughly(FlowMask(), RawSpan(), isMask: isMask, to: &writer)
                    var attributes = Attributes(writer.bytes.rawSpan.clamped(from: start))
                    while let attribute = try attributes.next() {
                        guard let row = wire.row(attribute.type) else { continue }
                        for field in wire.fields[row.firstField..<row.endField] {
                            fields.append(
                                Self.field(field, of: attribute.type, at: attribute.offset, isMask: isMask))
                        }
                    }
                } catch { preconditionFailure("a specimen of a key cannot be written: \(error)") }
                layouts.append(
                    Layout(
                        start: Int32(start), size: Int32(writer.count - start), firstField: Int32(firstField),
                        endField: Int32(fields.count)))
            }
        }
        unsafe self.layouts = Self.copy(layouts)
        unsafe self.fields = Self.copy(fields)
        unsafe bytes = Self.copy(writer.bytes)
    }

    private static func copy<Element: BitwiseCopyable>(_ array: [Element]) -> UnsafeMutablePointer<Element> {
        let memory = UnsafeMutablePointer<Element>.allocate(capacity: max(array.count, 1))
        for index in array.indices { unsafe (memory + index).initialize(to: array[index]) }
        return unsafe memory
    }

    private static func field(_ field: KeyWire.Field, of type: UInt16, at offset: Int, isMask: Bool) -> FieldStore {
        var store = field.store
        if isMask, type == KeyAttribute.inPort {
            // A port number has 16 bits here; the upper half of its mask stays as it has been written.
            store = FieldStore(offset: field.offset, size: 2, isHostOrder: true, place: field.place)
            #if _endian(big)
                store.offset += 2
            #endif
        }
        store.offset += UInt16(offset + Attribute.headerSize)
        return store
    }

    // MARK: Sorts of keys

    // What decides which attributes a key has: its EtherType, its protocol, and whether its connection is known.
    private static let networks: [UInt16] = [EtherType.ipv4, EtherType.ipv6, EtherType.arp, EtherType.rarp, 0]
    private static let transports: [UInt8] = [
        IPProtocol.tcp, IPProtocol.udp, IPProtocol.sctp, IPProtocol.icmp, IPProtocol.icmpv6, IPProtocol.icmpv6, 0xff,
    ]
    /// Of two equal transports the second is neighbour discovery.
    private static let neighbourDiscovery = 5
    private static let otherTransport = 6
    private static let transportCount = 7
    private static let sortCount = networks.count * transportCount * 2

    /// A key of a sort.
    private static func specimen(_ sort: Int) -> FlowKey {
        var key = FlowKey()
        key.kind = 1
        let (network, transport) = (sort / 2 / transportCount, sort / 2 % transportCount)
        key.etherType = networks[network]
        if key.etherType == EtherType.ipv4 || key.etherType == EtherType.ipv6 {
            key.ipProtocol = transports[transport]
            if transport == neighbourDiscovery { key.transportSource = 135 }
        }
        if sort % 2 != 0 { key.ctOriginalProtocol = 1 }
        return key
    }

    /// The sort of a key; nil if it is not plain.
    @inline(__always)
    private static func sort(of key: FlowKey) -> Int? {
        guard key.kind != 0, key.vlanTCI == 0, key.tunnelFamily == 0, key.inPort != FlowKey.noPort else { return nil }
        var (network, transport) = (4, otherTransport)
        switch key.etherType {
        case EtherType.ipv4: network = 0
        case EtherType.ipv6: network = 1
        case EtherType.arp: network = 2
        case EtherType.rarp: network = 3
        case EtherType.vlan, EtherType.serviceVLAN, EtherType.mplsUnicast, EtherType.mplsMulticast, EtherType.nsh,
            EtherType.ieee8022:
            return nil
        default: break
        }
        if network < 2, key.fragment != Fragment.later {
            switch key.ipProtocol {
            case IPProtocol.tcp: transport = 0
            case IPProtocol.udp: transport = 1
            case IPProtocol.sctp: transport = 2
            case IPProtocol.icmp: transport = 3
            case IPProtocol.icmpv6: transport = key.isNeighbourDiscovery ? neighbourDiscovery : 4
            default: break
            }
        }
        return (network &* transportCount &+ transport) &* 2 &+ (key.ctOriginalProtocol != 0 ? 1 : 0)
    }

    // MARK: Writing

    /// Writes a key, or a mask over it, if it is plain.
    /// - Parameters:
    ///   - key: decides which attributes there are.
    ///   - output: the key or the mask.
    /// - Returns: whether it is plain. If not, nothing has been written.
    /// - Throws: `noSpace`.
    func write(
        _ key: FlowKey, _ output: FlowKey, isMask: Bool, to writer: inout MessageWriter
    ) throws(NetlinkError) -> Bool {
        guard let sort = Self.sort(of: key) else { return false }
        var output = output
        return try unsafe output.withWords { (words) throws(NetlinkError) in
            // What a mask says of a tunnel the layout has not.
            if isMask {
                var tunnel: UInt64 = 0
                for index in 24..<FlowKey.wordCount { unsafe tunnel |= words[index] }
                guard tunnel == 0 else { return false }
            }
            // There are so many layouts, and `sort` is less than half of their number.
            let layout = unsafe layouts[sort &* 2 &+ (isMask ? 1 : 0)]
            let prepared = unsafe UnsafeRawBufferPointer(
                start: bytes + Int(layout.start), count: Int(layout.size))
            try unsafe writer.append(prepared: prepared) { target in
                var index = Int(layout.firstField)
                // Their words lie inside the key, and their places inside the layout.
                while index < Int(layout.endField) {
                    unsafe fields[index].store(words, in: target)
                    index &+= 1
                }
            }
            return true
        }
    }
}
