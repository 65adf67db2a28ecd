import CLinux

/// The short while for which a thread asks again and again before it sleeps.
///
/// Waking a processor that has gone to sleep takes longer than most requests do. Whoever expects an answer soon, or
/// another request, asks for it without waiting until the while is over, and only then waits.
public struct BriefSpin: Sendable {
    /// Nanoseconds.
    private static let duration: UInt64 = 50_000
    /// With one processor, whoever is waited for could not run meanwhile.
    private static let isWorthwhile = clinux_processor_count() > 1

    private var end: UInt64

    /// A while that begins now.
    public init() { end = Self.isWorthwhile ? MonotonicClock.nanoseconds + Self.duration : 0 }

    public var isOver: Bool { end == 0 || MonotonicClock.nanoseconds >= end }
}
