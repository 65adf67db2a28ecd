import CLinux
import Glibc
import LinuxSystem
import OpenvSwitch
import Packets
import Testing

@testable import Datapath
@testable import HostPorts

@Suite struct XDPProgramTests {
    /// The instructions that jump, with where they go, by their places.
    private func jumps(_ code: [UInt64]) -> [Int: Int] {
        var jumps: [Int: Int] = [:]
        for (index, instruction) in code.enumerated()
        where [0x15, 0xbd].contains(UInt8(truncatingIfNeeded: instruction)) {
            jumps[index] = index + 1 + Int(Int16(truncatingIfNeeded: instruction >> 16))
        }
        return jumps
    }

    @Test func whatDoesNotFitIsPassedOn() {
        for (tag, count) in [
            (nil, 1), (XDPProgram.Tag(function: 4711, strips: false), 2),
            (XDPProgram.Tag(function: 4711, strips: true), 3),
        ] as [(XDPProgram.Tag?, Int)] {
            let code = XDPProgram.instructions(map: 9, longest: 1792, tag: tag)
            let jumps = jumps(code)
            #expect(jumps.count == count)
            // Every jump leads to "return XDP_PASS".
            #expect(jumps.values.allSatisfy { $0 == code.count - 2 })
            #expect(code[code.count - 2] == 2 << 32 | 0xb7)
            #expect(code.last == 0x95)
            // Longer than 1792 bytes: data + 1793 <= data_end.
            #expect(code[3] == 1793 << 32 | 2 << 8 | 0x07)
            #expect(code.contains(9 << 32 | 0x11 << 8 | 0x18))
            #expect(code.contains(4711 << 32 | 0x20 << 8 | 0x85) == (tag != nil))
        }
    }

    @Test func modes() {
        #expect(XDPSocket.ChunkSize(mtu: 1500) == .half)
        #expect(XDPSocket.ChunkSize(mtu: 1770) == .half)
        #expect(XDPSocket.ChunkSize(mtu: 1771) == .page)
        #expect(XDPSocket.ChunkSize(mtu: 65_535) == .page)
    }
}

@Suite struct KernelFunctionsTests {
    private func words(_ values: UInt32...) -> [UInt8] {
        values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    }

    /// One type of each kind, then the function `wanted`.
    private func information() -> [UInt8] {
        let strings = [0] + Array("other".utf8) + [0] + Array("wanted".utf8) + [0]
        var types: [UInt8] = []
        let bodies: [(kind: UInt32, members: UInt32, body: Int)] = [
            (1, 0, 4), (2, 0, 0), (3, 0, 12), (4, 2, 24), (5, 1, 12), (6, 3, 24), (7, 0, 0), (8, 0, 0), (9, 0, 0),
            (10, 0, 0), (11, 0, 0), (12, 0, 0), (13, 2, 16), (14, 0, 4), (15, 1, 12), (16, 0, 0), (17, 0, 4),
            (18, 0, 0), (19, 1, 12),
        ]
        for (kind, members, body) in bodies {
            // The name of a function that is another, and of types that are no function.
            types += words(kind == 12 ? 1 : 7, kind << 24 | members, 0) + [UInt8](repeating: 0xff, count: body)
        }
        types += words(7, 12 << 24, 0)
        let header = [0x9f, 0xeb, 1, 0] + words(24, 0, UInt32(types.count), UInt32(types.count), UInt32(strings.count))
        return header + types + strings
    }

    @Test func functionsHaveNumbers() {
        let functions = KernelFunctions(information())
        #expect(functions.number(of: "other") == 12)
        #expect(functions.number(of: "wanted") == 20)
        #expect(functions.number(of: "want") == nil)
        #expect(functions.number(of: "wanted ") == nil)
    }

    @Test func brokenInformationHasNone() {
        let whole = information()
        for length in 0..<whole.count {
            let found = KernelFunctions(Array(whole.prefix(length))).number(of: "wanted")
            #expect(found == nil, "\(length) bytes")
        }
        for place in 0..<whole.count {
            for value: UInt8 in [0, 1, 0x7f, 0xff] {
                var broken = whole
                broken[place] = value
                _ = KernelFunctions(broken).number(of: "wanted")
            }
        }
    }

    @Test func thisKernelsAreFound() throws {
        guard unsafe access("/sys/kernel/btf/vmlinux", R_OK) == 0 else { return }
        let functions = try #require(KernelFunctions.ofThisKernel())
        #expect(try #require(functions.number(of: "bpf_xdp_metadata_rx_timestamp")) > 0)
    }
}

/// Rings whose kernel is the test: a file in the place of a socket.
@Suite struct XDPRingTests {
    private static let offsets = xdp_ring_offset(producer: 0, consumer: 64, desc: 128, flags: 96)

    /// A file that has room for the rings at the places where a socket has them, and what the kernel sees of it.
    private func file() throws -> Descriptor {
        var name = Array("/tmp/martlet-test-XXXXXX".utf8CString)
        // The array is NUL-terminated, and changed in place.
        let result = unsafe mkstemp(&name)
        let file = Descriptor(Int(try #require(result >= 0 ? result : nil)))
        _ = unsafe unlink(name)
        try #require(ftruncate(file.raw, 0x1_8000_0000 + 65_536) == 0)
        return file
    }

    /// `#expect` takes no values that cannot be copied.
    private func check(_ value: Bool, _ words: String = "", sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(value, "\(words)", sourceLocation: sourceLocation)
    }

    private func takePacket(_ pool: inout PacketPool) throws -> Packet {
        guard let packet = pool.take() else { throw CancellationError() }
        return packet
    }

    private func write<T: BitwiseCopyable>(_ value: T, at offset: Int64, _ file: Descriptor) {
        unsafe withUnsafeBytes(of: value) { bytes in
            #expect(unsafe pwrite(file.raw, bytes.baseAddress, bytes.count, off_t(offset)) == bytes.count)
        }
    }

    private func read<T: BitwiseCopyable>(_ value: T, at offset: Int64, _ file: Descriptor) -> T {
        var value = value
        unsafe withUnsafeMutableBytes(of: &value) { bytes in
            #expect(unsafe pread(file.raw, bytes.baseAddress, bytes.count, off_t(offset)) == bytes.count)
        }
        return value
    }

    @Test func noIndexLeavesTheRing() throws {
        let file = try file()
        var ring = try XDPRing<UInt64>(file.raw, at: 0, Self.offsets, size: 4)
        check(ring.filled == 0)
        for index in 0..<4 { write(UInt64(100 + index), at: 128 + Int64(8 * index), file) }
        write(UInt32(3), at: 0, file)
        check(ring.filled == 3)
        check((0..<3).map { _ in ring.take() } == [100, 101, 102])
        #expect(read(UInt32(0), at: 64, file) == 0)
        ring.release()
        #expect(read(UInt32(0), at: 64, file) == 3)
        for index: UInt32 in [0, 2, 8, 1 << 31, .max] {
            write(index, at: 0, file)
            check(ring.filled <= 4)
            for _ in 0..<ring.filled { check((100...103).contains(ring.take())) }
        }
        #expect(throws: LinuxError.self) {
            _ = try XDPRing<UInt64>(
                file.raw, at: 0, xdp_ring_offset(producer: 1 << 40, consumer: 64, desc: 128, flags: 96), size: 4
            )
        }
    }

    @Test func describedFramesLieInTheirChunks() throws {
        let file = try file()
        let memory = try MappedMemory(size: 4 * 2048)
        unsafe memory.base.initializeMemory(as: UInt8.self, repeating: 0x5a, count: memory.size)
        var side = unsafe XDPReceivingSide(
            memory.base, chunk: .half, count: 2, fill: try XDPRing(file.raw, at: 0x1_0000_0000, Self.offsets, size: 2),
            ring: try XDPRing(file.raw, at: 0, Self.offsets, size: 2))
        // All chunks are the kernel's at first.
        #expect(read(UInt32(0), at: 0x1_0000_0000, file) == 2)
        let frames: [(address: UInt64, length: UInt32, isSound: Bool)] = [
            (0, 60, true), (256, 1792, true), (256, 1793, false), (2048, 2048, true), (2048, 2049, false),
            (4096, 1, false), (4095, 1, true), (4095, 2, false), (.max, 1, false), (1 << 63, 0, false),
            (0, .max, false),
            (2048 + 256, 0, true),
        ]
        var pool = PacketPool(capacity: 1)
        var packet = try takePacket(&pool)
        var filled: UInt32 = 2
        for (index, frame) in frames.enumerated() {
            write(xdp_desc(addr: frame.address, len: frame.length, options: 0), at: 128 + Int64(16 * (index % 2)), file)
            write(UInt32(index + 1), at: 0, file)
            check(side.filled == 1)
            let isSound = side.take(&packet)
            #expect(isSound == frame.isSound, "\(frame)")
            if isSound {
                #expect(packet.length == Int(frame.length))
                filled += 1
            }
            side.finish()
            // The chunk, and not the frame's place in it, goes back.
            #expect(read(UInt32(0), at: 0x1_0000_0000, file) == filled)
            if isSound {
                let chunk = read(UInt64(0), at: 0x1_0000_0000 + 128 + Int64(8 * ((filled - 1) % 2)), file)
                #expect(chunk == frame.address & ~2047)
            }
            #expect(read(UInt32(0), at: 64, file) == UInt32(index + 1))
        }
    }

    @Test func framesAreTransmittedWhole() throws {
        let file = try file()
        let memory = try MappedMemory(size: 4 * 2048)
        // No wakeup is wanted, so that no call is made.
        var side = unsafe XDPTransmittingSide(
            memory.base, file.raw, chunk: .half, first: 2, count: 2,
            completion: try XDPRing(file.raw, at: 0x1_8000_0000, Self.offsets, size: 2),
            ring: try XDPRing(file.raw, at: 0x8000_0000, Self.offsets, size: 2))
        var pool = PacketPool(capacity: 1)
        var packet = try takePacket(&pool)
        func assign(_ bytes: [UInt8], _ offload: Offload = Offload()) {
            _ = unsafe packet.assign(bytes.span.bytes)
            packet.offload = offload
        }
        var partial = Offload()
        partial.flags = Offload.needsChecksum
        partial.checksumStart = 34
        partial.checksumOffset = 6
        var udp = [UInt8](repeating: 0, count: 43)
        for index in 34..<43 { udp[index] = UInt8(index) }
        assign(udp, partial)
        check(side.takes(packet))
        check(side.begin())
        check(side.put(packet))
        // Nothing is seen before it is flushed.
        #expect(read(UInt32(0), at: 0x8000_0000, file) == 0)
        check(side.flush() == 1)
        check(side.flush() == 0)
        #expect(read(UInt32(0), at: 0x8000_0000, file) == 1)
        let sent = read(xdp_desc(), at: 0x8000_0000 + 128, file)
        #expect(sent.addr == 3 * 2048 && sent.len == 43)
        let frame = unsafe RawSpan(_unsafeStart: memory.base + Int(sent.addr), byteCount: 43)
        // The field held the pseudo header's sum; with that and the checksum in its place, all adds up.
        let pseudo = UInt64(udp[40]) << 8 | UInt64(udp[41])
        check(InternetChecksum.fold(InternetChecksum.sum(frame.extracting(34..<43)) &+ pseudo) == 0xffff)
        // The packet itself stays as it was: other ports may get it.
        #expect(packet.offload == partial)

        assign([UInt8](repeating: 1, count: 2048))
        check(side.takes(packet))
        check(side.put(packet))
        // Both chunks are about.
        check(!side.put(packet))
        check(side.flush() == 1)
        // The kernel is done with one of them, and with some that it never had.
        for (index, address) in ([0, 3 * 2048 + 5] as [UInt64]).enumerated() {
            write(address, at: 0x1_8000_0000 + 128 + Int64(8 * index), file)
        }
        write(UInt32(2), at: 0x1_8000_0000, file)
        check(side.put(packet))
        check(!side.put(packet))

        // What goes through the packet socket.
        assign([UInt8](repeating: 1, count: 2049))
        check(!side.takes(packet))
        var segmented = partial
        segmented.segmentation = Offload.tcpv4
        assign(udp, segmented)
        check(!side.takes(packet))
        partial.checksumOffset = 8
        assign(udp, partial)
        check(!side.takes(packet))
    }

    @Test func aChecksumOutsideTheFrameIsNotSent() throws {
        let file = try file()
        let memory = try MappedMemory(size: 2 * 2048)
        var side = unsafe XDPTransmittingSide(
            memory.base, file.raw, chunk: .half, first: 0, count: 2,
            completion: try XDPRing(file.raw, at: 0x1_8000_0000, Self.offsets, size: 2),
            ring: try XDPRing(file.raw, at: 0x8000_0000, Self.offsets, size: 2))
        var pool = PacketPool(capacity: 1)
        var packet = try takePacket(&pool)
        _ = unsafe packet.assign([UInt8](repeating: 0, count: 60).span.bytes)
        for (start, field) in [(0, 59), (59, 0), (61, 0), (60, 0), (65_535, 65_535)] as [(UInt16, UInt16)] {
            packet.offload.flags = Offload.needsChecksum
            packet.offload.checksumStart = start
            packet.offload.checksumOffset = field
            check(!side.put(packet), "\(start) + \(field)")
        }
        check(side.flush() == 0)
        packet.offload.checksumStart = 58
        packet.offload.checksumOffset = 0
        check(side.put(packet))
    }
}
