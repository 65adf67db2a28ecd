extension LearningBridge {
    /// What a bridge holds and what it has done since it started.
    public struct Statistics: Equatable, Sendable {
        // Now.

        /// Ports, the LOCAL port included.
        public var ports = 0
        /// Addresses remembered.
        public var addresses = 0
        /// Flows installed.
        public var flows = 0

        // Packets that came as upcalls.

        /// Upcalls taken, those that were ignored included.
        public var upcalls: UInt64 = 0
        /// Sent to the port of their destination.
        public var forwarded: UInt64 = 0
        /// Sent to all ports.
        public var flooded: UInt64 = 0
        /// Not sent: the destination is on the port they came from, or a link-local address.
        public var dropped: UInt64 = 0
        /// Came from a port that is gone, or with a key that lacks port or addresses.
        public var ignored: UInt64 = 0
        /// Lost because the bridge did not read them in time.
        public var lostUpcalls: UInt64 = 0

        // Addresses.

        /// Learned for the first time, or again after they were forgotten.
        public var learned: UInt64 = 0
        /// Seen on another port than before.
        public var moved: UInt64 = 0
        /// Forgotten because they were silent.
        public var aged: UInt64 = 0
        /// Forgotten because the table was full.
        public var replaced: UInt64 = 0

        // Flows.

        public var flowsAdded: UInt64 = 0
        /// Given other actions: a destination was learned, moved or forgotten, or ports came or went.
        public var flowsChanged: UInt64 = 0
        /// Deleted because no packet had hit them.
        public var flowsExpired: UInt64 = 0
        /// Deleted because their source or their port had moved or gone.
        public var flowsInvalidated: UInt64 = 0
        /// Found gone: somebody else had deleted them.
        public var flowsVanished: UInt64 = 0
        /// Not installed because there were as many as allowed.
        public var flowsRefused: UInt64 = 0
        /// Operations that the datapath refused.
        public var failures: UInt64 = 0
        /// Events lost; ports and interfaces were then read anew.
        public var lostEvents: UInt64 = 0

        public init() {}
    }
}
