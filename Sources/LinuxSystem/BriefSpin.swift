import CLinux

/// The short while for which a thread asks again and again before it sleeps.
///
/// Waking a processor that has gone to sleep takes longer than most requests do. Whoever expects an answer soon, or
/// another request, asks for it without waiting until the while is over, and only then sleeps. Where that is in vain,
/// because nothing comes so soon or the other has no processor to run on, it is done ever more rarely.
public struct BriefSpin: Sendable {
    /// Nanoseconds.
    private static let duration: UInt64 = 30_000
    /// With one processor, whoever is waited for could not run meanwhile.
    private static let isWorthwhile = clinux_processor_count() > 1
    /// After so many times in vain, one time in 64 is tried.
    private static let most = 6

    /// How often it was in vain since it last was not.
    private var vain = 0
    /// How often it is not to be tried.
    private var skips = 0

    public init() {}

    /// Asks until there is an answer or the while is over.
    /// - Returns: the answer; nil if there was none, or it was not worth while to ask.
    public mutating func wait<Answer>(_ ask: () -> Answer?) -> Answer? {
        guard Self.isWorthwhile else { return nil }
        guard skips == 0 else {
            skips -= 1
            return nil
        }
        let end = MonotonicClock.nanoseconds + Self.duration
        repeat {
            if let answer = ask() {
                vain = 0
                return answer
            }
        } while MonotonicClock.nanoseconds < end
        vain = min(vain + 1, Self.most)
        skips = 1 << vain - 1
        return nil
    }
}
