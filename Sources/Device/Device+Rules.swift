import Datapath
import Netlink
import OpenvSwitch

// What every request is asked before its command's own code sees it, by the table of `CommandRule`, whichever I/O control
// it comes by.

extension Device {
    /// Checks the headers of a request: the family, the command, how it comes, the version, the datapath, the port ID.
    /// - Returns: the command's rule, and the header behind the message's.
    func check(
        _ message: Message, as operation: DeviceOperations, _ handle: Handle
    ) throws(RequestError) -> (rule: CommandRule, ovs: OVSHeader) {
        let header = message.header
        let number = header.type.rawValue
        guard let family = Family.with(id: number) else {
            guard !Family.isConnectionTracking(number) else {
                let text = "connection tracking (message type \(number)) is not supported by this datapath yet"
                throw RequestError(Errno.notSupported, text, offset: 4)
            }
            throw RequestError(Errno.noEntry, "there is no family with the number \(number)", offset: 4)
        }
        let ovs: OVSHeader
        do { ovs = try OVSHeader(message) } catch { throw RequestError(invalid: error) }
        guard let rule = CommandRule.of(family, ovs.command) else {
            throw RequestError(Errno.notSupported, "\(family.name) has no command \(ovs.command)", offset: 16)
        }
        guard rule.operations.contains(operation) else {
            let words = operation == .dump ? "cannot be dumped" : "is not a transaction"
            throw RequestError(Errno.notSupported, "\(family.name) \(rule.name) \(words)", offset: 16)
        }
        // As in the kernel, the version does not matter at the Netlink door.
        guard ovs.version >= Family.oldestVersion || handle.isNetlinkSocket else {
            let text = "version \(ovs.version) of \(family.name) is older than \(Family.oldestVersion)"
            throw RequestError(Errno.invalid, text, offset: 17)
        }
        guard !rule.isOfHandle || ovs.datapathIfindex == 0 else {
            let text = "\(family.name) \(rule.name) is of a handle and not of a datapath: dp_ifindex must be 0"
            throw RequestError(Errno.invalid, text, offset: 20)
        }
        guard header.portID == 0 || header.portID == handle.portID else {
            throw RequestError(Errno.invalid, "the port ID \(header.portID) is not this handle's", offset: 12)
        }
        return (rule, ovs)
    }

    /// Whether a handle may send a command: GET is everyone's; everything else is the administrator's.
    func mayUse(_ rule: CommandRule, _ handle: Handle) -> Bool { rule.isRead || handle.access == .change }
}
