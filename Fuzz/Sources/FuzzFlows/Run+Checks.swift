import Datapath
import FuzzSupport
import Netlink
import OpenvSwitch
import Packets

// What must be true of every answer.

extension Run {
    /// Sends a request to the datapath. One that is refused changes nothing; of one that is not, what it promised is
    /// looked after.
    mutating func send(_ request: [UInt8], room: Int = 1 << 18) {
        lastRequest = request
        let before = snapshot ?? bed.dump(.flow)
        snapshot = before
        let isPacket = request[4] == UInt8(Family.packet.id)
        let answer = bed.transact(request, isReplied: isReplied(request), room: room)
        switch answer {
        case .refused(let error):
            // A packet whose actions fail has come as far as the fault, which is no attribute.
            if isPacket, error.offset == nil {
                snapshot = nil
                collect()
            } else {
                require(bed.dump(.flow) == before, "a refused request has changed something: \(error.message ?? "")")
            }
        case .tooSmall(let needed):
            require(bed.dump(.flow) == before, "a request without room for its reply has changed something")
            if case .tooSmall = bed.transact(request, isReplied: isReplied(request), room: needed) {
                fatalError("the size that suffices does not")
            }
            observed.keepsFlows = false
            snapshot = nil
            collect()
        case .done(let reply):
            snapshot = nil
            if isPacket {
                collect()
            } else {
                let after = bed.dump(.flow)
                snapshot = after
                changed(request, reply, isInserted: messages(in: after).count > messages(in: before).count)
            }
        }
    }

    /// Whether the request is one that is replied to, if it is carried out.
    private func isReplied(_ request: [UInt8]) -> Bool {
        guard request[4] == UInt8(Family.flow.id) else { return false }
        if request[16] == Cmd.get { return true }
        let types = attributes(in: Array(request[24...])).map(\.type)
        if request[16] == Cmd.del, !types.contains(FlowAttr.key), !types.contains(FlowAttr.ufid) { return false }
        return UInt16(request[6]) & Flag.echo != 0
    }

    // MARK: Flows

    /// A flow request was carried out.
    private mutating func changed(_ request: [UInt8], _ reply: [UInt8]?, isInserted: Bool) {
        let command = request[16]
        if command == Cmd.del { observed.keepsFlows = false }
        let given = flow(request)
        if given.clear { observed.keepsFlows = false }
        guard let reply else { return }
        let told = flow(reply)
        require(told.ufid != nil || told.key != nil, "a flow without identity")
        // A key is told without what is superfluous in it, which is of the flow's identity still.
        let identity = told.ufid.map { Identity.ufid($0.bytes) } ?? .key(given.key ?? told.key ?? [])
        if command == Cmd.del {
            guard case .refused(let error) = get(identity) else { fatalError("a deleted flow is there") }
            require(error.error == -2, "a deleted flow is not ENOENT but \(error.error)")
            return
        }
        guard let whole = get(identity).reply else { fatalError("a flow that was told is not there") }
        let found = flow(whole)
        require(found.key != nil && found.mask != nil && found.actions != nil, "a flow without key, mask or actions")
        require(
            (told.key ?? found.key) == found.key && (told.mask ?? found.mask) == found.mask
                && (told.actions ?? found.actions) == found.actions, "two answers tell of different flows")
        guard command != Cmd.get else { return }
        if let actions = given.actions { require(found.actions == actions, "actions have changed: \(found)") }
        if command == Cmd.new { known.append(identity) }
        // Of a flow that was there already the actions were checked against the mask in the request, which is not its own.
        // Text takes long, and one of four flows will do.
        reinstall(found, isInserted ? found.actions ?? [] : [], byText: request.count & 12 == 0)
    }

    private func get(_ identity: Identity) -> Bed.Answer {
        bed.transact(bed.request(.flow, Cmd.get, Flag.request, identity.bytes), isReplied: true)
    }

    /// Puts a flow, as the datapath tells it, into the empty datapath: it must come out the same, also by way of its text.
    private func reinstall(_ flow: FlowMessage, _ actions: [UInt8], byText: Bool) {
        guard let key = flow.key, let mask = flow.mask else { return }
        switch install(key, withoutWildcardPort(mask), actions) {
        case .refused(let error):
            // A masked key, as flows with a UFID have, may lack what makes a key; it names no flow.
            require(flow.ufid != nil || isUntypedBehindTag(key), "what was dumped is refused: \(error.message ?? "")")
            return
        case .done(let copy):
            require(
                copy.key == key && copy.mask == mask && copy.actions == actions,
                "a dumped flow changes: \(flow) \(copy)")
        }
        guard byText else { return }
        checkText(of: key, mask, actions)
        checkText(ofActions: actions, key, mask)
    }

    /// The text of a flow describes it.
    private func checkText(of key: [UInt8], _ mask: [UInt8], _ actions: [UInt8]) {
        let text = text(of: key, mask)
        do {
            let (textKey, textMask) = try FlowText.parseKey(text, portNumber: nil)
            let copy: FlowMessage
            switch install(textKey, withoutWildcardPort(textMask), actions) {
            case .done(let flow): copy = flow
            case .refused(let error):
                // As with `ovs-dpctl`, what a frame without EtherType prints as is an EtherType when it comes back, and a
                // fragment type that does not count is not printed.
                let isIncomplete =
                    isUntypedBehindTag(key) || text.contains("eth_type(0/") || text.contains("/0x0000)")
                    || text.contains("ipv") && !text.contains("frag=")
                require(isIncomplete, "the text of a flow describes none: \(text): \(error.message ?? "")")
                return
            }
            let again = self.text(of: copy.key ?? [], copy.mask ?? [])
            // In a text the version of ERSPAN options is always exact, a VXLAN group policy of 0 is none, and what is not
            // matched of a network service header is not there.
            let isIncomplete = text.contains("erspan(") || text.contains("vxlan(") || text.contains("nsh(")
            require(again == text || isIncomplete, "\(text) becomes \(again)")
        } catch {
            // As `ovs-dpctl`, it takes a recirculation ID only as a whole, and has no text for some masks, nor for Geneve
            // options that are not whole.
            let isIncomplete =
                text.contains("opt len ") || text.prefix(24).contains("/") || text.contains("error:")
                || text.contains("!= mask length")
                || text.contains("erspan(") || "\(error)".contains("known flags")
            require(isIncomplete, "the text of a flow is refused: \(text): \(error)")
        }
    }

    /// The text of a flow but for IPv6 extension headers, of which Open vSwitch knows nothing: it prints them as `key32`,
    /// and does not take that.
    private func text(of key: [UInt8], _ mask: [UInt8]) -> String {
        let whole = FlowText.key(key.rawSpan, mask: mask.rawSpan, verbose: true, portName: nil)
        var parts = whole.split(separator: ",key32(", maxSplits: 1)
        guard parts.count == 2, let end = parts[1].firstIndex(of: ")") else { return whole }
        parts[1] = parts[1][parts[1].index(after: end)...]
        return String(parts[0] + parts[1])
    }

    /// The text of actions describes them.
    private func checkText(ofActions actions: [UInt8], _ key: [UInt8], _ mask: [UInt8]) {
        let text = ActionText.actions(actions.rawSpan, portName: nil)
        do {
            let parsed = try ActionText.parseActions(text, portNumber: nil)
            let again = ActionText.actions(parsed.rawSpan, portName: nil)
            // As with `ovs-dpctl`, a userspace action gets user data by way of its text, and metadata are filled up.
            require(again == text || text.contains("userspace(") || text.contains("md2="), "\(text) becomes \(again)")
            let second = try ActionText.parseActions(again, portNumber: nil)
            require(second == parsed, "\(again) describes other actions the second time")
            // As with `ovs-dpctl`, the text of `add_mpls` does not say where the label goes, an IPv6 header that is set whole
            // is one whose label is masked, and metadata without a byte are none.
            guard !text.contains("add_mpls("), !text.contains("set(ipv6("), !text.contains("md2=0)") else { return }
            if case .refused(let error) = install(key, withoutWildcardPort(mask), parsed) {
                fatalError("the text of actions describes none: \(text): \(error.message ?? "")")
            }
        } catch {
            // As `ovs-dpctl`, it takes `drop` only alone, and has no text for parts that are longer than they need be and
            // for labels of which no bit is set.
            let isIncomplete = text.contains(",drop") || text.contains("(error)") || text.contains("ct_label()")
            require(isIncomplete, "the text of actions is refused: \(text): \(error)")
        }
    }

    /// A mask without its input port if that is a wildcard. As in the kernel, such a mask is told with the upper half of the
    /// number exact, and any mask that is not zero is taken for an exact one.
    private func withoutWildcardPort(_ mask: [UInt8]) -> [UInt8] {
        attributes(in: mask).flatMap { attribute -> [UInt8] in
            let isWildcard = attribute.type == Key.inPort && attribute.payload == native(UInt32(0xffff_0000))
            return isWildcard ? [] : encoded(attribute.type, attribute.payload)
        }
    }

    private enum Installed {
        case done(FlowMessage)
        case refused(ErrorMessage)
    }

    /// Puts a flow into the empty datapath, takes it out and says what it was.
    private func install(_ key: [UInt8], _ mask: [UInt8]?, _ actions: [UInt8]) -> Installed {
        let attributes =
            encoded(FlowAttr.key, key) + (mask.map { encoded(FlowAttr.mask, $0) } ?? [])
            + encoded(FlowAttr.actions, actions)
        let flags = Flag.request | Flag.echo | Flag.create
        let request = bed.request(.flow, Cmd.new, flags, attributes, ifindex: bed.scratchIfindex)
        switch bed.transact(request, isReplied: true) {
        case .refused(let error): return .refused(error)
        case .tooSmall: fatalError("no room")
        case .done(let reply):
            let delete = bed.request(
                .flow, Cmd.del, Flag.request | Flag.echo, encoded(FlowAttr.key, key), ifindex: bed.scratchIfindex)
            guard let reply, let deleted = bed.transact(delete, isReplied: true).reply else {
                fatalError("a flow is not found by the key it was made with")
            }
            let (made, gone) = (flow(reply), flow(deleted))
            require(
                made.key == gone.key && made.mask == gone.mask && made.actions == gone.actions,
                "NEW and DEL tell of different flows")
            return .done(made)
        }
    }

    /// Whether a key is that of a frame without EtherType behind a VLAN tag: an empty ENCAP, whose mask counts as absent,
    /// as in the kernel.
    private func isUntypedBehindTag(_ key: [UInt8]) -> Bool {
        guard let encap = attributes(in: key).first(where: { $0.type == Key.encap }) else { return false }
        return encap.payload.isEmpty || isUntypedBehindTag(encap.payload)
    }

    // MARK: Packets

    /// Takes what has come out of the switch, and looks at it.
    /// - Parameter isWhole: the packets have no work left undone, so that an upcall has what the packet had.
    mutating func collect(isWhole: Bool = true) {
        for (index, name) in Bed.ports.enumerated() {
            let frames = bed.host.port(name)?.receiveAll() ?? []
            if frames.count >= MemoryPort.capacity { observed.isComplete = false }
            for frame in frames {
                require(frame.count <= Packet.maximumLength, "a frame of \(frame.count) bytes")
                observed.ports[index].fromSwitch += 1
                observed.ports[index].fromSwitchBytes += UInt64(frame.count)
            }
        }
        let (messages, isComplete) = bed.takeUpcalls()
        observed.upcalls += UInt64(messages.count)
        if !isComplete { observed.isComplete = false }
        for (index, message) in messages.enumerated() { check(upcall: message, isWhole: isWhole, isDeep: index < 3) }
    }

    private mutating func check(upcall bytes: [UInt8], isWhole: Bool, isDeep: Bool) {
        let header = parsed(bytes) { view throws(NetlinkError) in view.header }
        require(header.sequence == 0 && header.portID == 0, "an upcall with a sequence or port ID")
        // A packet without Ethernet header may be shorter than one; Open vSwitch does not take such an upcall either.
        let packet = attributes(in: Array(bytes[24...])).first { $0.type == PacketAttr.packet }
        if let packet, packet.payload.count < 14 { return }
        let message = parsed(bytes) { view throws(NetlinkError) in try PacketMessage(view) }
        require(message.datapathIfindex == bed.ifindex, "an upcall of another datapath")
        require(message.hash != nil, "an upcall without hash")
        if let length = message.length { require(Int(length) > message.packet.count, "cut, and not shorter") }
        let isMiss = message.command == Cmd.miss
        require(isMiss || message.command == Cmd.action, "an upcall of kind \(message.command)")
        require(!isMiss || message.actions == nil && message.userdata == nil, "a miss with parts of an action")
        upcall = (message.key, message.packet)
        guard isDeep else { return }
        let isSame = putBack(message.key, isMiss: isMiss)
        if isMiss, isSame, isWhole { executeAgain(message) }
    }

    /// Makes a flow of an upcall's key.
    /// - Returns: whether it is one that can be sent back.
    private func putBack(_ key: [UInt8], isMiss: Bool) -> Bool {
        switch install(key, nil, []) {
        case .done(let flow): require(flow.key == key, "an upcall's key changes: \(key) \(flow)")
        case .refused(let error):
            // A tag that was cut off needs a mask that leaves it out.
            if case .done = install(key, encoded(Key.inPort, native(UInt32.max)), []) { return true }
            let isUnsupported = (error.message ?? "").contains("yet")
            require(!isMiss || isUnsupported, "an upcall's key is refused: \(error.message ?? "") \(key)")
            return false
        }
        return true
    }

    /// Executes an upcall's packet: an upcall of it has the same key.
    private func executeAgain(_ miss: PacketMessage) {
        guard miss.packet.count >= 14 else { return }
        let userspace = encoded(Act.userspace, encoded(1, native(generator.portID)))
        let attributes =
            encoded(PacketAttr.packet, miss.packet) + encoded(PacketAttr.key, miss.key)
            + encoded(PacketAttr.actions, userspace)
        let request = bed.request(.packet, Cmd.execute, Flag.request, attributes, ifindex: bed.scratchIfindex)
        let answer = bed.transact(request, isReplied: false)
        require(answer.isDone, "an upcall's packet is refused: \(answer)")
        let messages = bed.takeUpcalls().messages
        require(messages.count == 1, "\(messages.count) upcalls of one packet")
        let again = parsed(messages[0]) { view throws(NetlinkError) in try PacketMessage(view) }
        require(again.packet == miss.packet, "an upcall's packet has changed")
        require(again.key == miss.key, "a packet has another key the second time: \(miss) \(again)")
    }

    /// What earlier packets left behind does not touch this one: it goes out three times, as it is at each place.
    func probe() {
        let first: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x12, 0x34] + Array(0..<46)
        let second: [UInt8] = [2, 0, 0, 0, 0, 9] + first[6...]
        let output = encoded(Act.output, native(UInt32(1)))
        let set = encoded(Act.set, encoded(Key.ethernet, Array(first[6..<12]) + second[..<6]))
        let actions = output + encoded(Act.clone, set + output) + output
        let attributes =
            encoded(PacketAttr.packet, first) + encoded(PacketAttr.key, encoded(Key.ethernet, zeros(12)))
            + encoded(PacketAttr.actions, actions)
        let answer = bed.transact(bed.request(.packet, Cmd.execute, Flag.request, attributes), isReplied: false)
        require(answer.isDone, "the next packet is refused")
        require(bed.host.port(Bed.ports[1])?.receiveAll() == [first, second, first], "the next packet has changed")
    }

    /// Leaves the datapath as it was at the beginning.
    func cleanUp() {
        let answer = bed.transact(bed.request(.flow, Cmd.del, Flag.request, []), isReplied: false)
        require(answer.isDone, "flows cannot be deleted")
        require(bed.flows().isEmpty, "a flow outlives its deletion")
        for id in UInt32(0)..<(hasMeters ? 4 : 0) {
            let request = bed.request(.meter, Cmd.meterDel, Flag.request, encoded(1, native(id)))
            require(bed.transact(request, isReplied: true).isDone, "a meter cannot be deleted")
        }
        guard hasChangedSettings else { return }
        let attributes = encoded(5, native(UInt32(0))) + encoded(7, native(UInt32(256)))
        _ = bed.transact(bed.request(.datapath, Cmd.set, Flag.request, attributes), isReplied: false)
    }
}
