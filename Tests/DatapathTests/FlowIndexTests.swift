import OpenvSwitch
import Synchronization
import Testing

@testable import Datapath

/// The tables by which control finds flows.
@Suite struct FlowIndexTests {
    /// Few hashes, so that they collide, and numbers that come and go, compared with a dictionary.
    @Test(arguments: [UInt32(7), 1000, .max])
    func anIndexFindsWhatIsInIt(hashes: UInt32) {
        var generator = SplitMix64(seed: UInt64(hashes))
        var index = HashIndex()
        var model: [UInt32: UInt32] = [:]
        for step in 0..<20_000 {
            let number = UInt32(generator.next() % 600)
            if let hash = model.removeValue(forKey: number) {
                index.remove(hash, number)
            } else if step % 5000 < 3500 {
                let hash = UInt32(truncatingIfNeeded: generator.next()) % hashes &* 0x9e37_79b1
                model[number] = hash
                index.insert(hash, number)
            }
            #expect(index.count == model.count)
            if step % 97 == 0 {
                for (number, hash) in model { #expect(index.find(hash) { $0 == number } == number) }
                #expect(index.find(5) { _ in false } == nil)
                #expect(index.find(UInt32(truncatingIfNeeded: generator.next())) { model[$0] == nil } == nil)
            }
        }
        for (number, hash) in model { index.remove(hash, number) }
        #expect(index.count == 0)
        index.remove(3, 3)
        #expect(index.count == 0)
    }

    /// Places are given, kept and given anew, compared with a dictionary; a walk comes to each flow once.
    @Test func placesAreKept() {
        var generator = SplitMix64(seed: 3)
        var places = FlowPlaces()
        var model: [UInt32: UnsafeMutablePointer<FlowEntry>] = unsafe [:]
        for step in 0..<40_000 {
            // It grows to some thousands, and shrinks.
            let grows = step % 20_000 < 9000 ? generator.next() % 4 > 0 : generator.next() % 4 == 0
            if grows {
                // Only compared, never looked at.
                guard let entry = unsafe UnsafeMutablePointer<FlowEntry>(bitPattern: (step + 1) * 64) else { continue }
                let place = places.free()
                #expect(unsafe model[place] == nil)
                unsafe places.set(place, entry)
                unsafe model[place] = entry
            } else if let place = unsafe model.keys.randomElement(using: &generator) {
                places.remove(place)
                unsafe model[place] = nil
            }
            #expect(unsafe places.count == model.count)
            guard step % 1999 == 0 else { continue }
            var walked: [UInt32] = []
            var next: UInt64 = 0
            while let entry = unsafe places.first(from: next) {
                guard let place = unsafe model.first(where: { unsafe $0.value == entry })?.key else {
                    Issue.record("a flow that is not there")
                    return
                }
                walked.append(place)
                next = UInt64(place) + 1
            }
            #expect(unsafe walked == model.keys.sorted())
            #expect(unsafe places.first(from: 1 << 40) == nil)
            #expect(unsafe places[1 << 30] == nil)
        }
        // The numbers stay small: they are given anew.
        let most = unsafe model.keys.max() ?? 0
        #expect(most < 8192)
    }

    private func match(_ key: UInt64, _ mask: UInt64, port: UInt16, _ portMask: UInt16) -> FlowMatch {
        var match = FlowMatch(key: FlowKey(), mask: FlowMask())
        (match.key.ethernetSource, match.mask.ethernetSource) = (key, mask)
        (match.key.inPort, match.mask.inPort) = (port, portMask)
        return match
    }

    /// Where the input port stands in a key.
    @Test func theInputPortsPlace() {
        var key = FlowKey()
        key.inPort = 0xffff
        let words = key.words.span
        for index in words.indices {
            let expected: UInt64 = index == MaskSearch.inPortPlace.word ? 0xffff << MaskSearch.inPortPlace.shift : 0
            #expect(words[index] == expected)
        }
    }

    /// Flows of several ports and of all, under masks that they share, with and without identifiers, are put in, changed
    /// and taken out; a plain list says what must be found.
    @Test(arguments: [UInt64(1), 2, 3]) func theTableAgreesWithAPlainList(seed: UInt64) throws {
        struct Model {
            var match: FlowMatch
            var ufid: UFID?
            var actions: [UInt8]
        }
        let sw = Switch(provider: MemoryPorts())
        let datapath = Datapath(name: "x", serial: 1, shared: sw)
        var generator = SplitMix64(seed: seed)
        var search = FlowCache()
        let options = TunnelOptions()
        let ports: [UInt16] = [0, 1, 2, 255, 256, 65535]
        let masks: [UInt64] = [0xff, 0xff00, 0xfff, 0xf0f0, 0xffff]
        // By place, and the place by identity.
        var model: [UInt64: Model] = [:]
        func verify(_ flow: Flow?, _ place: UInt64?) {
            #expect(flow?.place == place)
            guard let flow, let expected = model[flow.place] else { return }
            #expect(flow.ufid == expected.ufid)
            #expect(flow.match.mask == expected.match.mask)
            #expect(flow.match.key == (expected.ufid == nil ? expected.match.key : expected.match.maskedKey))
            #expect(flow.actionsCount == expected.actions.count)
        }
        func isFound(_ key: FlowKey, by model: Model) -> Bool {
            key.masked(by: model.match.mask) == model.match.maskedKey
        }
        for step in 0..<3000 {
            let candidate = match(
                generator.next() & 0xffff, masks[Int(generator.next() % 5)],
                port: ports[Int(generator.next() % 6)], [0xffff, 0xffff, 0xffff, 0, 0xff][Int(generator.next() % 5)])
            let ufid = generator.next() % 2 == 0 ? UFID([1, UInt8(generator.next() % 200)]) : nil
            let known = model.first {
                ufid == nil
                    ? $0.value.ufid == nil && $0.value.match.key == candidate.key : $0.value.ufid == ufid
            }
            let flow = ufid.map { datapath.flows.flow(ufid: $0) } ?? datapath.flows.flow(unmaskedKey: candidate)
            verify(flow, known?.key)
            let actions = [UInt8](repeating: 0, count: Int(generator.next() % 5) * 4)
            switch (flow, generator.next() % 3) {
            case (let flow?, 0):
                datapath.flows.remove(flow)
                model[flow.place] = nil
            case (let flow?, _):
                datapath.flows.setActions(of: flow, actions, [])
                model[flow.place]?.actions = actions
            case (nil, 0):
                if let victim = model.keys.randomElement(using: &generator) {
                    let flow = try #require(datapath.flows.flow(from: victim))
                    verify(flow, victim)
                    datapath.flows.remove(flow)
                    model[victim] = nil
                }
            case (nil, _):
                // As with the kernel, flows do not overlap: no packet has two.
                guard datapath.flows.flow(matching: candidate) == nil else { break }
                let flow = datapath.flows.insert(candidate, ufid: ufid, actions: actions, instructions: [])
                #expect(model[flow.place] == nil)
                model[flow.place] = Model(match: candidate, ufid: ufid, actions: actions)
            }
            if step == 1200 {
                datapath.flows.removeAll()
                model = [:]
            }
            if step % 500 == 0 { datapath.flows.reorderMasks(now: UInt64(step) * 10_000) }
            #expect(datapath.flows.count == model.count)

            // What packet threads find, in the masks and with what they remember.
            var packet = FlowKey()
            packet.ethernetSource = generator.next() & 0xffff
            packet.inPort = ports[Int(generator.next() % 6)]
            if let some = model.randomElement(using: &generator)?.value, generator.next() % 4 > 0 {
                packet = some.match.maskedKey
                packet.ethernetSource |= generator.next() & 0xffff & ~some.match.mask.ethernetSource
                if some.match.mask.inPort == 0 { packet.inPort = ports[Int(generator.next() % 6)] }
            }
            let matching = model.filter { isFound(packet, by: $0.value) }
            search.refresh(sw.removedFlows.generation.load(ordering: .relaxed))
            let hash = UInt32(truncatingIfNeeded: FlowTable.mix(packet.ethernetSource)) | 1
            let found = unsafe packet.withWords {
                unsafe search.lookup($0, options.bytes, hash: hash, in: datapath.entry, reader: 0)
            }
            if let found = unsafe found {
                #expect(unsafe matching[Flow(found).place] != nil)
            } else {
                #expect(matching.isEmpty)
            }
            guard step % 100 == 0 else { continue }
            #expect(datapath.flows.maskCount == Set(model.values.map(\.match.mask)).count)
            var walked: [UInt64] = []
            while let flow = datapath.flows.flow(from: walked.last.map { $0 + 1 } ?? 0) { walked.append(flow.place) }
            #expect(walked == model.keys.sorted())
        }
        #expect(model.count > 50)
        datapath.destroy()
    }

    /// Masks of one port are none of another's, and masks without input port are all ports'.
    @Test func masksAreThoseOfAPort() {
        let sw = Switch(provider: MemoryPorts())
        let datapath = Datapath(name: "x", serial: 1, shared: sw)
        func tried(_ port: UInt16, _ source: UInt64) -> UInt64 {
            var cache = FlowCache()
            let options = TunnelOptions()
            var key = FlowKey()
            (key.inPort, key.ethernetSource) = (port, source)
            let before = datapath.megaflowStatistics.maskHit
            _ = unsafe key.withWords {
                unsafe cache.lookup($0, options.bytes, hash: 1, in: datapath.entry, reader: 0)
            }
            return datapath.megaflowStatistics.maskHit - before
        }
        #expect(tried(1, 0) == 0)
        var flows: [Flow] = []
        for bit in UInt64(0)..<40 {
            flows.append(
                datapath.flows.insert(
                    match(1 << bit, 1 << bit, port: 1, .max), ufid: nil, actions: [], instructions: []))
        }
        // The same masks for another port are no other masks.
        for bit in UInt64(0)..<3 {
            flows.append(
                datapath.flows.insert(
                    match(1 << bit, 1 << bit, port: 2, .max), ufid: nil, actions: [], instructions: []))
        }
        #expect(datapath.megaflowStatistics.masks == 40)
        #expect(tried(1, 0) == 40)
        #expect(tried(2, 0) == 3)
        #expect(tried(3, 0) == 0)
        #expect(tried(2, 4) == 3)
        let any = datapath.flows.insert(match(0, 0, port: 0, 0), ufid: nil, actions: [], instructions: [])
        let some = datapath.flows.insert(match(0, 1, port: 2, 0x00ff), ufid: nil, actions: [], instructions: [])
        #expect(datapath.megaflowStatistics.masks == 42)
        #expect(tried(1, 0) == 41)
        #expect(tried(3, 0) == 1)
        datapath.flows.remove(any)
        #expect(tried(3, 0) == 1)
        #expect(tried(0x102, 0) == 1)
        datapath.flows.remove(some)
        for flow in flows[0..<39] { datapath.flows.remove(flow) }
        #expect(tried(1, 0) == 1)
        #expect(tried(2, 0) == 3)
        #expect(datapath.megaflowStatistics.masks == 4)
        for flow in flows[39...] { datapath.flows.remove(flow) }
        #expect(datapath.megaflowStatistics.masks == 0)
        #expect(unsafe datapath.entry.pointee.masks.portWithMasks(from: 0) == nil)
    }

    /// A removal is seen at once, other flows stay in the cache, and what is removed is freed in the end.
    @Test func removedFlowsLeaveTheCacheAlone() {
        let sw = Switch(provider: MemoryPorts())
        let datapath = Datapath(name: "x", serial: 1, shared: sw)
        var cache = FlowCache()
        let options = TunnelOptions()
        func find(_ source: UInt64) -> UnsafeMutablePointer<FlowEntry>? {
            var key = FlowKey()
            (key.inPort, key.ethernetSource) = (1, source)
            return unsafe key.withWords {
                unsafe cache.lookup($0, options.bytes, hash: UInt32(source), in: datapath.entry, reader: 0)
            }
        }
        func insert(_ source: UInt64) -> Flow {
            datapath.flows.insert(match(source, 0xffff, port: 1, .max), ufid: nil, actions: [], instructions: [])
        }
        func refresh() { cache.refresh(sw.removedFlows.generation.load(ordering: .relaxed)) }
        refresh()
        let staying = insert(1)
        let first = sw.removedFlows.generation.load(ordering: .relaxed)
        for round in 1...RemovedFlows.capacity {
            let source = UInt64(round + 1)
            let flow = insert(source)
            #expect(unsafe find(source) == flow.entry)
            #expect(unsafe find(1) == staying.entry)
            // The reader is in a batch, in which it may have a pointer from before.
            sw.reclaimer.begin(0)
            datapath.flows.remove(flow)
            #expect(unsafe find(source) == nil)
            sw.reclaimer.end(0)
            refresh()
            let before = datapath.megaflowStatistics.cacheHit
            #expect(unsafe find(1) == staying.entry)
            let isForgotten = round == RemovedFlows.capacity
            #expect(datapath.megaflowStatistics.cacheHit == before + (isForgotten ? 0 : 1))
            #expect(
                sw.removedFlows.generation.load(ordering: .relaxed) == first + (isForgotten ? 1 : 0))
        }
        // All at once: they are not used again either.
        datapath.flows.removeAll()
        refresh()
        #expect(unsafe find(1) == nil)
    }
}

extension FlowCache {
    /// The flow of a packet, from the cache or the masks, as packets are looked up.
    mutating func lookup(
        _ key: UnsafePointer<UInt64>, _ options: UnsafePointer<UInt8>, hash: UInt32,
        in datapath: UnsafeMutablePointer<DatapathEntry>, reader: Int
    ) -> UnsafeMutablePointer<FlowEntry>? {
        if let flow = unsafe candidate(hash), unsafe flow.pointee.isIn(datapath) && flow.pointee.matches(key, options) {
            unsafe datapath.pointee.counters[reader].cacheHit.add(1)
            unsafe datapath.pointee.counters[reader].maskHit.add(1)
            return unsafe flow
        }
        return unsafe search(key, options, hash: hash, in: datapath, reader: reader)
    }
}
