import CLinux
import Datapath
import Glibc
import LinuxSystem

/// The XDP program that gives an interface's frames to the AF_XDP sockets of its receive queues, and the link by which
/// it is attached.
///
/// What a socket cannot take whole is passed on to the host's stack, where the port's packet socket takes it and its
/// guard drops it: frames longer than a chunk of the socket's memory (segments that the sender's host left uncut),
/// frames of queues without socket, and frames whose VLAN tag the driver has taken out. The program sees such a tag
/// only through a function of the kernel's that is lent to programs bound to a device with a driver that tells it.
///
/// The link lives as long as its descriptor, so the interface is as before when the process ends, however it ends.
struct XDPProgram: ~Copyable, Sendable {
    private let map: Descriptor
    private let link: Descriptor

    /// The name by which people recognize the program in what tools list.
    static let programName = "martlet_xdp"
    /// The kernel lends its functions only to programs that may be had under the GPL. This holds for the few
    /// instructions below, which may be had under the MIT license or the GPL, besides that of Martlet.
    private static let license = "Dual MIT/GPL"
    private static let tagFunction = "bpf_xdp_metadata_rx_vlan_tag"

    /// Attaches a program that passes everything on until it has sockets.
    /// - Parameters:
    ///   - queues: number of receive queues that may get a socket.
    ///   - longest: bytes of the longest frame that a socket takes.
    /// - Throws: an error whose sentence says what to do.
    init(name: String, ifindex: Int32, isGeneric: Bool, queues: Int, longest: Int) throws(PortError) {
        let interface = UInt32(bitPattern: ifindex)
        let map: Descriptor
        do {
            map = Descriptor(
                try Syscall.call("bpf", "cannot make the map of \(name)'s AF_XDP sockets") {
                    clinux_bpf_make_socket_map(UInt32(clamping: queues))
                })
        } catch { throw Self.explain(error, name, isGeneric) }
        let strips = Self.stripsTags(name)
        var program: Descriptor?
        if !isGeneric, let function = KernelFunctions.ofThisKernel()?.number(of: Self.tagFunction) {
            // Refused where the driver tells programs nothing, or the kernel is too old.
            program = try? Self.load(
                Self.instructions(map: map.raw, longest: longest, tag: Tag(function: function, strips: strips)),
                flags: UInt32(CLINUX_BPF_DEVICE_BOUND), interface)
        }
        if program == nil {
            guard !strips else { throw Self.tagsAreLost(name, isGeneric) }
            do {
                program = try Self.load(
                    Self.instructions(map: map.raw, longest: longest, tag: nil), flags: 0, interface)
            } catch { throw Self.explain(error, name, isGeneric) }
        }
        do {
            let mode = isGeneric ? CLINUX_XDP_GENERIC_MODE : CLINUX_XDP_NATIVE_MODE
            // The link holds the program, and the program the map.
            link = Descriptor(
                try Syscall.call("bpf", "cannot attach an XDP program to \(name)") {
                    clinux_bpf_link_xdp(program?.raw ?? -1, interface, UInt32(mode))
                })
        } catch { throw Self.explain(error, name, isGeneric) }
        self.map = map
    }

    /// Takes the program off at once: a copy of the descriptor may be open for a moment in a process that is being forked.
    deinit { _ = Syscall.raw { clinux_bpf_link_detach(link.raw) } }

    /// From now on the frames of a receive queue go to a socket that is bound to it.
    func set(_ socket: Int32, for queue: Int) throws(LinuxError) {
        try Syscall.call("bpf", "cannot give queue \(queue) its AF_XDP socket") {
            clinux_bpf_set_socket(map.raw, UInt32(clamping: queue), socket)
        }
    }

    private static func load(
        _ instructions: [UInt64], flags: UInt32, _ interface: UInt32
    ) throws(LinuxError) -> Descriptor {
        Descriptor(
            try Syscall.call("bpf", "cannot load an XDP program") {
                // The kernel copies instructions, name and license during the call.
                unsafe clinux_bpf_load_xdp(
                    instructions, UInt32(instructions.count), programName, license, flags, interface)
            })
    }

    /// Whether the driver may take VLAN tags out of frames; so it may if it does not say.
    private static func stripsTags(_ name: String) -> Bool {
        let result = Syscall.raw { socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0) }
        guard result >= 0 else { return true }
        let descriptor = Descriptor(result)
        // The shim copies the name.
        let answer = Syscall.raw { unsafe clinux_strips_vlan_tags(descriptor.raw, name) }
        // A driver without such settings has nothing that could take a tag out.
        return answer == 1 || (answer < 0 && answer != -Int(EOPNOTSUPP))
    }

    // MARK: Instructions

    /// How the program learns of a VLAN tag that is not in the frame.
    struct Tag {
        /// The kernel's number of the function that tells it.
        var function: Int32
        /// Whether tags may be taken out although the driver cannot tell; then every frame is passed on.
        var strips: Bool
    }

    /// The program. A register in the comments is one of BPF's ten.
    static func instructions(map: Int32, longest: Int, tag: Tag?) -> [UInt64] {
        var code: [UInt64] = []
        // Where to put the distance to the last two instructions, which pass the frame on.
        var passes: [Int] = []
        func add(_ operation: UInt8, to: UInt8 = 0, from: UInt8 = 0, offset: Int16 = 0, value: Int32 = 0) {
            code.append(
                UInt64(operation) | UInt64(from << 4 | to) << 8 | UInt64(UInt16(bitPattern: offset)) << 16
                    | UInt64(UInt32(bitPattern: value)) << 32)
        }
        add(Self.move, to: 6, from: 1)  // r6 = struct xdp_md
        add(Self.load32, to: 2, from: 6, offset: 0)  // r2 = data
        add(Self.load32, to: 3, from: 6, offset: 4)  // r3 = data_end
        add(Self.addValue, to: 2, value: Int32(longest + 1))
        passes.append(code.count)
        add(Self.jumpIfLessOrEqual, to: 2, from: 3)  // the frame is longer
        if let tag {
            add(Self.move, to: 1, from: 6)
            add(Self.move, to: 2, from: 10)
            add(Self.addValue, to: 2, value: -8)  // the protocol is written to the stack
            add(Self.move, to: 3, from: 10)
            add(Self.addValue, to: 3, value: -16)  // and so is the tag
            add(Self.call, from: Self.kernelFunction, value: tag.function)
            passes.append(code.count)
            add(Self.jumpIfValue, to: 0, value: 0)  // there is one
            if tag.strips {
                passes.append(code.count)
                add(Self.jumpIfValue, to: 0, value: -Int32(EOPNOTSUPP))
            }
        }
        add(Self.load32, to: 2, from: 6, offset: 16)  // r2 = rx_queue_index
        add(Self.loadMap, to: 1, from: 1, value: map)
        add(0)  // the map's number is 64 bits long
        add(Self.moveValue, to: 3, value: Self.pass)  // what to do if the queue has no socket
        add(Self.call, value: Self.redirectMap)
        add(Self.exit)
        let end = code.count
        add(Self.moveValue, to: 0, value: Self.pass)
        add(Self.exit)
        for index in passes { code[index] |= UInt64(UInt16(end - index - 1)) << 16 }
        return code
    }

    private static let pass: Int32 = 2  // XDP_PASS
    private static let redirectMap: Int32 = 51  // BPF_FUNC_redirect_map
    private static let kernelFunction: UInt8 = 2  // BPF_PSEUDO_KFUNC_CALL
    private static let move: UInt8 = 0xbf  // BPF_ALU64 | BPF_MOV | BPF_X
    private static let moveValue: UInt8 = 0xb7  // BPF_ALU64 | BPF_MOV | BPF_K
    private static let addValue: UInt8 = 0x07  // BPF_ALU64 | BPF_ADD | BPF_K
    private static let load32: UInt8 = 0x61  // BPF_LDX | BPF_MEM | BPF_W
    private static let loadMap: UInt8 = 0x18  // BPF_LD | BPF_DW | BPF_IMM, from register BPF_PSEUDO_MAP_FD
    private static let jumpIfValue: UInt8 = 0x15  // BPF_JMP | BPF_JEQ | BPF_K
    private static let jumpIfLessOrEqual: UInt8 = 0xbd  // BPF_JMP | BPF_JLE | BPF_X
    private static let call: UInt8 = 0x85  // BPF_JMP | BPF_CALL
    private static let exit: UInt8 = 0x95  // BPF_JMP | BPF_EXIT

    // MARK: Errors

    private static func tagsAreLost(_ name: String, _ isGeneric: Bool) -> PortError {
        PortError(
            errno: EOPNOTSUPP,
            message: "\(isGeneric ? "generic" : "native") XDP would lose the VLAN tags that \(name) takes out of its "
                + "frames: switch that off (ethtool -K \(name) rxvlan off; on a veth also txvlan off at its other end)")
    }

    private static func explain(_ error: LinuxError, _ name: String, _ isGeneric: Bool) -> PortError {
        let mode = isGeneric ? "generic" : "native"
        switch error.errno {
        case EBUSY, EEXIST:
            return PortError(
                errno: EBUSY,
                message: "\(name) has an XDP program already, of another program: ip -d link show \(name) names it")
        case ERANGE:
            return PortError(
                errno: ERANGE,
                message: "the MTU of \(name), or of the other end of a veth, is too large for \(mode) XDP, which wants "
                    + "a frame in one page: 3,500 bytes always fit")
        case ENOSPC:
            return PortError(
                errno: ENOSPC,
                message: "\(name) has too few queues for \(mode) XDP: a veth needs as many receive queues as its other "
                    + "end has transmit queues (ethtool -L \(name) rx N)")
        case EOPNOTSUPP where !isGeneric, EINVAL where !isGeneric, ENOTCONN:
            return PortError(
                errno: EOPNOTSUPP, message: "the driver of \(name) has no \(mode) XDP, or not with these settings")
        case EPERM, EACCES:
            return PortError(
                errno: EPERM,
                message: "cannot attach an XDP program to \(name): that needs CAP_BPF and CAP_NET_ADMIN")
        case ENOSYS, EINVAL, EOPNOTSUPP:
            return PortError(
                errno: EOPNOTSUPP,
                message: "this kernel attaches no XDP program: Linux 5.9 or newer, built with CONFIG_BPF_SYSCALL and "
                    + "CONFIG_XDP_SOCKETS, does")
        default: return PortError(error)
        }
    }
}
