import Glibc
import LinuxSystem
import Testing

@testable import HostPorts

@Suite struct FrameBatchTests {
    /// Two sockets, each the other's peer.
    private func pair(_ type: __socket_type) throws -> (Descriptor, Descriptor) {
        var ends: [Int32] = [-1, -1]
        let result = unsafe socketpair(AF_UNIX, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends)
        try #require(result == 0)
        return (Descriptor(Int(ends[0])), Descriptor(Int(ends[1])))
    }

    /// A frame is in the queue a moment before its place in the ring says so, and a worker that is woken between the two
    /// asks for an error.
    @Test func askingForAnErrorLeavesTheFramesThatWait() throws {
        let (near, far) = try pair(SOCK_DGRAM)
        for byte in [UInt8](1...3) { #expect(unsafe send(far.raw, [byte], 1, 0) == 1) }
        for _ in 0..<5 { #expect(FrameBatch.takeError(near.raw) == 0) }
        var byte: UInt8 = 0
        for expected in [UInt8](1...3) {
            #expect(unsafe recv(near.raw, &byte, 1, Int32(MSG_DONTWAIT)) == 1)
            #expect(byte == expected)
        }
    }

    @Test func anErrorIsToldOnce() throws {
        let (near, far) = try pair(SOCK_STREAM)
        #expect(unsafe send(near.raw, [1], 1, 0) == 1)
        // Its peer ends without having read that.
        _ = consume far
        #expect(FrameBatch.takeError(near.raw) == -Int(ECONNRESET))
        #expect(FrameBatch.takeError(near.raw) == 0)
        #expect(FrameBatch.takeError(-1) == -Int(EBADF))
    }
}
