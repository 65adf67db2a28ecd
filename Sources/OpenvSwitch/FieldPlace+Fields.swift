// The fields of a flow key, each at its place. The tables of the flow language (`KeyDescription`) name the same places.

extension FieldPlace {
    // Metadata
    @inlinable static var recircID: FieldPlace { FieldPlace(word: 0, shift: 32, bits: 32) }
    @inlinable static var dpHash: FieldPlace { FieldPlace(word: 0, shift: 0, bits: 32) }
    @inlinable static var priority: FieldPlace { FieldPlace(word: 1, shift: 32, bits: 32) }
    @inlinable static var skbMark: FieldPlace { FieldPlace(word: 1, shift: 0, bits: 32) }
    @inlinable static var inPort: FieldPlace { FieldPlace(word: 2, shift: 48, bits: 16) }

    // Link layer
    @inlinable static var etherType: FieldPlace { FieldPlace(word: 2, shift: 32, bits: 16) }
    @inlinable static var kind: FieldPlace { FieldPlace(word: 2, shift: 24, bits: 8) }
    @inlinable static var ethernetSource: FieldPlace { FieldPlace(word: 3, shift: 16, bits: 48) }
    @inlinable static var ethernetDestination: FieldPlace { FieldPlace(word: 4, shift: 16, bits: 48) }
    @inlinable static var vlanTCI: FieldPlace { FieldPlace(word: 3, shift: 0, bits: 16) }
    @inlinable static var innerVLANTCI: FieldPlace { FieldPlace(word: 4, shift: 0, bits: 16) }
    @inlinable static var vlanTPID: FieldPlace { FieldPlace(word: 5, shift: 48, bits: 16) }
    @inlinable static var innerVLANTPID: FieldPlace { FieldPlace(word: 5, shift: 32, bits: 16) }

    // Network layer; the EtherType says which of these a word holds
    @inlinable static var fragment: FieldPlace { FieldPlace(word: 2, shift: 16, bits: 8) }
    @inlinable static var ipProtocol: FieldPlace { FieldPlace(word: 2, shift: 8, bits: 8) }
    @inlinable static var ipTOS: FieldPlace { FieldPlace(word: 2, shift: 0, bits: 8) }
    @inlinable static var ipTTL: FieldPlace { FieldPlace(word: 5, shift: 24, bits: 8) }
    @inlinable static var ipv6Label: FieldPlace { FieldPlace(word: 6, shift: 0, bits: 32) }
    @inlinable static var ipv4Source: FieldPlace { FieldPlace(word: 7, shift: 32, bits: 32) }
    @inlinable static var ipv4Destination: FieldPlace { FieldPlace(word: 7, shift: 0, bits: 32) }
    @inlinable static var arpSourceMAC: FieldPlace { FieldPlace(word: 8, shift: 0, bits: 48) }
    @inlinable static var arpTargetMAC: FieldPlace { FieldPlace(word: 9, shift: 0, bits: 48) }
    @inlinable static var mplsPresence: FieldPlace { FieldPlace(word: 8, shift: 0, bits: 8) }
    @inlinable static var ipv6Source: FieldPlace { FieldPlace(word: 7, shift: 0, bits: 128) }
    @inlinable static var ipv6Destination: FieldPlace { FieldPlace(word: 9, shift: 0, bits: 128) }
    @inlinable static var ndTarget: FieldPlace { FieldPlace(word: 11, shift: 0, bits: 128) }
    @inlinable static var ndSourceMAC: FieldPlace { FieldPlace(word: 13, shift: 0, bits: 48) }
    @inlinable static var ndTargetMAC: FieldPlace { FieldPlace(word: 14, shift: 0, bits: 48) }
    @inlinable static var ipv6ExtensionHeaders: FieldPlace { FieldPlace(word: 15, shift: 0, bits: 16) }
    @inlinable static var nshFlags: FieldPlace { FieldPlace(word: 7, shift: 56, bits: 8) }
    @inlinable static var nshTTL: FieldPlace { FieldPlace(word: 7, shift: 48, bits: 8) }
    @inlinable static var nshMetadataType: FieldPlace { FieldPlace(word: 7, shift: 40, bits: 8) }
    @inlinable static var nshNextProtocol: FieldPlace { FieldPlace(word: 7, shift: 32, bits: 8) }
    @inlinable static var nshPath: FieldPlace { FieldPlace(word: 7, shift: 0, bits: 32) }
    @inlinable static var nshContext1: FieldPlace { FieldPlace(word: 8, shift: 32, bits: 32) }
    @inlinable static var nshContext2: FieldPlace { FieldPlace(word: 8, shift: 0, bits: 32) }
    @inlinable static var nshContext3: FieldPlace { FieldPlace(word: 9, shift: 32, bits: 32) }
    @inlinable static var nshContext4: FieldPlace { FieldPlace(word: 9, shift: 0, bits: 32) }

    // Transport layer
    @inlinable static var tcpFlags: FieldPlace { FieldPlace(word: 5, shift: 0, bits: 16) }
    @inlinable static var transportSource: FieldPlace { FieldPlace(word: 6, shift: 48, bits: 16) }
    @inlinable static var transportDestination: FieldPlace { FieldPlace(word: 6, shift: 32, bits: 16) }

    // Connection tracking
    @inlinable static var ctMark: FieldPlace { FieldPlace(word: 16, shift: 32, bits: 32) }
    @inlinable static var ctZone: FieldPlace { FieldPlace(word: 16, shift: 16, bits: 16) }
    @inlinable static var ctState: FieldPlace { FieldPlace(word: 16, shift: 8, bits: 8) }
    @inlinable static var ctOriginalProtocol: FieldPlace { FieldPlace(word: 16, shift: 0, bits: 8) }
    @inlinable static var ctLabels: FieldPlace { FieldPlace(word: 17, shift: 0, bits: 128) }
    @inlinable static var ctOriginalSourcePort: FieldPlace { FieldPlace(word: 19, shift: 48, bits: 16) }
    @inlinable static var ctOriginalDestinationPort: FieldPlace { FieldPlace(word: 19, shift: 32, bits: 16) }
    @inlinable static var ctOriginalIPv4Source: FieldPlace { FieldPlace(word: 20, shift: 32, bits: 32) }
    @inlinable static var ctOriginalIPv4Destination: FieldPlace { FieldPlace(word: 20, shift: 0, bits: 32) }
    @inlinable static var ctOriginalIPv6Source: FieldPlace { FieldPlace(word: 20, shift: 0, bits: 128) }
    @inlinable static var ctOriginalIPv6Destination: FieldPlace { FieldPlace(word: 22, shift: 0, bits: 128) }

    // Tunnel
    @inlinable static var tunnelFamily: FieldPlace { FieldPlace(word: 5, shift: 16, bits: 8) }
    @inlinable static var tunnelID: FieldPlace { FieldPlace(word: 24, shift: 0, bits: 64) }
    @inlinable static var tunnelIPv4Source: FieldPlace { FieldPlace(word: 25, shift: 32, bits: 32) }
    @inlinable static var tunnelIPv4Destination: FieldPlace { FieldPlace(word: 25, shift: 0, bits: 32) }
    @inlinable static var tunnelIPv6Source: FieldPlace { FieldPlace(word: 25, shift: 0, bits: 128) }
    @inlinable static var tunnelIPv6Destination: FieldPlace { FieldPlace(word: 27, shift: 0, bits: 128) }
    @inlinable static var tunnelFlags: FieldPlace { FieldPlace(word: 29, shift: 48, bits: 16) }
    @inlinable static var tunnelTOS: FieldPlace { FieldPlace(word: 29, shift: 40, bits: 8) }
    @inlinable static var tunnelTTL: FieldPlace { FieldPlace(word: 29, shift: 32, bits: 8) }
    @inlinable static var tunnelSourcePort: FieldPlace { FieldPlace(word: 29, shift: 16, bits: 16) }
    @inlinable static var tunnelDestinationPort: FieldPlace { FieldPlace(word: 29, shift: 0, bits: 16) }
    @inlinable static var tunnelOptionsLength: FieldPlace { FieldPlace(word: 30, shift: 0, bits: 8) }
}
