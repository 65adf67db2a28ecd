import DPIF
import NetlinkSocket
import OpenvSwitch

// Flows and addresses that are not used any more.

extension LearningBridge {
    /// Looks at the flows' statistics, and deletes what has been idle or silent for too long.
    ///
    /// A packet that hits a flow makes no upcall, so that the packet counters are what keeps addresses alive.
    func expire() throws {
        let now = configuration.clock()
        let isWhole = try look(now)
        for (id, flow) in flows.flows {
            if isWhole, flow.lastSeen != lookNumber {
                counters.flowsVanished += 1
                flows.remove(id)
            } else if now - flow.lastUsed >= configuration.flowIdleTime {
                counters.flowsExpired += 1
                delete(id)
            }
        }
        while let entry = addresses.silent(until: now - configuration.ageingTime) {
            addresses.remove(entry.address)
            counters.aged += 1
            tell(.addressAged(mac: entry.address.mac, vlan: entry.address.vlan, port: entry.port))
            invalidateFlows(concerning: entry.address)
        }
        try commit()
    }

    /// Reads the packet counters of all flows.
    /// - Returns: true if the dump is whole: a flow it did not show is not there.
    private func look(_ now: Duration) throws -> Bool {
        lookNumber += 1
        do throws(SocketError) {
            return try datapath.dumpFlows(omitting: [.omitKey, .omitMask, .omitActions]) { message in
                if let ufid = message.ufid, let id = flows.id(of: ufid) {
                    see(id, packets: message.stats?.packets ?? 0, now)
                }
            }
        } catch {
            if case .refused(let refusal) = error, refusal.errno == Errno.noDevice {
                throw LearningBridgeError.datapathDeleted(name: datapath.name)
            }
            throw error
        }
    }

    private func see(_ id: FlowIndex.ID, packets: UInt64, _ now: Duration) {
        guard let flow = flows[id] else { return }
        let wasUsed = packets != flow.packets
        flows.update(id) { flow in
            flow.lastSeen = lookNumber
            flow.packets = packets
            if wasUsed { flow.lastUsed = now }
        }
        if wasUsed { addresses.refresh(flow.header.sourceAddress, on: flow.header.inPort, now: now) }
    }
}
