/// Something that is measured.
struct Case {
    /// What it is called in tables and in the file of thresholds.
    let name: String
    let group: Group
    /// Nanoseconds that it is to take at most, see docs/performance.md.
    var aim: Double?
    /// Whether it is made in no time. Of the others no instructions are counted, which would take minutes.
    var isQuick = true
    /// Operations are done in multiples of so many.
    var unit = 32
    /// Makes what the case needs.
    let prepare: () throws -> Prepared

    enum Group: String {
        case keys = "Keys"
        case text = "Text"
        case lookup = "Look-up"
        case actions = "A packet's way, by its actions"
        case flows = "A packet's way, by flows"
        case slow = "The slow path"
        case control = "Control"

        /// Whether these are on a packet's way, where nothing is allocated and no reference is counted.
        ///
        /// Of these, references are counted by the runtime's hooks, without callgrind. Elsewhere there are strings, and
        /// the hooks take a short one for an object and crash.
        var isPackets: Bool { self == .lookup || self == .actions || self == .flows }
    }

    struct Prepared {
        /// Does it so many times, a multiple of the unit.
        let body: (Int) -> Void
        var end: () -> Void = {}
    }

    static var all: [Case] {
        keyCases + textCases + lookupCases + actionCases + flowCases + slowPathCases + controlCases
    }
}
