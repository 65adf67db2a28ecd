import ArgumentParser
import HostPorts
import LinuxSystem

/// `martlet parse-pcap`.
struct ParsePcapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "parse-pcap",
        abstract: "Print the flow key of each packet in a capture.",
        discussion: """
            One line for each packet: what the switch finds in the frame, in the form of ovs-dpctl. What a frame does \
            not tell, such as the port, is not there. A frame that the switch drops has a line that says why. No \
            datapath need be running.

              martlet parse-pcap file.pcap
              tcpdump -i eth1 -c 10 -w - | martlet parse-pcap /dev/stdin
            """)

    @Argument(
        help: ArgumentHelp("A capture of Ethernet frames in the classic pcap format.", valueName: "file.pcap"),
        completion: .file())
    var file: String
    @Flag(help: "Print JSON: one document in one line for each packet.")
    var json = false

    func run() throws {
        let bytes: [UInt8]
        do { bytes = try PcapFile.load(file) } catch {
            var failure = CommandError("reading \(file) failed")
            // Without a call the message is the whole reason.
            if error.call == nil { failure.advice = error.message } else { failure.reason = Host.text(error.errno) }
            throw failure
        }
        try CaptureKeys(output: DescriptorOutput.standard, json: json).print(bytes, of: file)
    }
}
