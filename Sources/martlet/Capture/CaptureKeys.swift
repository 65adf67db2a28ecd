import HostPorts
import Netlink
import OpenvSwitch
import Packets

/// Prints the flow keys of a capture's packets.
struct CaptureKeys {
    let output: any TextOutput
    let json: Bool

    /// Prints a line for each packet.
    /// - Parameters:
    ///   - capture: the bytes of a file in the classic pcap format.
    ///   - name: what the capture is called in an error.
    /// - Throws: `CommandError` if the bytes are no capture of Ethernet frames, or not to their end; the packets in
    ///   front of the fault are printed. `OutputClosed`.
    func print(_ capture: [UInt8], of name: String) throws {
        do {
            var packets = try PcapReader(capture.rawSpan)
            guard packets.linkType == .ethernet else {
                throw CommandError(
                    "reading \(name) failed",
                    advice: "its packets are not Ethernet frames, but of link type \(packets.linkType.rawValue)")
            }
            while let packet = try packets.next() { try output.writeLine(line(packet.bytes)) }
        } catch let error as PcapError {
            var failure = CommandError("reading \(name) failed", advice: "\(error)")
            if Array(capture.prefix(4)) == Self.nextGeneration {
                failure.advice = "it is in the pcapng format: editcap -F pcap \(name) NEW makes a classic capture of it"
            }
            throw failure
        }
    }

    /// The first bytes of a pcapng file.
    private static let nextGeneration: [UInt8] = [0x0a, 0x0d, 0x0d, 0x0a]

    private func line(_ frame: RawSpan) throws -> String {
        var key = FlowKey()
        key.inPort = FlowKey.noPort
        guard KeyExtraction.extract(frame, offload: Offload(), into: &key) != nil else {
            let isShort = frame.byteCount < EthernetHeader.size
            let reason = isShort ? "the frame is shorter than an Ethernet header" : "its NSH header is malformed"
            return json ? JSON.object(["dropped": .string(reason)]).text : "dropped: \(reason)"
        }
        let text = try text(key)
        return json ? JSON.object(["key": .string(text)]).text : text
    }

    /// The key without the metadata in front of the Ethernet header, of which a capture knows nothing.
    private func text(_ key: FlowKey) throws(NetlinkError) -> String {
        var writer = MessageWriter()
        try key.write(to: &writer)
        let bytes = writer.bytes
        var attributes = Attributes(bytes.rawSpan)
        var start = 0
        while let attribute = try attributes.next(), attribute.type != KeyAttribute.ethernet {
            start = attributes.nextOffset
        }
        return FlowText.key(bytes.rawSpan.clamped(from: start), mask: nil, verbose: false, portName: nil)
    }
}
