/// A port's share of a packet thread's time.
///
/// A thread gives each of its ports a turn after the other. A packet that is compared under thousands of masks takes a
/// hundred times as long as others; a port that sends such packets, as a tenant can who wants to harm the others, gets
/// fewer frames in a turn, or none, so that its turns come to about as long as those of the rest (deficit round robin).
/// Ports whose packets are ordinary never notice.
///
/// Time is reckoned in masks, which are what differs: the thread needs no clock, and a port is not charged for what
/// others do to the processor.
struct PortShare: Equatable {
    /// What a frame takes beside the masks it is compared under.
    static let frameCost = 32
    /// What a port may use in a turn: a whole batch of frames, each compared under 16 masks.
    static let turn = mostFrames * (frameCost + 16)
    static let mostFrames = 32
    /// After so many turns' worth a port is forgiven the rest.
    private static let mostDebt = 128 * turn

    /// What is left of the turn; negative if the port has used more.
    private(set) var balance = 0
    /// What a frame of the last turns was compared under.
    private(set) var masksPerFrame = 0
    /// Frames of the turns that have not been settled.
    private var frames = 0
    private var settledMasks: UInt64 = 0

    /// Begins a turn.
    /// - Parameter masksTried: how many masks the port's packets have been compared under since it was made.
    /// - Returns: how many frames it may take: 0 to 32.
    mutating func begin(masksTried: UInt64) -> Int {
        let masks = Int(truncatingIfNeeded: min(masksTried &- settledMasks, UInt64(Self.mostDebt)))
        settledMasks = masksTried
        balance = max(balance - masks - frames * Self.frameCost, -Self.mostDebt)
        // One turn's frames say little: some may be looked up only after it has ended.
        if frames > 0 { masksPerFrame = (masksPerFrame + masks / frames + 1) / 2 }
        frames = 0
        balance = min(balance + Self.turn, Self.turn)
        guard balance > 0 else { return 0 }
        return min(max(balance / (Self.frameCost + masksPerFrame), 1), Self.mostFrames)
    }

    /// Ends a turn in which so many frames were taken.
    mutating func end(frames: Int) { self.frames += frames }
}
