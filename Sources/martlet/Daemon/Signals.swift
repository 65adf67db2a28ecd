import Dispatch
import Glibc

/// The signals that ask a program to end.
enum Signals {
    /// A stream that gives the number of each signal that comes. From now on these signals end nothing by themselves.
    ///
    /// A hang-up that whoever started the program had it ignore, as `nohup` does, stays ignored.
    /// - Parameter first: Whether only the first signal is to be given; the next one then ends the program as usual.
    static func untilEnd(first: Bool = false) -> AsyncStream<Int32> {
        let numbers = isIgnored(SIGHUP) ? [SIGINT, SIGTERM] : [SIGINT, SIGTERM, SIGHUP]
        return AsyncStream { continuation in
            let watch = SignalWatch(numbers) {
                if first { for number in numbers { _ = signal(number, SIG_DFL) } }
                continuation.yield($0)
            }
            continuation.onTermination = { _ in watch.cancel() }
        }
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        // A null pointer in the place of the new action leaves the present one.
        guard unsafe sigaction(number, nil, &action) == 0 else { return false }
        // SIG_IGN is no function but the number 1.
        return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
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
