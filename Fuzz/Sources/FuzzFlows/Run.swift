import Datapath
import FuzzSupport
import Netlink
import OpenvSwitch
import Packets

/// One input at work: a program of steps on the bed's datapath.
struct Run {
    let bed: Bed
    var generator: Generator
    var observed = Observed()
    /// Flows that were put in, perhaps gone meanwhile: what tells one.
    var known: [Identity] = []
    /// Key and packet of the last upcall.
    var upcall: (key: [UInt8], packet: [UInt8])?
    var lastRequest: [UInt8] = []
    /// What a dump of the flows gave, if nothing has changed since.
    var snapshot: [UInt8]?
    var hasChangedSettings = false
    var hasMeters = false

    enum Identity {
        case ufid([UInt8])
        case key([UInt8])

        var bytes: [UInt8] {
            switch self {
            case .ufid(let bytes): encoded(FlowAttr.ufid, bytes)
            case .key(let bytes): encoded(FlowAttr.key, bytes)
            }
        }
    }

    private static let maximumSteps = 12

    init(_ bed: Bed, _ bytes: [UInt8]) {
        self.bed = bed
        generator = Generator(Source(bytes))
        generator.portID = bed.handle.portID
    }

    /// - Parameter counters: what was counted when the last run ended.
    mutating func run(_ counters: inout Counters) {
        let before = counters
        for _ in 0..<Self.maximumSteps where !generator.source.isEmpty { step() }
        collect()
        observed.check(before, Counters(bed), bed.flows())
        probe()
        cleanUp()
        counters = Counters(bed)
    }

    private mutating func step() {
        let what = generator.source.byte()
        switch what & 31 {
        case 0...3: generator.shape = Shape(&generator.source)
        case 4...9: newFlow(key: nil)
        case 10...12:
            if let key = upcall?.key { newFlow(key: key) } else { receive(what) }
        case 13, 14: setFlow()
        case 15: find(Cmd.get)
        case 16: find(Cmd.del)
        case 17...20: execute()
        case 21...25: receive(what)
        case 26: raw()
        case 27: mutate()
        case 28: meter()
        case 29: settings()
        case 30: dumpInPieces()
        case 31 where what >= 0xe0: crowd()
        default: bed.host.advanceClock(by: UInt64(generator.source.byte()))
        }
    }

    // MARK: Flows

    /// A new flow, of the shape or of an upcall's key.
    private mutating func newFlow(key given: [UInt8]?) {
        generator.chooseFault()
        let key = given ?? generator.key()
        let mask = generator.mask(over: key)
        let actions = generator.actions()
        let attributes = generator.alone { generator in
            if let ufid = generator.ufid() { generator.put(FlowAttr.ufid, ufid) }
            generator.put(FlowAttr.key, key)
            if let mask { generator.put(FlowAttr.mask, mask) }
            generator.put(FlowAttr.actions, actions)
            generator.flowOptions()
        }
        flow(Cmd.new, attributes)
    }

    /// As many flows as make tables grow.
    private mutating func crowd() {
        let key = generator.key()
        snapshot = nil
        for priority in 0..<(UInt32(generator.source.byte()) & 63) {
            let attributes =
                encoded(FlowAttr.key, encoded(Key.priority, native(priority)) + key) + encoded(FlowAttr.actions, [])
            // A key that has a priority already has two then, and is refused.
            _ = bed.transact(bed.request(.flow, Cmd.new, Flag.request, attributes), isReplied: false)
        }
    }

    private mutating func setFlow() {
        generator.chooseFault()
        let isNew = known.isEmpty || generator.source.oneIn256(32)
        let identity = isNew ? nil : generator.source.pick(known)
        let which = generator.source.byte()
        var key: [UInt8]?
        if case .key(let bytes)? = identity { key = bytes } else if which & 1 != 0 { key = generator.key() }
        let mask = key.flatMap { generator.mask(over: $0) }
        let actions = generator.actions()
        let attributes = generator.alone { generator in
            if case .ufid(let ufid)? = identity { generator.put(FlowAttr.ufid, ufid) }
            if let key { generator.put(FlowAttr.key, key) }
            if let mask { generator.put(FlowAttr.mask, mask) }
            if which & 2 != 0 { generator.put(FlowAttr.actions, actions) }
            if which & 12 == 12 { generator.put(FlowAttr.clear, []) }
            generator.flowOptions()
        }
        flow(Cmd.set, attributes)
    }

    private mutating func find(_ command: UInt8) {
        generator.chooseFault()
        let identity = known.isEmpty ? Identity.key(generator.key()) : generator.source.pick(known)
        let attributes = generator.alone { generator in
            switch identity {
            case .ufid(let ufid): generator.put(FlowAttr.ufid, ufid)
            case .key(let key): generator.put(FlowAttr.key, key)
            }
            generator.flowOptions()
        }
        flow(command, attributes)
    }

    /// Sends a flow request with flags of the input's choice.
    private mutating func flow(_ command: UInt8, _ attributes: [UInt8]) {
        let choice = generator.source.byte()
        var flags = Flag.request | Flag.echo
        if choice & 1 != 0 { flags |= Flag.ack }
        if choice & 6 == 6 { flags |= Flag.create }
        if choice & 0x38 == 0x38 { flags |= Flag.exclusive }
        if choice >= 240 { flags &= ~Flag.echo }
        let request = bed.request(.flow, command, flags, attributes)
        send(request, room: choice & 0xc6 == 0xc4 ? Int(generator.source.u16() & 0x3ff) + 36 : 1 << 18)
    }

    // MARK: Packets

    private mutating func execute() {
        let choice = generator.source.byte()
        generator.chooseFault()
        let key = choice & 3 == 3 ? upcall?.key : nil
        let packet = choice & 7 == 7 ? upcall?.packet : nil
        let actions = generator.actions()
        let attributes = generator.alone { generator in
            let packet = packet ?? (choice & 0x78 == 0x78 ? generator.source.take(80) : generator.frame())
            generator.put(PacketAttr.packet, Array(packet.prefix(65_531)))
            generator.put(PacketAttr.key, key ?? generator.key())
            generator.put(PacketAttr.actions, actions)
            if choice & 0x88 == 0x88 { generator.put(PacketAttr.mru, native(generator.source.u16())) }
            if choice & 0x90 == 0x90 { generator.put(PacketAttr.hash, native(UInt64(generator.source.u32()) << 2)) }
            if choice & 0xa0 == 0xa0 { generator.put(PacketAttr.upcallPID, native(generator.portID)) }
            if choice & 0xc0 == 0xc0 { generator.put(PacketAttr.probe, []) }
        }
        send(bed.request(.packet, Cmd.execute, choice & 0x80 == 0 ? Flag.request : Flag.request | Flag.ack, attributes))
    }

    /// A frame comes in on a port.
    private mutating func receive(_ what: UInt8) {
        var offload = Offload()
        let frame = what >= 0xe0 ? generator.source.take(80) : generator.frame()
        if what & 0x60 == 0x60 {
            offload.flags = generator.source.byte() & 1
            offload.segmentation = generator.source.pick([1, 4, 5, 0, 3])
            offload.segmentSize = UInt16(generator.source.byte()) << 2
            offload.checksumStart = generator.source.pick([34, 54, 38, 14, 58, 62])
            offload.checksumOffset = generator.source.pick([16, 6, 8])
            offload.headerLength = UInt16(generator.source.byte())
        }
        let port = Int(generator.source.byte() & 3)
        snapshot = nil
        observed.ports[port].toSwitch += 1
        observed.ports[port].toSwitchBytes += UInt64(frame.count)
        bed.host.port(Bed.ports[port])?.send(frame, offload: offload)
        collect(isWhole: offload == Offload())
    }

    // MARK: Anything

    /// A request of a right family with attributes that are the input's bytes, all or in part.
    private mutating func raw() {
        let which = generator.source.byte()
        let bytes = generator.source.take(Int(generator.source.byte()))
        var attributes = bytes
        let types = which & 1 == 0 ? [FlowAttr.key, FlowAttr.actions] : [PacketAttr.key, PacketAttr.actions]
        if which & 6 == 2 {
            attributes = encoded(types[0], generator.key()) + encoded(types[1], bytes)
        } else if which & 6 == 4 {
            attributes = encoded(types[0], bytes) + encoded(types[1], generator.actions())
        }
        if which & 1 != 0 { attributes += encoded(PacketAttr.packet, Array(generator.frame().prefix(65_531))) }
        let flags = Flag.request | (which & 8 != 0 ? Flag.echo : 0) | (which & 16 != 0 ? Flag.ack : 0)
        let command = which >> 5
        guard attributes.count < 65_000 else { return }
        send(bed.request(which & 1 == 0 ? .flow : .packet, command, flags, attributes))
    }

    /// The last request with a few bytes changed.
    private mutating func mutate() {
        guard lastRequest.count > 24 else { return }
        var request = lastRequest
        for _ in 0...(generator.source.byte() & 3) {
            let place = 24 + Int(generator.source.u16()) % (request.count - 24)
            request[place] = generator.source.byte()
        }
        send(request)
    }

    // MARK: Settings

    private mutating func meter() {
        hasMeters = true
        let which = generator.source.byte()
        var attributes = encoded(1, native(UInt32(which & 3)))
        if which & 4 != 0 { attributes += encoded(2, []) }
        let band =
            encoded(1, native(UInt32(1))) + encoded(2, native(UInt32(generator.source.byte())))
            + encoded(3, native(UInt32(generator.source.byte() & 7)))
        if which & 8 == 0 { attributes += encoded(4, encoded(0, band)) }
        let command = which & 0x30 == 0 ? Cmd.meterDel : Cmd.meterSet
        _ = bed.transact(bed.request(.meter, command, Flag.request, attributes), isReplied: true)
    }

    private mutating func settings() {
        let which = generator.source.byte()
        hasChangedSettings = true
        var attributes = encoded(5, native(UInt32(which & 0xb)))
        if which & 16 != 0 { attributes += encoded(7, native(generator.source.pick([0, 1, 256, 4096]) as UInt32)) }
        if which & 32 != 0 { attributes += encoded(8, native(which & 64 == 0 ? generator.portID : 0)) }
        _ = bed.transact(bed.request(.datapath, Cmd.set, Flag.request, attributes), isReplied: false)
    }

    private mutating func dumpInPieces() {
        let room = 52 + Int(generator.source.u16() & 0x7ff)
        let pieces = bed.dump(.flow, room: room)
        let whole = bed.dump(.flow)
        require(pieces == whole, "a dump in pieces differs from one in one piece")
    }
}

extension Generator {
    /// A unique flow identifier, or none.
    mutating func ufid() -> [UInt8]? {
        let choice = source.byte()
        if choice < 128 { return nil }
        if choice < 248 { return [UInt8](repeating: choice & 3, count: 16) }
        return source.take(Int(choice & 7) * 3)
    }

    mutating func flowOptions() {
        let choice = source.byte()
        if choice >= 240 { put(FlowAttr.ufidFlags, native(UInt32(choice & 7))) }
        if choice & 0x1f == 0x1f { put(FlowAttr.probe, []) }
    }
}
