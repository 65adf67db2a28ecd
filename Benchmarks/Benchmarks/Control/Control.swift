import Benchmark
import DPIF
import Datapath
import Device
import Netlink
import NetlinkSocket
import OpenvSwitch

/// What control costs in process: transactions, flows put and deleted, dumps.
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(metrics: [.wallClock, .throughput], maxDuration: .seconds(2))

    Benchmark("vport get, one transaction") { benchmark in
        let bed = try Bed()
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { blackHole(try bed.dpif.port(1)) }
        benchmark.stopMeasurement()
        bed.end()
    }

    Benchmark("handle: getPortID, no Netlink") { benchmark in
        let bed = try Bed()
        let handle = try bed.device.open()
        var output = MessageWriter(capacity: 64)
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            output.removeAll()
            blackHole(handle.control(.getPortID, input: RawSpan(), output: &output))
        }
        benchmark.stopMeasurement()
        handle.close()
        bed.end()
    }

    Benchmark("handle: vport get") { benchmark in
        let bed = try Bed()
        try bed.measure(
            benchmark, [VportMessage(command: Command.get, datapathIfindex: bed.dpif.ifindex, portNumber: 1)])
    }

    Benchmark("handle: flow get") { benchmark in
        let bed = try Bed()
        try bed.dpif.putFlow(try Bed.flow(1))
        var get = FlowMessage(command: Command.get, datapathIfindex: bed.dpif.ifindex)
        get.key = try Bed.flow(1).key
        try bed.measure(benchmark, [get])
    }

    Benchmark("handle: flow put, flow delete") { benchmark in
        let bed = try Bed()
        let put = try Bed.flow(1)
        var new = FlowMessage(command: Command.new, datapathIfindex: bed.dpif.ifindex)
        (new.key, new.mask, new.actions) = (put.key, put.mask, put.actions)
        var delete = FlowMessage(command: Command.delete, datapathIfindex: bed.dpif.ifindex)
        delete.key = put.key
        try bed.measure(benchmark, [new, delete])
    }

    Benchmark("flow put and delete, batches of 50", configuration: .init(scalingFactor: .one)) { benchmark in
        let bed = try Bed()
        let puts = try (1...50).map { Operation.putFlow(try Bed.flow(UInt64($0))) }
        let deletes = try (1...50).map { Operation.deleteFlow(.key(try Bed.flow(UInt64($0)).key)) }
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            blackHole(try bed.dpif.operate(puts))
            blackHole(try bed.dpif.operate(deletes))
        }
        benchmark.stopMeasurement()
        bed.end()
    }

    Benchmark("dump of 10,000 flows", configuration: .init(scalingFactor: .one)) { benchmark in
        let bed = try Bed()
        for first in stride(from: 1, through: 10_000, by: 100) {
            let puts = try (first..<(first + 100)).map { Operation.putFlow(try Bed.flow(UInt64($0))) }
            _ = try bed.dpif.operate(puts)
        }
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            var count = 0
            try bed.dpif.dumpFlows { _ in count += 1 }
            precondition(count == 10_000)
        }
        benchmark.stopMeasurement()
        bed.end()
    }
}

/// A switch in memory with one port.
final class Bed {
    let host = MemoryPorts()
    let sw: Switch
    let device: Device
    let dpif: NetlinkDPIF

    init() throws {
        sw = Switch(provider: host)
        device = Device(sw)
        host.attach(to: sw)
        dpif = try NetlinkDPIF.create("br0", over: device)
        _ = host.plug("a")
        try dpif.addPort("a")
    }

    /// Measures these requests, one transaction each, straight on a handle and into a buffer that is used again.
    func measure(_ benchmark: Benchmark, _ requests: [any WritableMessage]) throws {
        let handle = try device.open()
        var output = MessageWriter(capacity: 65_536, limit: 65_536)
        let inputs = try requests.map { request in
            var writer = MessageWriter()
            try request.write(to: &writer, flags: [.request, .echo], sequence: 1, portID: handle.portID)
            return writer.bytes
        }
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            for input in inputs {
                output.removeAll()
                let result = handle.control(.transact, input: input.rawSpan, output: &output)
                precondition(result.information > 100, "the request was refused")
            }
        }
        benchmark.stopMeasurement()
        handle.close()
        end()
    }

    func end() {
        sw.shutDown()
        host.detach()
    }

    static func flow(_ source: UInt64) throws -> FlowPut {
        var match = FlowMatch(key: FlowKey(), mask: FlowMask())
        match.key.kind = 1
        match.key.inPort = 1
        match.key.etherType = 0x88b5
        match.key.ethernetSource = source
        match.mask.kind = 0xff
        match.mask.inPort = .max
        match.mask.ethernetSource = 0xffff_ffff_ffff
        var key = MessageWriter()
        try match.key.write(to: &key)
        var mask = MessageWriter()
        try match.key.write(mask: match.mask, to: &mask)
        return FlowPut(key: key.bytes, mask: mask.bytes, actions: try [Action.output(1)].encoded())
    }
}
