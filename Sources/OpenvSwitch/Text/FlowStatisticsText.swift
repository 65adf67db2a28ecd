/// The text of a flow's statistics.
public enum FlowStatisticsText {
    /// `packets:4, bytes:392, used:0.820s, flags:SFP.`
    /// - Parameters:
    ///   - used: when the flow was last used, in milliseconds (`OVS_FLOW_ATTR_USED`), or nil if never.
    ///   - now: the time on the same clock, in milliseconds.
    ///   - tcpFlags: the flags seen (`OVS_FLOW_ATTR_TCP_FLAGS`); zero is left out.
    public static func format(
        packets: UInt64, bytes: UInt64, used: UInt64?, now: UInt64, tcpFlags flags: UInt16
    ) -> String {
        var text = "packets:\(packets), bytes:\(bytes), used:\(age(used: used, now: now))"
        if flags != 0 { text += ", flags:" + tcpFlags(flags) }
        return text
    }

    /// The time since a flow was last used, such as `0.820s`, or `never`. Zero counts as never, a time in the future as
    /// now.
    /// - Parameters:
    ///   - used: in milliseconds.
    ///   - now: in milliseconds on the same clock.
    public static func age(used: UInt64?, now: UInt64) -> String {
        guard let used, used != 0 else { return "never" }
        let milliseconds = now > used ? now - used : 0
        let fraction = String(milliseconds % 1000)
        return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - fraction.utf8.count) + fraction + "s"
    }

    /// One letter for each TCP flag, such as `SFP.`, where the dot is ACK; `none` without any.
    public static func tcpFlags(_ flags: UInt16) -> String {
        let letters: [(UInt16, String)] = [
            (0x002, "S"), (0x001, "F"), (0x008, "P"), (0x004, "R"), (0x020, "U"), (0x010, "."), (0x040, "E"),
            (0x080, "C"), (0x100, "N"), (0x200, "[200]"), (0x400, "[400]"), (0x800, "[800]"),
        ]
        let text = letters.filter { flags & $0.0 != 0 }.map { $0.1 }.joined()
        return text.isEmpty ? "none" : text
    }
}
