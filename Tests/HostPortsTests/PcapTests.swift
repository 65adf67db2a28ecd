import Foundation
import LinuxSystem
import Netlink
import Testing

@testable import HostPorts

@Suite struct PcapTests {
    private struct Packet: Equatable {
        var time: UInt64
        var original: UInt32
        var bytes: [UInt8]
    }

    /// The packets of a capture, and the error that ended it.
    private func read(_ bytes: [UInt8]) -> (PcapLinkType?, [Packet], PcapError?) {
        var packets: [Packet] = []
        do {
            var reader = try PcapReader(unsafe bytes.span.bytes)
            let linkType = reader.linkType
            do throws(PcapError) {
                while let packet = try reader.next() {
                    packets.append(
                        Packet(time: packet.time, original: packet.originalLength, bytes: packet.bytes.copyBytes()))
                }
                return (linkType, packets, nil)
            } catch { return (linkType, packets, error) }
        } catch { return (nil, packets, error) }
    }

    private func capture(_ linkType: PcapLinkType = .ethernet, _ resolution: PcapResolution = .nanoseconds) -> [UInt8] {
        var writer = PcapWriter(linkType: linkType, resolution: resolution, snapLength: 100)
        let short: [UInt8] = [1, 2, 3]
        let long = [UInt8](repeating: 7, count: 200)
        let none: [UInt8] = []
        unsafe writer.append(short.span.bytes, time: 1_700_000_000_123_456_789)
        unsafe writer.append(long.span.bytes, time: 5)
        unsafe writer.append(none.span.bytes, time: 0, originalLength: 60)
        return writer.bytes
    }

    @Test func roundTrip() {
        let (linkType, packets, error) = read(capture())
        #expect(linkType == .ethernet)
        #expect(error == nil)
        #expect(
            packets == [
                Packet(time: 1_700_000_000_123_456_789, original: 3, bytes: [1, 2, 3]),
                Packet(time: 5, original: 200, bytes: [UInt8](repeating: 7, count: 100)),
                Packet(time: 0, original: 60, bytes: []),
            ])
        let (netlink, coarse, _) = read(capture(.netlink, .microseconds))
        #expect(netlink == .netlink)
        #expect(coarse.map(\.time) == [1_700_000_000_123_456_000, 0, 0])
    }

    @Test func bothByteOrders() {
        var bytes = capture()
        // The other order: reverse every field of the headers.
        func swap(_ start: Int, _ sizes: [Int]) {
            var at = start
            for size in sizes {
                bytes[at..<(at + size)].reverse()
                at += size
            }
        }
        swap(0, [4, 2, 2, 4, 4, 4, 4])
        var at = 24
        for length in [3, 100, 0] {
            swap(at, [4, 4, 4, 4])
            at += 16 + length
        }
        #expect(read(bytes).1 == read(capture()).1)
        #expect(read(bytes).2 == nil)
    }

    @Test func everyCutIsAnErrorOrAnEnd() {
        let whole = capture()
        let ends: Set<Int> = [24, 24 + 19, 24 + 19 + 116, whole.count]
        for count in 0...whole.count {
            let (_, packets, error) = read(Array(whole.prefix(count)))
            if ends.contains(count) {
                #expect(error == nil)
            } else {
                #expect(error?.code == .truncated)
            }
            #expect(packets.count == ends.filter { $0 <= count && $0 > 24 }.count)
        }
    }

    @Test func lies() {
        var bytes = capture()
        bytes[0] = 0
        #expect(read(bytes).2 == PcapError(.notCapture, at: 0))
        bytes = capture()
        bytes[4] = 3
        #expect(read(bytes).2 == PcapError(.unsupportedVersion, at: 4))
        bytes = capture()
        bytes.replaceSubrange(32..<36, with: [0xff, 0xff, 0xff, 0xff])
        #expect(read(bytes).2 == PcapError(.packetTooLong, at: 24))
        bytes.replaceSubrange(32..<36, with: [0, 0, 4, 0])  // the limit itself, which the bytes do not have
        #expect(read(bytes).2 == PcapError(.truncated, at: 24))
        bytes = capture()
        bytes.replaceSubrange(24..<32, with: [UInt8](repeating: 0xff, count: 8))  // the largest time
        #expect(read(bytes).1.first?.time == 0xffff_ffff * 1_000_000_000 + 0xffff_ffff)
    }

    @Test func noBytesTrap() {
        var generator = SystemRandomNumberGenerator()
        var packets = 0
        for _ in 0..<20_000 {
            var bytes = capture()
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            packets += read(bytes).1.count
        }
        #expect(packets > 0)
    }

    @Test func files() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID()).pcap").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try PcapFile.save(capture(), to: path)
        #expect(try PcapFile.load(path) == capture())
        try PcapFile.save([], to: path)
        #expect(try PcapFile.load(path) == [])
        try PcapFile.save(capture(), to: path)
        #expect { try PcapFile.load(path, maximumSize: 10) } throws: { ($0 as? LinuxError)?.errno == EFBIG }
        #expect { try PcapFile.load(path + ".missing") } throws: { ($0 as? LinuxError)?.errno == ENOENT }
    }
}
