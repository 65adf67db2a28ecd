import OpenvSwitch
import Synchronization
import Testing

@testable import Datapath

@Suite struct FlowTableTests {
    private func match(_ key: UInt64, _ mask: UInt64, _ word: Int) -> FlowMatch {
        var match = FlowMatch(key: FlowKey(), mask: FlowMask())
        match.key.words[word] = key
        match.mask.words[word] = mask
        return match
    }

    /// Thousands of random flows under random masks, compared with a plain search.
    @Test func lookupsAgreeWithAPlainSearch() {
        let sw = Switch(provider: MemoryPorts())
        let datapath = Datapath(name: "x", serial: 1, shared: sw)
        var generator = SplitMix64(seed: 7)
        let masks: [UInt64] = [0xff, 0xff00, 0xffff, 0xf0f0, 0xffff_0000]
        var model: [FlowKey: Flow] = [:]
        for _ in 0..<20_000 {
            let candidate = match(
                generator.next() & 0xffff_ffff, masks[Int(generator.next() % 5)], Int(generator.next() % 3) * 5)
            if let flow = model[candidate.key] {
                datapath.flows.remove(flow)
                model[candidate.key] = nil
            } else if generator.next() % 4 == 0, let victim = model.first {
                datapath.flows.remove(victim.value)
                model[victim.key] = nil
            } else {
                model[candidate.key] = datapath.flows.insert(candidate, ufid: nil, actions: [], instructions: [])
            }
        }
        #expect(datapath.flows.count == model.count)
        #expect(datapath.flows.maskCount == Set(model.values.map(\.match.mask)).count)
        var hits = 0
        for _ in 0..<2000 {
            var packet = FlowKey()
            for word in [0, 5, 10] { packet.words[word] = generator.next() & 0xffff_ffff }
            if generator.next() % 2 == 0, let some = model.randomElement(using: &generator) {
                for word in [0, 5, 10] where some.value.match.mask.words[word] != 0 {
                    packet.words[word] = some.key.words[word] | ~some.value.match.mask.words[word] & generator.next()
                }
            }
            let expected = model.values.contains { packet.masked(by: $0.match.mask) == $0.match.maskedKey }
            let found = datapath.flows.flow(matching: packet.unmasked)
            #expect((found != nil) == expected)
            if let found { #expect(packet.masked(by: found.match.mask) == found.match.maskedKey) }
            if expected { hits += 1 }
        }
        #expect(hits > 500)
        // A dump has every flow once.
        var places: [UInt64] = []
        var next: UInt64 = 0
        while let flow = datapath.flows.flow(from: next) {
            places.append(flow.place)
            next = flow.place + 1
        }
        #expect(places == model.values.map(\.place).sorted())
        datapath.flows.removeAll()
        #expect(datapath.flows.count == 0)
        #expect(datapath.flows.maskCount == 0)
        #expect(datapath.flows.flow(from: 0) == nil)
    }

    @Test func masksAreTriedInTheOrderOfTheirUse() {
        let host = MemoryPorts()
        let sw = Switch(provider: host)
        let datapath = Datapath(name: "x", serial: 1, shared: sw)
        let rare = datapath.flows.insert(match(1, 0xff, 0), ufid: nil, actions: [], instructions: [])
        let frequent = datapath.flows.insert(match(2, 0xff, 5), ufid: nil, actions: [], instructions: [])
        var both = FlowKey()
        both.words[0] = 1
        both.words[5] = 2
        #expect(datapath.flows.flow(matching: both.unmasked) == rare)
        var cache = FlowCache()
        var packet = FlowKey()
        packet.words[5] = 2
        let options = TunnelOptions()
        for hash in UInt32(1)...50 {
            let found = unsafe packet.withWords {
                unsafe cache.search($0, options.bytes, hash: hash, in: datapath.entry, reader: 0)
            }
            #expect(unsafe found == frequent.entry)
            #expect(unsafe cache.candidate(hash) == frequent.entry)
        }
        datapath.flows.reorderMasks(now: 10_000)
        #expect(datapath.flows.flow(matching: both.unmasked) == frequent)
    }

    /// Flows with the same key and mask that differ in the options of their tunnel.
    @Test func flowsAreToldApartByTunnelOptions() {
        let sw = Switch(provider: MemoryPorts())
        let datapath = Datapath(name: "x", serial: 1, shared: sw)
        func match(_ value: [UInt8], _ mask: [UInt8]) -> FlowMatch {
            var match = FlowMatch(key: FlowKey(), mask: FlowMask())
            match.key.tunnelOptionsLength = UInt8(value.count)
            match.mask.tunnelOptionsLength = .max
            match.tunnelOptions = TunnelOptionsMatch(value: value, mask: mask)
            return match
        }
        func insert(_ match: FlowMatch) -> Flow {
            datapath.flows.insert(match, ufid: nil, actions: [], instructions: [])
        }
        let exact: [UInt8] = [0xff, 0xff, 0xff, 0xff]
        let first = insert(match([1, 2, 3, 4], exact))
        let second = insert(match([1, 2, 3, 5], exact))
        let masked = insert(match([9, 7, 7, 7], [0xff, 0, 0, 0]))
        #expect(datapath.flows.maskCount == 2)
        #expect(datapath.flows.flow(unmaskedKey: match([1, 2, 3, 5], [])) == second)
        #expect(datapath.flows.flow(matching: match([1, 2, 3, 4], [])) == first)
        #expect(datapath.flows.flow(matching: match([1, 2, 3, 5], [])) == second)
        #expect(datapath.flows.flow(matching: match([9, 0, 1, 2], [])) == masked)
        #expect(datapath.flows.flow(matching: match([1, 2, 3, 6], [])) == nil)
        #expect(datapath.flows.flow(matching: match([1, 2, 3, 4, 0, 0, 0, 0], [])) == nil)
        datapath.flows.remove(second)
        #expect(datapath.flows.flow(matching: match([1, 2, 3, 5], [])) == nil)
        datapath.flows.remove(first)
        #expect(datapath.flows.maskCount == 1)
    }

    /// Flows that differ in a few neighbouring bits, as ports and addresses do, are spread over the slots, wherever these bits
    /// are and whatever words follow: a look-up does not walk over all of them.
    @Test(arguments: [0, 1, 3, 6])
    func flowsThatDifferInFewBitsLieApart(wordsBehind: Int) {
        let factors = HashFactors()
        for shift in stride(from: 0, through: 48, by: 4) {
            var mask = FlowMask()
            for word in 0...(2 + wordsBehind) { mask.words[word] = .max }
            let words = MaskWords(mask)
            defer { words.free() }
            let capacity = 4096
            var places = [Int](repeating: 0, count: capacity)
            for value in 0..<UInt64(capacity) {
                var key = FlowKey()
                key.words[2] = value << UInt64(shift)
                let hash = unsafe key.withWords { unsafe words.hash(of: $0, factors.words) }
                places[Int(hash) & (capacity - 1)] += 1
            }
            // Thrown at random, 63 % of the places are taken, and hardly ever eight keys share one.
            #expect(places.count { $0 > 0 } > capacity / 2, "bits from \(shift) on")
            #expect(places.max()! < 16, "bits from \(shift) on")
        }
    }

    /// A slot that was left is used again, so that flows that come and go do not fill the table.
    @Test func flowsThatComeAndGoLeaveNoTrace() throws {
        let sw = Switch(provider: MemoryPorts())
        let datapath = Datapath(name: "x", serial: 1, shared: sw)
        var generator = SplitMix64(seed: 8)
        let staying = (1...7).map {
            datapath.flows.insert(match($0, 0xffff, 0), ufid: nil, actions: [], instructions: [])
        }
        func slots() -> UnsafeMutablePointer<SlotArray> {
            unsafe staying[0].table.pointee.slots.load(ordering: .relaxed)
        }
        var array = unsafe slots()
        var arrays = 1
        var passing: [Flow] = []
        for _ in 0..<20_000 {
            if passing.count == 3 || (!passing.isEmpty && generator.next() % 2 == 0) {
                datapath.flows.remove(passing.remove(at: Int(generator.next() % UInt64(passing.count))))
            } else {
                let key = 100 + generator.next() % 12
                guard !passing.contains(where: { $0.match.key.words[0] == key }) else { continue }
                passing.append(
                    datapath.flows.insert(match(key, 0xffff, 0), ufid: nil, actions: [], instructions: []))
            }
            if unsafe slots() != array {
                unsafe array = slots()
                arrays += 1
            }
            for flow in staying + passing { #expect(datapath.flows.flow(matching: flow.match) == flow) }
        }
        for flow in passing { datapath.flows.remove(flow) }
        // Of ten flows at a time and 19 in all the table has to grow no more than once.
        #expect(arrays <= 2)
        #expect(unsafe array.pointee.capacity <= 32 && array.pointee.used.current <= 24)
        for key in UInt64(100)..<112 { #expect(datapath.flows.flow(matching: match(key, 0xffff, 0)) == nil) }
        for flow in staying { #expect(datapath.flows.flow(matching: flow.match) == flow) }
        datapath.flows.removeAll()
    }

    /// What nothing stands behind leaves no hash behind; what something stands behind does, until that goes.
    @Test func aSlotIsLeftEmptyWhereNoSearchGoesOn() throws {
        let array = unsafe SlotArray.make(capacity: 8)
        defer { unsafe SlotArray.free(array) }
        // Only compared, never looked at.
        let places = unsafe (1...3).map { unsafe UnsafeMutablePointer<FlowEntry>(bitPattern: $0 * 64)! }
        unsafe array.pointee.insert(places[0], hash: 1)
        unsafe array.pointee.insert(places[1], hash: 3)
        unsafe array.pointee.remove(places[0], hash: 1)
        #expect(unsafe array.pointee.used.current == 1)
        unsafe array.pointee.insert(places[0], hash: 2)
        unsafe array.pointee.insert(places[2], hash: 2)
        unsafe array.pointee.remove(places[0], hash: 2)
        unsafe array.pointee.remove(places[1], hash: 3)
        #expect(unsafe array.pointee.used.current == 3)
        unsafe array.pointee.remove(places[2], hash: 2)
        #expect(unsafe array.pointee.used.current == 0)
    }
}

extension FlowKey {
    /// What a packet with this key is looked for by.
    fileprivate var unmasked: FlowMatch { FlowMatch(key: self, mask: FlowMask()) }
}
