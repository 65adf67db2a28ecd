import DPIF
import NetlinkSocket
import OpenvSwitch

// Packets that no flow matches.

extension LearningBridge {
    /// Upcalls taken at once: what is decided about them is carried out in one call.
    private static let batchSize = 64

    /// Takes the upcalls that wait, up to a batch, and carries out what is decided about them.
    /// - Returns: how many there were.
    func takeUpcalls() throws -> Int {
        var count = 0
        batch += 1
        let now = configuration.clock()
        while count < Self.batchSize {
            do throws(SocketError) {
                guard let upcall = try datapath.receiveUpcall() else { break }
                take(upcall, now)
            } catch {
                switch error {
                case .lost(let lost):
                    counters.lostUpcalls += UInt64(lost)
                    tell(.upcallsLost(lost))
                case .malformed:
                    counters.upcalls += 1
                    counters.ignored += 1
                default: throw error
                }
            }
            count += 1
        }
        try commit()
        return count
    }

    private func take(_ upcall: PacketMessage, _ now: Duration) {
        counters.upcalls += 1
        guard upcall.datapathIfindex == datapath.ifindex, let header = FrameHeader(key: upcall.key),
            ports[header.inPort] != nil
        else {
            counters.ignored += 1
            return
        }
        learn(header, now)
        let verdict = verdict(on: header)
        switch verdict {
        case .drop: counters.dropped += 1
        case .output: counters.forwarded += 1
        case .flood: counters.flooded += 1
        }
        install(header, verdict, now)
        guard verdict != .drop else { return }
        let packet = PacketExecution(
            packet: upcall.packet, key: upcall.key, actions: actions(verdict, from: header.inPort))
        pending.append(PendingOperation(.execute(packet), .execute))
    }

    /// Notes where the source of a frame is. A group address cannot be a source and is not learned.
    private func learn(_ header: FrameHeader, _ now: Duration) {
        let address = header.sourceAddress
        guard !address.isMulticast else { return }
        let outcome = addresses.learn(address, on: header.inPort, now: now)
        if let replaced = outcome.replaced {
            counters.replaced += 1
            invalidateFlows(concerning: replaced)
        }
        switch outcome.change {
        case .known: break
        case .added:
            counters.learned += 1
            tell(.addressLearned(mac: address.mac, vlan: address.vlan, port: header.inPort))
            invalidateFlows(concerning: address)
        case .moved(let old):
            counters.moved += 1
            tell(.addressMoved(mac: address.mac, vlan: address.vlan, from: old, to: header.inPort))
            invalidateFlows(concerning: address)
        }
    }

    /// What is to be done with a frame, by what the bridge knows now.
    func verdict(on header: FrameHeader) -> Verdict {
        let destination = header.destinationAddress
        if destination.isLinkLocal { return .drop }
        if destination.isMulticast { return .flood }
        guard let port = addresses.port(of: destination) else { return .flood }
        return port == header.inPort ? .drop : .output(port)
    }

    /// Installs the flow for frames with this header, if there is room.
    private func install(_ header: FrameHeader, _ verdict: Verdict, _ now: Duration) {
        let id: FlowIndex.ID
        if let known = flows.id(of: header) {
            // The packet may have been under way when the flow was installed, or the flow has been deleted by somebody
            // else: it is put once more, but not for each packet.
            guard flows[known]?.batch != batch else { return }
            flows.update(known) { $0.batch = batch }
            id = known
        } else {
            guard header.isMatchable else { return }
            guard flows.count < configuration.maximumFlows else {
                counters.flowsRefused += 1
                return
            }
            id = flows.insert(BridgeFlow(header: header, verdict: verdict, lastUsed: now, batch: batch))
        }
        put(id, header, verdict, .create)
    }
}
