import OpenvSwitch
import Packets
import Testing

/// What has become of a packet, with or without Ethernet header, and of what is known of it.
struct Edited {
    var done: Bool
    var bytes: [UInt8]
    var networkType: UInt16
    var key: FlowKey
    var offsets: HeaderOffsets
    var offload: Offload

    /// The packet as it is, and what extraction says of it.
    init(_ bytes: [UInt8], networkType: UInt16 = 0, offload: Offload = Offload()) throws {
        var key = FlowKey()
        (key.recircID, key.inPort) = (3, 4)
        let found = KeyExtraction.extract(bytes.raw, networkType: networkType, offload: offload, into: &key)
        (self.bytes, self.networkType, self.key, self.offload) = (bytes, networkType, key, offload)
        offsets = try #require(found)
        done = true
    }

    /// Runs an edit. The packet is left in a slot by itself, so that edits may follow each other.
    func then(
        _ change: (_ packet: inout Packet, _ offsets: inout HeaderOffsets, _ key: inout FlowKey) -> Bool
    ) throws -> Edited {
        try withPacket([]) { packet, _ in
            var result = self
            guard packet.assign(bytes.raw, networkType: networkType) else { throw CancellationError() }
            packet.offload = offload
            result.done = change(&packet, &result.offsets, &result.key)
            (result.bytes, result.networkType, result.offload) = (packet.array, packet.networkType, packet.offload)
            return result
        }
    }

    /// Key and offsets are those of the bytes.
    func expectKeyFollows(_ location: SourceLocation = #_sourceLocation) throws {
        let fresh = try Edited(bytes, networkType: networkType, offload: offload)
        #expect(key == fresh.key, sourceLocation: location)
        #expect(offsets == fresh.offsets, sourceLocation: location)
    }

    /// The edit was refused, and has changed nothing.
    func expectRefused(_ before: Edited, _ location: SourceLocation = #_sourceLocation) {
        #expect(!done, sourceLocation: location)
        #expect(bytes == before.bytes && networkType == before.networkType, sourceLocation: location)
        #expect(key == before.key && offsets == before.offsets, sourceLocation: location)
        #expect(offload == before.offload, sourceLocation: location)
    }
}

extension Edited {
    func pushEthernet() throws -> Edited {
        try then {
            HeaderEdit.pushEthernet(&$0, &$1, source: Build.source, destination: Build.destination, key: &$2)
        }
    }
    func popEthernet() throws -> Edited { try then { HeaderEdit.popEthernet(&$0, &$1, key: &$2) } }
    func pushNSH(_ base: NSHBase = NSHBase(), _ metadata: [UInt8] = [UInt8](repeating: 0, count: 16)) throws -> Edited {
        try then { HeaderEdit.pushNSH(&$0, &$1, base: base, metadata: metadata.raw, key: &$2) }
    }
    func popNSH() throws -> Edited { try then { HeaderEdit.popNSH(&$0, &$1, key: &$2) } }
    func popMPLS(_ etherType: UInt16) throws -> Edited {
        try then { HeaderEdit.popMPLS(&$0, &$1, etherType: etherType, key: &$2) }
    }
    func pushMPLS(_ entry: UInt32, _ etherType: UInt16 = EtherType.mplsUnicast) throws -> Edited {
        try then { HeaderEdit.pushMPLS(&$0, &$1, entry: entry, etherType: etherType, key: &$2) }
    }
    func pushMPLSInFront(_ entry: UInt32, _ etherType: UInt16 = EtherType.mplsUnicast) throws -> Edited {
        try then { HeaderEdit.pushMPLSInFront(&$0, &$1, entry: entry, etherType: etherType, key: &$2) }
    }
}

extension Build {
    /// A network service header.
    static func nsh(
        flags: UInt16 = 0, ttl: UInt16 = 63, type: UInt8 = 1, next: UInt8 = 3, path: UInt32 = 0x0012_34ff,
        _ metadata: [UInt8] = Array(1...16)
    ) -> [UInt8] {
        big(flags << 12 | ttl << 6 | UInt16(2 + metadata.count / 4)) + [type, next] + big(path) + metadata
    }

    /// What a frame holds, and its EtherType.
    static func bare(_ frame: [UInt8]) -> (type: UInt16, bytes: [UInt8]) {
        (UInt16(frame[12]) << 8 | UInt16(frame[13]), Array(frame[14...]))
    }
}
