import OpenvSwitch
import Packets

/// One step of a compiled action list: a trivial value that a packet thread carries out without looking at Netlink.
///
/// A program is flat: an action that has a list of its own says how many of the instructions behind it are that list.
enum Instruction: BitwiseCopyable {
    case output(port: UInt16)
    case userspace(UserspaceInstruction)
    case setPriority(UInt32, mask: UInt32)
    case setMark(UInt32, mask: UInt32)
    case setEthernet(source: UInt64, sourceMask: UInt64, destination: UInt64, destinationMask: UInt64)
    case setIPv4(IPv4Edit, mask: IPv4Edit)
    case setIPv6(IPv6Edit, mask: IPv6Edit)
    case setTCP(PortsEdit)
    case setUDP(PortsEdit)
    case setSCTP(PortsEdit)
    case setMPLS(UInt32, mask: UInt32)
    case pushVLAN(tpid: UInt16, tci: UInt16)
    case popVLAN
    case pushMPLS(entry: UInt32, etherType: UInt16)
    case popMPLS(etherType: UInt16)
    /// Puts a label in front of the Ethernet header.
    case pushMPLSInFront(entry: UInt32, etherType: UInt16)
    case pushEthernet(source: UInt64, destination: UInt64)
    case popEthernet
    /// Pushes a network service header whose metadata stand in the program's bytes.
    case pushNSH(NSHBase, metadataStart: Int, metadataCount: Int)
    case popNSH
    case setNSH(NSHEdit, mask: NSHEdit)
    case truncate(Int)
    case drop
    /// Drops the packet as one with which an action went wrong.
    case fail
    /// Forgets what connection tracking found.
    case clearConnection
    /// Sends the packet through the flow table once more.
    case recirculate(UInt32)
    case hash(HashAlgorithm, basis: UInt32)
    case meter(UInt32)
    /// With a probability of `probability` / (2³² − 1) carries out the next `count` instructions.
    case sample(probability: UInt32, count: Int)
    /// Carries out the next `count` instructions.
    case clone(count: Int)
    /// Carries out the next `greater` instructions if the packet is longer than so many bytes; else the `lessEqual`
    /// instructions behind them.
    case checkPacketLength(UInt16, greater: Int, lessEqual: Int)
    /// Passes the next `count` instructions over, unless the TTL has expired: then they are the packet's last.
    case decrementTTL(count: Int)
}

/// `enum ovs_hash_alg`.
enum HashAlgorithm: UInt32 {
    /// The hash of the packet's flow, with its ports.
    case l4 = 0
    /// The same for both directions of a flow.
    case symmetricL4 = 1
}

/// Whom a userspace action calls, and with what.
struct UserspaceInstruction: BitwiseCopyable {
    var portID: UInt32
    /// Place of the userdata in the program's bytes; empty if `hasUserdata` is false.
    var userdataStart: Int
    var userdataCount: Int
    var hasUserdata: Bool
    /// The upcall has the list that this action stands in.
    var includesActions: Bool
    /// Place of that list in the program's bytes.
    var actionsStart: Int
    var actionsCount: Int
}

/// New ports and the bits of them that count.
struct PortsEdit: BitwiseCopyable {
    var source: UInt16
    var sourceMask: UInt16
    var destination: UInt16
    var destinationMask: UInt16
}

/// A compiled action list together with the Netlink bytes it was made from, in one block of memory. Never changed after it
/// was made.
@safe
struct ActionProgram: ~Copyable {
    let instructions: UnsafePointer<Instruction>
    let count: Int
    let bytes: UnsafeRawPointer
    let byteCount: Int
    /// The port, if all that the program does is to output the packet there, as most do; -1 otherwise.
    let onlyOutput: Int32

    static func make(_ instructions: [Instruction], bytes: [UInt8]) -> UnsafeMutablePointer<ActionProgram> {
        let stepsStart = MemoryLayout<ActionProgram>.stride
        let bytesStart = stepsStart + instructions.count * MemoryLayout<Instruction>.stride
        let block = UnsafeMutableRawPointer.allocate(byteCount: bytesStart + bytes.count, alignment: 16)
        let steps = unsafe (block + stepsStart).bindMemory(to: Instruction.self, capacity: instructions.count)
        for (index, step) in instructions.enumerated() { unsafe (steps + index).initialize(to: step) }
        unsafe bytes.withUnsafeBytes { source in
            if let base = source.baseAddress {
                unsafe (block + bytesStart).copyMemory(from: base, byteCount: source.count)
            }
        }
        let program = unsafe block.bindMemory(to: ActionProgram.self, capacity: 1)
        unsafe program.initialize(
            to: ActionProgram(
                instructions: steps, count: instructions.count, bytes: UnsafeRawPointer(block) + bytesStart,
                byteCount: bytes.count, onlyOutput: onlyOutput(instructions)))
        return unsafe program
    }

    private static func onlyOutput(_ instructions: [Instruction]) -> Int32 {
        guard instructions.count == 1, case .output(let port) = instructions[0] else { return -1 }
        return Int32(port)
    }

    static func free(_ program: UnsafeMutablePointer<ActionProgram>) {
        unsafe program.deinitialize(count: 1)
        unsafe UnsafeMutableRawPointer(program).deallocate()
    }

    /// The actions as they came over Netlink.
    var span: RawSpan {
        @_lifetime(borrow self)
        get {
            // `bytes` has `byteCount` bytes for as long as the program lives.
            let span = unsafe RawSpan(_unsafeStart: bytes, byteCount: byteCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }
}
