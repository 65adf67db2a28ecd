extension FlowKey {
    /// Forgets what connection tracking found: all fields of the connection are 0.
    @inlinable
    public mutating func clearConnection() {
        (words[16], words[17], words[18], words[19]) = (0, 0, 0, 0)
        (words[20], words[21], words[22], words[23]) = (0, 0, 0, 0)
    }
}
