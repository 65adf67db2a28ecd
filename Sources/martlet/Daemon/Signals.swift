import Dispatch
import Glibc

/// The signals that ask a program to end.
enum Signals {
    /// A stream that gives the number of each signal that comes. From now on these signals end nothing by themselves.
    static func untilEnd() -> AsyncStream<Int32> {
        AsyncStream { continuation in
            let watch = SignalWatch([SIGINT, SIGTERM, SIGHUP]) { continuation.yield($0) }
            continuation.onTermination = { _ in watch.cancel() }
        }
    }
}

/// Calls a handler for signals that are otherwise ignored.
private final class SignalWatch: @unchecked Sendable {  // immutable, and sources may be cancelled from any thread
    private let sources: [any DispatchSourceSignal]

    init(_ numbers: [Int32], _ handler: @escaping @Sendable (Int32) -> Void) {
        let queue = DispatchQueue(label: "martlet.signals")
        sources = numbers.map { number in
            // The source sees a signal also where it is ignored.
            _ = signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { handler(number) }
            source.resume()
            return source
        }
    }

    func cancel() { for source in sources { source.cancel() } }
}
