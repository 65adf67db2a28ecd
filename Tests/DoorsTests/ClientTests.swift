import Datapath
import Device
@testable import Doors
import Foundation
import Netlink
import NetlinkSocket
import OpenvSwitch
import Synchronization
import Testing

extension DoorsTests {
    /// What clients do that mean well.
    @Suite struct ClientTests {
        @Test func aConnectionIsAHandle() throws {
            let bed = try DoorBed()
            let first = try bed.transport.connect()
            let second = try bed.transport.connect()
            #expect(first.portID != second.portID)
            #expect(bed.device.openHandles == 2)
            #expect(try first.control(.getPortID, input: [], capacity: 4) == DoorRequest.input(first.portID))
            #expect(try first.control(.getVersion, input: [], capacity: 4) == [1, 0, 0, 0])
            #expect(try bed.transport.open().access == .change)
            first.close()
            second.close()
            #expect(bed.hasHandles(0))
        }

        @Test func failuresOfACallKeepTheirInformation() throws {
            let bed = try DoorBed()
            let connection = try bed.transport.connect()
            func failure(_ code: IOControlCode, _ input: [UInt8] = [], _ capacity: Int = 4096) -> DeviceError? {
                do {
                    _ = try connection.control(code, input: input, capacity: capacity)
                    return nil
                } catch { return error }
            }
            #expect(failure(.getPortID, [], 3) == DeviceError(.invalidLength, information: 4))
            #expect(failure(IOControlCode(rawValue: 42)) == DeviceError(.invalidDeviceRequest))
            #expect(failure(.subscribe, [1, 2, 3]) == DeviceError(.invalidLength, information: 12))
            #expect(failure(.transact, [], 4096) == DeviceError(.invalidLength, information: MessageHeader.size))
            #expect(failure(.pend, [0, 0, 0, 0]) == DeviceError(.invalidParameter))
            let most = 128 << 10
            #expect(
                failure(.transact, [UInt8](repeating: 0, count: most + 1))
                    == DeviceError(.invalidParameter, information: most))
            // The largest input travels; a message of length 0 is what the device says about it.
            #expect(failure(.transact, [UInt8](repeating: 0, count: most)) == DeviceError(.invalidParameter))
            #expect(try connection.control(.getVersion, input: [], capacity: Int.max) == [1, 0, 0, 0])
            #expect(failure(.getVersion, [], -1) == DeviceError(.invalidLength, information: 4))
        }

        @Test func transactions() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a", "b")
            let socket = try TransactionSocket(bed.transport)
            let reply = try #require(
                try socket.transact(VportMessage(command: Command.get, datapathIfindex: ifindex, portNumber: 2)))
            #expect(try VportMessage(try Message(reply.rawSpan)).name == "b")
            do throws(SocketError) {
                _ = try socket.transact(VportMessage(command: Command.get, datapathIfindex: ifindex, portNumber: 3))
                Issue.record("port 3 does not exist")
            } catch { #expect(error == .refused(RequestError(Errno.noDevice, "br0 has no port 3"))) }
        }

        @Test func tenThousandFlowsThroughFourKibibytes() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            try bed.fill(ifindex, 1...10_000)
            let socket = try TransactionSocket(bed.transport)
            var seen: [UInt64] = []
            let request = FlowMessage(command: Command.get, datapathIfindex: ifindex)
            let isWhole = try socket.dump(request, capacity: 4096) { message throws(SocketError) in
                do {
                    let key = try FlowMessage(message).key ?? []
                    seen.append(try FlowMatch.key(Attributes(key.rawSpan)).ethernetSource)
                } catch { Issue.record("\(error)") }
            }
            #expect(isWhole)
            #expect(seen == Array(1...10_000))
        }

        @Test func anAnswerOfFullSize() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            try bed.fill(ifindex, 1...3000)
            let client = try bed.raw()
            var request = MessageWriter()
            try request.append(raw: DumpCursor.start.bytes)
            try FlowMessage(command: Command.get, datapathIfindex: ifindex).write(
                to: &request, flags: [.request, .root, .match])
            // More than the door gives: as good as what it gives.
            try client.send(1, .dump, request.bytes, capacity: Int(UInt32.max))
            let (header, output) = try #require(try client.answer())
            #expect(header.result.status == .success)
            #expect(output.count <= 192 << 10)
            #expect(output.count > (192 << 10) - 256)
            #expect(header.result.information == UInt32(output.count))
        }

        @Test func eventsFromAnotherThread() async throws {
            let bed = try DoorBed()
            let socket = try EventSocket(bed.transport)
            try socket.join(.netdev)
            let host = bed.host
            let thread = Thread {
                for index in 0..<200 {
                    _ = host.plug("e\(index)")
                    if index % 20 == 0 { usleep(1000) }
                }
            }
            thread.start()
            for index in 0..<200 {
                let event = try await socket.next()
                let name = try NetdevMessage(try Message(event.rawSpan)).name
                #expect(name == "e\(index)")
            }
            #expect(try socket.receive() == nil)
        }

        @Test func upcalls() async throws {
            let bed = try DoorBed()
            let socket = try PacketSocket(bed.transport)
            let (_, ports) = try bed.bridge("a", upcalls: socket.portID)
            let frames = (0..<50).map { DoorBed.frame(60_000, UInt8($0)) }
            async let received = { () async throws -> [[UInt8]] in
                var packets: [[UInt8]] = []
                for _ in 0..<50 {
                    let upcall = try await socket.next()
                    packets.append(try PacketMessage(try Message(upcall.rawSpan)).packet)
                }
                return packets
            }()
            for frame in frames { ports[0].send(frame) }
            #expect(try await received == frames)
        }

        @Test func callsGoOnWhileARequestIsPended() async throws {
            let bed = try DoorBed()
            let connection = try bed.transport.connect()
            _ = try connection.control(.subscribe, input: Subscription(.event, group: .netdev).bytes, capacity: 0)
            let isDone = Mutex(false)
            async let waiting: Void = {
                try await connection.pend(.event)
                isDone.withLock { $0 = true }
            }()
            for _ in 0..<500 { #expect(try connection.control(.getVersion, input: [], capacity: 4) == [1, 0, 0, 0]) }
            #expect(try connection.control(.readEvent, input: [], capacity: 4096).isEmpty)
            #expect(!isDone.withLock { $0 })
            _ = bed.host.plug("a")
            try await waiting
            #expect(isDone.withLock { $0 })
            #expect(try !connection.control(.readEvent, input: [], capacity: 4096).isEmpty)
        }

        @Test func threadsShareAConnection() throws {
            let bed = try DoorBed()
            let names = (1...8).map { "p\($0)" }
            let (ifindex, _) = try bed.bridge("p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8")
            let socket = try TransactionSocket(bed.transport)
            let wrong = Mutex(0)
            DispatchQueue.concurrentPerform(iterations: 8) { index in
                for _ in 0..<200 {
                    let request = VportMessage(
                        command: Command.get, datapathIfindex: ifindex, portNumber: UInt32(index + 1))
                    let reply = try? socket.transact(request)
                    let name = reply.flatMap { $0 }.flatMap { bytes in
                        try? VportMessage(try Message(bytes.rawSpan)).name
                    }
                    if name != names[index] { wrong.withLock { $0 += 1 } }
                }
            }
            #expect(wrong.withLock { $0 } == 0)
        }

        @Test func cancellingATaskCancelsItsRequest() async throws {
            let bed = try DoorBed()
            let connection = try bed.transport.connect()
            _ = try connection.control(.subscribe, input: Subscription(.event, group: .netdev).bytes, capacity: 0)
            for delay in [0, 0, 0, 1, 5, 20] {
                let task = Task { () -> DeviceError? in
                    do throws(DeviceError) {
                        try await connection.pend(.event)
                        return nil
                    } catch { return error }
                }
                if delay > 0 { try await Task.sleep(for: .milliseconds(delay)) }
                task.cancel()
                #expect(await task.value == DeviceError(.cancelled))
            }
            // The handle can pend again.
            _ = bed.host.plug("a")
            try await connection.pend(.event)
        }

        @Test func onlyOneWaits() async throws {
            let bed = try DoorBed()
            let connection = try bed.transport.connect()
            await #expect(throws: DeviceError(.invalidParameter)) { try await connection.pend(.packet) }
            _ = try connection.control(.subscribe, input: Subscription(.event, group: .netdev).bytes, capacity: 0)
            let waiters = (0..<2).map { _ in
                Task { () -> DeviceError? in
                    do throws(DeviceError) {
                        try await connection.pend(.event)
                        return nil
                    } catch {
                        if error.status == .deviceBusy { connection.close() }
                        return error
                    }
                }
            }
            var errors: [DeviceError?] = []
            for waiter in waiters { errors.append(await waiter.value) }
            #expect(errors.contains(DeviceError(.deviceBusy)))
            #expect(errors.contains(DeviceError(.cancelled)))
            #expect(throws: DeviceError(.cancelled)) { try connection.control(.getVersion, input: [], capacity: 4) }
            await #expect(throws: DeviceError(.cancelled)) { try await connection.pend(.event) }
            #expect(bed.hasHandles(0))
        }

        @Test func aLossIsReportedOnce() throws {
            let bed = try DoorBed()
            let socket = try PacketSocket(bed.transport)
            let (_, ports) = try bed.bridge("a", upcalls: socket.portID)
            for _ in 0..<100 { ports[0].send(DoorBed.frame(60_000)) }
            var lost: UInt32 = 0
            do throws(SocketError) {
                _ = try socket.receive()
                Issue.record("the loss was not reported")
            } catch {
                if case .lost(let count) = error { lost = count }
            }
            #expect(lost > 0)
            var received: UInt32 = 0
            while try socket.receive() != nil { received += 1 }
            #expect(received + lost == 100)
            ports[0].send(DoorBed.frame(60_000))
            #expect(try socket.receive() != nil)
        }
    }
}
