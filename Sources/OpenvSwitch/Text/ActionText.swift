import Netlink

/// The text form of action lists: what `ovs-dpctl` prints and takes.
///
/// As with `FlowText`, no bytes and no text trap; what is unknown or malformed is printed as such.
public enum ActionText {
    /// The text of an action list, such as `set(ipv4(ttl=63)),3`; `drop` if it is empty.
    /// - Parameters:
    ///   - actions: the payload of `OVS_FLOW_ATTR_ACTIONS`.
    ///   - portName: the name of a port by its number, or nil to print numbers.
    public static func actions(_ actions: RawSpan, portName: ((UInt32) -> String?)?) -> String {
        var printer = ActionPrinter(portName: portName)
        printer.list(actions.copyBytes())
        return printer.text
    }

    /// The actions that a text describes; `drop` is the empty list.
    ///
    /// Besides what `ovs-dpctl` takes, this takes every action as it is printed (`hash`, `push_mpls`, `push_eth`,
    /// `psample`, `dec_ttl`, `recirc` with a hexadecimal number, `drop` as a nested list) and ports by name. It refuses
    /// a number that does not fit its field, where `ovs-dpctl` cuts it. The actions of the user-space datapath alone
    /// (`tnl_push`, `tnl_pop`, `lb_output`) are not taken.
    /// - Parameter portNumber: the number of a port by its name, or nil to take numbers only.
    /// - Returns: the payload of `OVS_FLOW_ATTR_ACTIONS`.
    /// - Throws: the first fault in the text.
    public static func parseActions(
        _ text: String, portNumber: ((String) -> UInt32?)?
    ) throws(FlowTextError) -> [UInt8] {
        var parser = ActionTextParser(keys: KeyTextParser(scanner: TextScanner(text), portNumber: portNumber))
        return try parser.whole()
    }
}
