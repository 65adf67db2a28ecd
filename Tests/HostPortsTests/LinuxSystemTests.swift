import Foundation
import Glibc
import LinuxSystem
import Synchronization
import Testing

/// What the ports and the doors have of the system.
@Suite struct LinuxSystemTests {
    @Test func errorsSayTheReasonOnce() throws {
        let error = LinuxError(errno: ENODEV, call: "RTM_GETLINK", message: "cannot find interface 5")
        #expect("\(error)" == "cannot find interface 5: No such device (RTM_GETLINK)")
        #expect("\(LinuxError(errno: EACCES, call: "bind", message: ""))" == "bind: Permission denied")
        let explained = LinuxError(errno: ENODEV, explanation: "there is no interface e9")
        #expect("\(explained)" == "there is no interface e9")
        #expect(explained.errno == ENODEV && explained.call == nil)
    }

    @Test func callsAreRepeatedAndErrorsBecomeValues() throws {
        var left = 3
        let number = Syscall.raw { () -> Int32 in
            left -= 1
            errno = EINTR
            return left > 0 ? -1 : 7
        }
        #expect(number == 7 && left == 0)
        #expect(Syscall.raw { close(-1) } == -Int(EBADF))
        let error = #expect(throws: LinuxError.self) { try Syscall.call("close", "cannot close") { close(-1) } }
        #expect(error == LinuxError(errno: EBADF, call: "close", message: "cannot close"))
    }

    @Test func descriptorsCloseWhenNobodyHoldsThem() throws {
        var ends: [Int32] = [-1, -1]
        // Two numbers, written during the call.
        try Syscall.call("socketpair") { unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) }
        let there = Descriptor(Int(ends[1]))
        var holders = [Descriptor(Int(ends[0]))]
        holders.append(holders[0])
        #expect(receive(there) == -Int(EAGAIN))
        holders.removeLast()
        #expect(receive(there) == -Int(EAGAIN))
        holders.removeLast()
        #expect(receive(there) == 0)
    }

    /// - Returns: 0 once the other end is closed.
    private func receive(_ descriptor: Descriptor) -> Int {
        var byte: UInt8 = 0
        // One byte, written during the call.
        return Syscall.raw { unsafe recv(descriptor.raw, &byte, 1, Int32(MSG_DONTWAIT)) }
    }

    @Test func threadsHaveNamesAndTakeNoSignals() throws {
        let seen = Mutex<(name: String, isBlocked: Bool)?>(nil)
        let before = blocksTermination()
        let thread = try PlainThread(name: "martlet-some") {
            let text = (try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)) ?? ""
            seen.withLock { $0 = (text, blocksTermination()) }
        }
        #expect(!thread.isCurrent)
        thread.join()
        let (name, isBlocked) = try #require(seen.withLock { $0 })
        #expect(name == "martlet-some\n" && isBlocked)
        // The maker's own signals are as they were.
        #expect(blocksTermination() == before)
    }

    @Test func threadsKnowThemselves() throws {
        let isCurrent = Mutex<Bool?>(nil)
        let made = Mutex<PlainThread?>(nil)
        let ready = try EventCounter(blocking: true)
        let thread = try PlainThread(name: "martlet-self") {
            ready.drain()
            isCurrent.withLock { $0 = made.withLock { $0?.isCurrent } }
        }
        made.withLock { $0 = thread }
        ready.signal()
        thread.join()
        #expect(isCurrent.withLock { $0 } == true)
    }
}

/// Whether the calling thread blocks SIGTERM.
private func blocksTermination() -> Bool {
    var mask = sigset_t()
    // The call only writes the present mask.
    unsafe pthread_sigmask(SIG_BLOCK, nil, &mask)
    return unsafe sigismember(&mask, SIGTERM) == 1
}
