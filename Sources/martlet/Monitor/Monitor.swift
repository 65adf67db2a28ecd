import DPIF
import Netlink
import NetlinkSocket
import OpenvSwitch

/// Prints what happens in the datapath, one line for each event, at once.
struct Monitor: Sendable {
    /// What is printed.
    struct Topics: OptionSet, Sendable {
        let rawValue: UInt8
        /// Upcalls.
        static let misses = Topics(rawValue: 1)
        static let flows = Topics(rawValue: 2)
        /// Ports, interfaces and datapaths.
        static let ports = Topics(rawValue: 4)
        /// I/O controls.
        static let device = Topics(rawValue: 8)

        var groups: [MulticastGroup] {
            var groups: [MulticastGroup] = []
            if contains(.misses) { groups.append(.packet) }
            if contains(.flows) { groups.append(.flow) }
            if contains(.ports) { groups += [.vport, .netdev, .datapath] }
            if contains(.device) { groups.append(.trace) }
            return groups
        }
    }

    private let socket: EventSocket
    private let names: DatapathNames
    private let output: any TextOutput
    private let json: Bool
    private let capture: NetlinkCapture?

    /// Begins to listen: what happens after this is printed by `run`.
    init(
        transport: any DeviceTransport, topics: Topics, output: any TextOutput, json: Bool = false,
        capture: NetlinkCapture? = nil
    ) throws(CommandError) {
        self.output = output
        self.json = json
        self.capture = capture
        do {
            // Asked for before the trace begins, and later only about datapaths not heard of.
            names = try DatapathNames(transport)
            socket = try EventSocket(transport)
            for group in topics.groups { try socket.join(group) }
        } catch { throw CommandError("listening to the datapath failed", error) }
    }

    /// Prints events until there were enough, the time is over, a signal comes or the task is cancelled. The line that
    /// is being printed is then printed whole.
    /// - Throws: `OutputClosed` if nobody reads; `CommandError` if the datapath ends.
    func run(count: Int? = nil, timeout: Duration? = nil, signals: AsyncStream<Int32>? = nil) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await watch(count) }
            if let signals { group.addTask { for await _ in signals { break } } }
            if let timeout { group.addTask { try? await Task.sleep(for: timeout) } }
            defer { group.cancelAll() }
            try await group.next()
        }
        socket.close()
    }

    private func watch(_ count: Int?) async throws {
        var rest = count
        // Where events never cease, the queue is never empty, and nothing else would see that the time is over.
        while rest != 0, !Task.isCancelled {
            let event: MonitorEvent?
            do {
                event = try read(try await socket.next())
            } catch let error as SocketError {
                if Task.isCancelled { return }
                guard case .lost(let count) = error else { throw CommandError("the datapath has ended", error) }
                event = .lost(count)
            }
            guard let event else { continue }
            let time = Host.realTime
            try output.writeLine(json ? event.document(time: time).text : event.line(time: time))
            rest? -= 1
        }
    }

    /// Reads an event; nil for one that is not told.
    private func read(_ bytes: [UInt8]) throws -> MonitorEvent? {
        do throws(NetlinkError) {
            let message = try Message(bytes.rawSpan)
            if message.header.type == Family.control.messageType {
                guard let call = try TracedCall(message) else { return nil }
                // The question for a datapath's name is our own.
                guard call.portID != names.portID else { return nil }
                if let capture { try write(call, capture) }
                return .call(call)
            }
            capture?.append(bytes, direction: .toUser)
            return try MonitorEvent(message, names)
        } catch { return .malformed(error) }
    }

    private func write(_ call: TracedCall, _ capture: NetlinkCapture) throws(NetlinkError) {
        for message in call.requests { capture.append(message, direction: .toKernel) }
        for message in call.answers { capture.append(message, direction: .toUser) }
    }
}
