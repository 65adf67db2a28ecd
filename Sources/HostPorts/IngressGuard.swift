import CLinux
import Datapath
import Glibc
import LinuxSystem

/// Keeps an interface's frames from the host's own stack while it is held.
///
/// A program of two instructions at the front of the interface's TCX ingress drops every frame. A packet socket sees a
/// frame before that. The link to the program lives as long as its descriptor, so the interface is as before when the
/// process ends, however it ends.
struct IngressGuard: ~Copyable, Sendable {
    private let link: Descriptor

    /// The name by which another process recognizes that the interface is taken.
    static let programName = "martlet_drop"

    /// Begins to drop an interface's frames.
    /// - Throws: `EBUSY` if a guard holds the interface already, `EOPNOTSUPP` if the kernel has no TCX.
    init(name: String, ifindex: Int32) throws(PortError) {
        let interface = UInt32(bitPattern: ifindex)
        let purpose = "cannot keep the frames of \(name) from the host"
        do {
            let chain = try Self.programs(at: interface, purpose)
            for identifier in chain.identifiers where Self.isGuard(identifier) {
                throw PortError(errno: EBUSY, message: "\(name) is already attached by another process")
            }
            let program = Descriptor(
                try Syscall.call("bpf", purpose) {
                    // The kernel copies program, name and license during the call.
                    unsafe clinux_bpf_load_return(Int32(CLINUX_BPF_TCX_DROP), Self.programName, "Apache-2.0")
                })
            // The revision says that no one else has come since the chain was read. The link holds the program.
            let link = Descriptor(
                try Syscall.call("bpf", purpose) {
                    clinux_bpf_link_tcx(program.raw, interface, UInt32(CLINUX_BPF_TCX_INGRESS), chain.revision)
                })
            self.link = link
        } catch let error as PortError {
            throw error
        } catch let error as LinuxError {
            throw Self.explain(error, name)
        } catch { throw PortError(errno: EIO, message: "\(purpose): \(error)") }
    }

    /// Takes the program off at once: a copy of the descriptor may be open for a moment in a process that is being forked.
    deinit { _ = Syscall.raw { clinux_bpf_link_detach(link.raw) } }

    /// Whether a guard, of whatever process, holds the interface.
    static func holds(_ ifindex: Int32) -> Bool {
        guard let chain = try? programs(at: UInt32(bitPattern: ifindex), "") else { return false }
        return chain.identifiers.contains(where: isGuard)
    }

    private static func programs(
        at interface: UInt32, _ purpose: String
    ) throws(LinuxError) -> (identifiers: [UInt32], revision: UInt64) {
        var identifiers = [UInt32](repeating: 0, count: Int(CLINUX_BPF_MAX_PROGRAMS))
        var count = UInt32(identifiers.count)
        var revision: UInt64 = 0
        try Syscall.call("bpf", purpose) {
            // The kernel writes at most `count` identifiers.
            unsafe clinux_bpf_query_tcx(
                interface, UInt32(CLINUX_BPF_TCX_INGRESS), &identifiers, &count, &revision)
        }
        return (Array(identifiers.prefix(Int(count))), revision)
    }

    private static func isGuard(_ identifier: UInt32) -> Bool {
        let result = Syscall.raw { clinux_bpf_open_program(identifier) }
        guard result >= 0 else { return false }
        let program = Descriptor(result)
        var name = [CChar](repeating: 0, count: 16)
        // The shim writes 16 bytes, the last of them NUL.
        guard Syscall.raw({ unsafe clinux_bpf_program_name(program.raw, &name) }) >= 0 else { return false }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) == programName
    }

    private static func explain(_ error: LinuxError, _ name: String) -> PortError {
        switch error.errno {
        case EINVAL, ENOSYS, EOPNOTSUPP:
            PortError(
                errno: EOPNOTSUPP,
                message: "cannot attach \(name): this kernel has no TCX hook to keep its frames from the host; Linux "
                    + "6.6 or newer, built with CONFIG_BPF_SYSCALL and CONFIG_NET_XGRESS, has it")
        case ESTALE: PortError(errno: EBUSY, message: "\(name) was attached by another process at the same time")
        case EPERM, EACCES:
            PortError(
                errno: EPERM,
                message: "cannot attach \(name): loading the program that keeps its frames from the host needs "
                    + "CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW")
        default: PortError(error)
        }
    }
}
