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

    @Test func aBriefSpinEndsWithTheAnswer() {
        var spin = BriefSpin()
        guard sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1, spin.wait({ 1 }) != nil else { return }
        var asked = 0
        let answer = spin.wait {
            asked += 1
            return asked == 3 ? asked : nil
        }
        #expect(answer == 3 && asked == 3)
    }

    @Test func aBriefSpinInVainIsShortAndGetsRare() {
        var spin = BriefSpin()
        guard spin.wait({ 1 }) != nil else { return }
        var tries: [Int] = []
        for round in 0..<1000 {
            var isAsked = false
            let answer = spin.wait { () -> Int? in
                isAsked = true
                return nil
            }
            #expect(answer == nil)
            if isAsked { tries.append(round) }
        }
        // After one, two, four … of them, and at last after 64.
        #expect(tries.prefix(5) == [0, 2, 6, 14, 30])
        #expect(tries.count < 25)
        #expect(zip(tries, tries.dropFirst()).map { $1 - $0 }.max() == 64)
        // An answer makes it worth while again.
        while spin.wait({ 1 }) == nil {}
        #expect(spin.wait { 2 } == 2)
    }

    @Test func theMonotonicClockGoesOn() {
        let before = MonotonicClock.nanoseconds
        usleep(2000)
        let after = MonotonicClock.nanoseconds
        #expect(after - before >= 2_000_000 && after - before < 10_000_000_000)
        #expect(MonotonicClock.milliseconds >= after / 1_000_000)
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
