extension LearningBridge {
    /// What a bridge does and how much it remembers.
    public struct Configuration: Sendable {
        /// Interfaces that are attached at the start; one that cannot be is an error. One that goes and comes back is
        /// attached again.
        public var ports: [String]
        /// Which interfaces are attached besides, at the start and whenever they come.
        public var pattern: NamePattern?
        /// How long an address is remembered that sends nothing.
        public var ageingTime: Duration = .seconds(300)
        /// How long a flow is kept that no packet hits.
        public var flowIdleTime: Duration = .seconds(10)
        /// Addresses remembered at most, at least 1; a new one then takes the place of the one silent for longest.
        public var maximumAddresses = 8192
        /// Flows at most; beyond them packets are forwarded one by one.
        public var maximumFlows = 10_000
        /// Time between two looks at the flows' statistics: how exact the two times above are.
        public var expiryInterval: Duration = .seconds(1)
        /// Take the ports off that the bridge has attached, and all flows, when it stops.
        public var detachAtEnd = false
        /// The time since any moment in the past; it must not go backwards.
        public var clock: @Sendable () -> Duration

        public init(
            ports: [String] = [], pattern: NamePattern? = nil,
            clock: @escaping @Sendable () -> Duration = LearningBridge.suspendingClock()
        ) {
            self.ports = ports
            self.pattern = pattern
            self.clock = clock
        }

        /// Whether an interface is one of the bridge's.
        func wants(_ name: String) -> Bool { ports.contains(name) || pattern?.matches(name) == true }
    }

    /// The time since this call, standing still while the host sleeps.
    public static func suspendingClock() -> @Sendable () -> Duration {
        let start = SuspendingClock.now
        return { start.duration(to: .now) }
    }
}
