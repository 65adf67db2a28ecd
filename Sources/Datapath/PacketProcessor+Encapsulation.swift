import Netlink
import OpenvSwitch
import Packets

// Actions that change what the packet begins with. Few packets meet one.

extension ProcessorState {
    /// Pushes, pops or changes a header in front of everything else.
    /// - Returns: 0 or an error number: `EINVAL` if the packet is not what the action needs, `ENOMEM` if there is no free slot.
    @inline(never)
    mutating func encapsulate(
        _ step: Instruction, _ program: UnsafeMutablePointer<ActionProgram>, _ working: inout Working
    ) -> Int32 {
        guard ownPacket(&working) else { return Errno.noMemory }
        working.isKeyStale = true
        return unsafe change(step, program, &working) ? 0 : Errno.invalid
    }

    private func change(
        _ step: Instruction, _ program: UnsafeMutablePointer<ActionProgram>, _ working: inout Working
    ) -> Bool {
        switch step {
        case .pushMPLSInFront(let entry, let etherType):
            return HeaderEdit.pushMPLSInFront(
                &working.packet, &working.offsets, entry: entry, etherType: etherType, key: &working.key)
        case .pushEthernet(let source, let destination):
            return HeaderEdit.pushEthernet(
                &working.packet, &working.offsets, source: source, destination: destination, key: &working.key)
        case .popEthernet:
            return HeaderEdit.popEthernet(&working.packet, &working.offsets, key: &working.key)
        case .pushNSH(let base, let start, let count):
            let metadata = unsafe program.pointee.span.clamped(start..<(start &+ count))
            return HeaderEdit.pushNSH(
                &working.packet, &working.offsets, base: base, metadata: metadata, key: &working.key)
        case .popNSH:
            return HeaderEdit.popNSH(&working.packet, &working.offsets, key: &working.key)
        case .setNSH(let value, let mask):
            return HeaderEdit.setNSH(&working.packet, working.offsets, value: value, mask: mask, key: &working.key)
        default: return true
        }
    }
}
