import CLinux
import Datapath
import Glibc
import LinuxSystem
import Netlink
import Synchronization

/// Watches the interfaces of a network namespace (`RTMGRP_LINK`) on a thread of its own.
///
/// Nothing is lost: when the kernel had to drop messages the interfaces are listed again and the differences reported.
final class InterfaceWatcher: Sendable {
    typealias Handler = @Sendable (HostInterfaceEvent) -> Void

    private let end: EventCounter
    private let handler = Mutex<Handler?>(nil)
    private let thread = Mutex<PlainThread?>(nil)
    private let resynchronized = Atomic<Int>(0)

    /// Subscribes in the network namespace of the calling thread and begins to watch. What happens after this returns
    /// is reported to the handler set at that time.
    init() throws(LinuxError) {
        end = try EventCounter()
        // Subscribed before the list is taken: what changes in between is seen in either, and a second sight is no
        // news.
        let news = try NetlinkRouteDescriptor(groups: UInt32(RTMGRP_LINK))
        var route = try RouteSocket()
        var table = InterfaceTable()
        _ = table.replace(by: try route.links())
        let loop = Loop(news: news, route: route, table: table)
        let started = try PlainThread(name: "martlet-watch") { [self] in loop.run(self) }
        thread.withLock { $0 = started }
    }

    /// Replaces the handler, which is called on the watcher's thread.
    func setHandler(_ handler: @escaping Handler) { self.handler.withLock { $0 = handler } }

    /// Ends watching. No handler runs any more when this returns, unless a handler itself called it.
    func stop() {
        guard let thread = thread.withLock({ $0.take() }) else { return }
        end.signal()
        thread.join()
    }

    fileprivate func report(_ event: HostInterfaceEvent) {
        let handler = handler.withLock { $0 }
        handler?(event)
    }

    /// How often the interfaces had to be listed again.
    var resynchronizations: Int { resynchronized.load(ordering: .relaxed) }

    fileprivate func countResynchronization() { resynchronized.wrappingAdd(1, ordering: .relaxed) }

    fileprivate var endDescriptor: Int32 { end.descriptor.raw }
}

/// What the watcher's thread owns.
private final class Loop: @unchecked Sendable {  // used by that one thread only
    private let news: NetlinkRouteDescriptor
    private var route: RouteSocket
    private var table: InterfaceTable
    private var buffer = [UInt8](repeating: 0, count: NetlinkRouteDescriptor.largestDatagram)
    /// Messages were lost; the table may not be right.
    private var isStale = false

    /// Milliseconds after which a list that could not be had is asked for again.
    private static let retryInterval: Int32 = 100
    /// Messages that are thrown away at most before a list is asked for; more than a socket holds.
    private static let discardLimit = 100_000

    init(news: consuming NetlinkRouteDescriptor, route: consuming RouteSocket, table: InterfaceTable) {
        self.news = news
        self.route = route
        self.table = table
    }

    func run(_ watcher: InterfaceWatcher) {
        while true {
            var waiting = [
                pollfd(fd: news.descriptor.raw, events: Int16(POLLIN), revents: 0),
                pollfd(fd: watcher.endDescriptor, events: Int16(POLLIN), revents: 0),
            ]
            // The array holds both entries during the call.
            _ = Syscall.raw { unsafe poll(&waiting, 2, isStale ? Self.retryInterval : -1) }
            if waiting[1].revents != 0 { return }
            if waiting[0].revents != 0 { drain(watcher) }
            if isStale { resynchronize(watcher) }
        }
    }

    /// Reads what has come.
    private func drain(_ watcher: InterfaceWatcher) {
        while !isStale {
            do {
                let count = try news.receive(into: &buffer, waits: false)
                // The span holds initialized bytes of the array, which is not changed while it is read.
                take(unsafe buffer.span.bytes.clamped(0..<count), watcher)
            } catch {
                if error.errno == EAGAIN { return }
                // ENOBUFS: messages were lost. Anything else is as good a reason to look for ourselves.
                isStale = true
            }
        }
    }

    /// Lists the interfaces and reports the differences.
    private func resynchronize(_ watcher: InterfaceWatcher) {
        // What waits in the socket is older than the list and must not be taken for news; and the kernel, once it had
        // to drop a message, drops all until the socket is empty. What comes from then on is whole again.
        for _ in 0..<Self.discardLimit {
            do { _ = try news.receive(into: &buffer, waits: false) } catch { if error.errno == EAGAIN { break } }
        }
        guard let links = try? route.links() else { return }  // tried again soon
        isStale = false
        watcher.countResynchronization()
        for event in table.replace(by: links) { watcher.report(event) }
    }

    private func take(_ bytes: RawSpan, _ watcher: InterfaceWatcher) {
        var messages = MessageSequence(bytes)
        do {
            while let message = try messages.next() {
                let isNew = message.header.type.rawValue == UInt16(RTM_NEWLINK)
                guard isNew || message.header.type.rawValue == UInt16(RTM_DELLINK) else { continue }
                let link = try Link(message)
                // A bridge reports its ports in its own family; there, gone means gone from the bridge.
                guard link.family == UInt8(AF_UNSPEC) else { continue }
                if let event = isNew ? table.update(link) : table.remove(link.ifindex) { watcher.report(event) }
            }
        } catch { isStale = true }
    }
}
