import Netlink
import OpenvSwitch
import Testing

@testable import Device

@Suite struct MessageQueueTests {
    /// Random appends and removals, compared with an array.
    @Test func behavesAsAnArrayOfBoundedSize() {
        var state: UInt64 = 99
        func random(_ limit: UInt64) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % limit)
        }
        for capacity in [64, 256, 1000, 4096] {
            var queue = MessageQueue(capacity: capacity)
            var model: [[UInt8]] = []
            var lost: UInt64 = 0
            for step in 0..<20_000 {
                if random(5) < 3 {
                    let message = [UInt8](repeating: UInt8(truncatingIfNeeded: step), count: 1 + random(100))
                    if queue.append(message.rawSpan) { model.append(message) } else { lost += 1 }
                } else if !model.isEmpty {
                    var output = MessageWriter()
                    _ = queue.moveFirst(to: &output)
                    // A loss is told first, once.
                    if output.count == 0 { _ = queue.moveFirst(to: &output) }
                    #expect(output.bytes == model.removeFirst())
                }
                guard queue.count == model.count else {
                    Issue.record("\(queue.count) messages, not \(model.count)")
                    return
                }
            }
            let counted = queue.lost
            #expect(counted == lost)
            #expect(lost > 0)
        }
    }

    @Test func whatCannotEverFitIsLostAndTold() {
        var queue = MessageQueue(capacity: 64)
        let message = [UInt8](repeating: 0, count: 100)
        let isTaken = queue.append(message.rawSpan)
        let hasNews = queue.hasNews
        var output = MessageWriter()
        let first = queue.moveFirst(to: &output)
        let second = queue.moveFirst(to: &output)
        let hasMore = queue.hasNews
        #expect(!isTaken && hasNews && !hasMore)
        #expect(first == IOResult(.overflow, information: 1))
        #expect(second == IOResult(.success))
    }
}
