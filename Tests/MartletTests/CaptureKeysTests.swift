import HostPorts
import Netlink
import Testing

@testable import martlet

@Suite struct CaptureKeysTests {
    private static let key =
        "eth(src=50:54:00:00:00:09,dst=50:54:00:00:00:0a),eth_type(0x0800),"
        + "ipv4(src=10.0.0.9,dst=10.0.0.10,proto=253,tos=0,ttl=64,frag=no)"

    private func capture(_ frames: [[UInt8]], linkType: PcapLinkType = .ethernet) -> [UInt8] {
        var writer = PcapWriter(linkType: linkType)
        for frame in frames { writer.append(frame.rawSpan, time: 0) }
        return writer.bytes
    }

    /// What is printed, and the words of the error.
    private func printed(_ bytes: [UInt8], json: Bool = false) -> (lines: [String], error: String?) {
        let output = MemoryOutput()
        do {
            try CaptureKeys(output: output, json: json).print(bytes, of: "x.pcap")
            return (output.lines, nil)
        } catch { return (output.lines, "\(error)") }
    }

    @Test func aLineForEachPacket() {
        let frames = [frame(), [UInt8](repeating: 0, count: 13), Array(frame().prefix(14)), []]
        let whole = printed(capture(frames))
        #expect(
            whole.lines == [
                Self.key, "dropped: the frame is shorter than an Ethernet header",
                "eth(src=50:54:00:00:00:09,dst=50:54:00:00:00:0a),eth_type(0x0800),"
                    + "ipv4(src=0.0.0.0,dst=0.0.0.0,proto=0,tos=0,ttl=0,frag=no)",
                "dropped: the frame is shorter than an Ethernet header",
            ])
        #expect(whole.error == nil)
        #expect(
            printed(capture(Array(frames.prefix(2))), json: true).lines == [
                #"{"key":"\#(Self.key)"}"#, #"{"dropped":"the frame is shorter than an Ethernet header"}"#,
            ])
    }

    @Test func aCaptureCutOffIsPrintedUpToThere() {
        let bytes = capture([frame(), frame()])
        let cut = printed(Array(bytes.dropLast()))
        #expect(cut.lines == [Self.key])
        #expect(cut.error == "reading x.pcap failed: the capture ends too early, at byte \(24 + 16 + frame().count)")
    }

    @Test func whatIsNoCaptureOfEthernetFramesIsRefused() {
        for (bytes, words) in [
            ([], "the capture ends too early, at byte 0"),
            (Array("no capture at all".utf8), "these bytes are not a pcap capture, at byte 0"),
            (
                [0x0a, 0x0d, 0x0d, 0x0a] + [UInt8](repeating: 0, count: 24),
                "it is in the pcapng format: editcap -F pcap x.pcap NEW makes a classic capture of it"
            ),
            (
                capture([frame()], linkType: .netlink),
                "its packets are not Ethernet frames, but of link type 253"
            ),
        ] {
            let refused = printed(bytes)
            #expect(refused.lines.isEmpty)
            #expect(refused.error == "reading x.pcap failed: \(words)")
        }
    }
}
