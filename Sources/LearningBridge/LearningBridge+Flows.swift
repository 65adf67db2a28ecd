import DPIF
import NetlinkSocket
import OpenvSwitch

// Flows are installed, changed and deleted.

/// An operation that is decided, and what it is for.
struct PendingOperation {
    enum Purpose {
        case put(FlowIndex.ID)
        case change(FlowIndex.ID)
        case delete
        case execute
    }
    let operation: Operation
    let purpose: Purpose

    init(_ operation: Operation, _ purpose: Purpose) {
        self.operation = operation
        self.purpose = purpose
    }
}

extension LearningBridge {
    /// The contents of `OVS_FLOW_ATTR_ACTIONS` for a verdict.
    func actions(_ verdict: Verdict, from inPort: UInt16) -> [UInt8] {
        switch verdict {
        case .drop: return []
        case .output(let port): return encode([.output(UInt32(port))])
        case .flood:
            if let known = floodActions[inPort] { return known }
            let bytes = encode(ports.keys.sorted().filter { $0 != inPort }.map { .output(UInt32($0)) })
            floodActions[inPort] = bytes
            return bytes
        }
    }

    private func encode(_ actions: [Action]) -> [UInt8] {
        do { return try actions.encoded() } catch { return [] }  // cannot be: an output action is short
    }

    /// Queues a flow to be made or changed.
    func put(_ id: FlowIndex.ID, _ header: FrameHeader, _ verdict: Verdict, _ mode: FlowPut.Mode) {
        let flow = FlowPut(
            key: header.encodedKey, mask: header.encodedMask, actions: actions(verdict, from: header.inPort),
            ufid: flows.ufid(id), mode: mode)
        pending.append(PendingOperation(.putFlow(flow), mode == .create ? .put(id) : .change(id)))
    }

    /// Forgets a flow and queues its deletion.
    func delete(_ id: FlowIndex.ID) {
        guard let ufid = flows.ufid(id) else { return }
        flows.remove(id)
        pending.append(PendingOperation(.deleteFlow(.ufid(ufid)), .delete))
    }

    /// Looks again at the flows from and to an address that was learned, has moved or was forgotten.
    func invalidateFlows(concerning address: Address) {
        let port = addresses.port(of: address)
        for id in flows.ids(from: address) where flows[id]?.header.inPort != port {
            counters.flowsInvalidated += 1
            delete(id)
        }
        for id in flows.ids(to: address) { review(id) }
    }

    /// Looks again at all flows, as ports have come or gone.
    func reviewAllFlows() {
        floodActions = [:]
        for (id, flow) in flows.flows {
            if ports[flow.header.inPort] == nil {
                counters.flowsInvalidated += 1
                delete(id)
            } else {
                review(id, portsChanged: true)
            }
        }
    }

    /// Changes a flow's actions if they are not what they should be now.
    private func review(_ id: FlowIndex.ID, portsChanged: Bool = false) {
        guard let flow = flows[id] else { return }
        let verdict = verdict(on: flow.header)
        guard verdict != flow.verdict || portsChanged && verdict == .flood else { return }
        flows.update(id) { $0.verdict = verdict }
        counters.flowsChanged += 1
        put(id, flow.header, verdict, .modify)
    }

    /// Carries out what is queued.
    /// - Throws: `LearningBridgeError.datapathDeleted`, and the errors of a device that fails.
    func commit() throws {
        while !pending.isEmpty {
            let operations = pending
            pending = []
            let results = try datapath.operate(operations.map(\.operation))
            for (operation, error) in zip(operations, results) {
                if let error { try settle(error, operation.purpose) } else { note(operation.purpose) }
            }
        }
    }

    private func note(_ purpose: PendingOperation.Purpose) {
        guard case .put(let id) = purpose else { return }
        counters.flowsAdded += 1
        // The packet counter of a flow that was made anew begins at 0.
        flows.update(id) { $0.packets = 0 }
    }

    /// Decides what becomes of an operation that failed.
    private func settle(_ error: SocketError, _ purpose: PendingOperation.Purpose) throws {
        guard case .refused(let refusal) = error else {
            forget(purpose)
            failed(error)
            return
        }
        if refusal.errno == Errno.noDevice { throw LearningBridgeError.datapathDeleted(name: datapath.name) }
        switch (purpose, refusal.errno) {
        // Another packet of the flow was faster.
        case (.put, Errno.exists): return
        // The flow is gone already. If it was to be changed, its next packet comes as an upcall.
        case (.delete, Errno.noEntry): return
        case (.change(let id), Errno.noEntry):
            if flows[id] != nil { counters.flowsVanished += 1 }
            flows.remove(id)
        default:
            forget(purpose)
            failed(error)
        }
    }

    /// Gives up a flow that could not be made or changed as it should be.
    private func forget(_ purpose: PendingOperation.Purpose) {
        switch purpose {
        case .put(let id): flows.remove(id)
        // Rather none than one with the wrong actions.
        case .change(let id): delete(id)
        case .delete, .execute: break
        }
    }
}
