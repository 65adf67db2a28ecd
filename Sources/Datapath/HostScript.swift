/// What happens to the interfaces of a `MemoryPorts` host, step by step, for tests and simulations.
///
/// As text a step is a line. Empty lines and what follows `#` do not count:
///
///     create NAME [mac=02:00:00:00:00:01] [mtu=1500]     an interface comes, switched off and without a link
///     connect NAME         it is switched on
///     disconnect NAME      it is switched off
///     link NAME up|down    its link comes or goes
///     mac NAME ADDRESS     it gets another MAC address
///     mtu NAME BYTES       it gets another MTU
///     rename NAME NAME     it gets another name
///     delete NAME          it goes
///
/// The steps are those of a Hyper-V switch's host; there `create` and `delete` come once for the port and once for the NIC
/// in it, which are one thing here.
public struct HostScript: Equatable, Sendable {
    public enum Step: Equatable, Sendable {
        /// - Parameter mac: a 48-bit number in wire order.
        case create(String, mac: UInt64, mtu: UInt32)
        case connect(String)
        case disconnect(String)
        case link(String, isUp: Bool)
        case mac(String, UInt64)
        case mtu(String, UInt32)
        case rename(String, to: String)
        case delete(String)
    }

    public var steps: [Step]

    public init(_ steps: [Step]) { self.steps = steps }

    /// Reads a script.
    /// - Throws: what is wrong, and in which line.
    public init(_ text: String) throws(HostScriptError) {
        steps = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" }.map(String.init)
            guard !words.isEmpty else { continue }
            guard let step = Step(words) else {
                throw HostScriptError(line: index + 1, message: "this is no step: \(words.joined(separator: " "))")
            }
            steps.append(step)
        }
    }
}

/// Why a script cannot be read or carried out.
public struct HostScriptError: Error, Equatable, CustomStringConvertible, Sendable {
    /// The line, or the step, at fault; the first is 1.
    public var line: Int
    public var message: String

    public init(line: Int, message: String) {
        self.line = line
        self.message = message
    }

    public var description: String { "line \(line): \(message)" }
}

extension HostScript.Step {
    /// - Returns: nil if the words are no step.
    fileprivate init?(_ words: [String]) {
        guard words.count >= 2 else { return nil }
        let name = words[1]
        switch (words[0], words.count) {
        case ("create", _):
            var (mac, mtu): (UInt64, UInt32) = (0, 1500)
            for word in words.dropFirst(2) {
                if word.hasPrefix("mac="), let value = Self.mac(word.dropFirst(4)) {
                    mac = value
                } else if word.hasPrefix("mtu="), let value = UInt32(word.dropFirst(4)) {
                    mtu = value
                } else {
                    return nil
                }
            }
            self = .create(name, mac: mac, mtu: mtu)
        case ("connect", 2): self = .connect(name)
        case ("disconnect", 2): self = .disconnect(name)
        case ("link", 3):
            guard words[2] == "up" || words[2] == "down" else { return nil }
            self = .link(name, isUp: words[2] == "up")
        case ("mac", 3):
            guard let mac = Self.mac(words[2][...]) else { return nil }
            self = .mac(name, mac)
        case ("mtu", 3):
            guard let mtu = UInt32(words[2]) else { return nil }
            self = .mtu(name, mtu)
        case ("rename", 3): self = .rename(name, to: words[2])
        case ("delete", 2): self = .delete(name)
        default: return nil
        }
    }

    /// Six pairs of hexadecimal digits with colons between them.
    private static func mac(_ text: Substring) -> UInt64? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6 else { return nil }
        var value: UInt64 = 0
        for part in parts {
            guard part.count == 2, let byte = UInt8(part, radix: 16) else { return nil }
            value = value << 8 | UInt64(byte)
        }
        return value
    }
}

extension MemoryPorts {
    /// Carries out a script; the news of each step are told before the next begins.
    /// - Throws: the step that names no interface, or a name that is taken. Those before it have been carried out.
    public func play(_ script: HostScript) throws(HostScriptError) {
        for (index, step) in script.steps.enumerated() {
            if let message = play(step) { throw HostScriptError(line: index + 1, message: message) }
        }
    }

    /// - Returns: what is wrong, or nil.
    private func play(_ step: HostScript.Step) -> String? {
        let (name, isThere): (String, Bool)
        switch step {
        case .create(let new, let mac, let mtu):
            guard interface(named: new) == nil else { return "there is an interface \(new) already" }
            _ = plug(new, mac: mac, mtu: mtu, isUp: false)
            return nil
        case .rename(let old, let new):
            guard old == new || interface(named: new) == nil else { return "there is an interface \(new) already" }
            (name, isThere) = (old, change(old) { $0.name = new })
        case .connect(let which): (name, isThere) = (which, change(which) { $0.isUp = true })
        case .disconnect(let which): (name, isThere) = (which, change(which) { $0.isUp = false })
        case .link(let which, let isUp): (name, isThere) = (which, change(which) { $0.hasCarrier = isUp })
        case .mac(let which, let mac): (name, isThere) = (which, change(which) { $0.mac = mac })
        case .mtu(let which, let mtu): (name, isThere) = (which, change(which) { $0.mtu = mtu })
        case .delete(let which): (name, isThere) = (which, unplug(which))
        }
        return isThere ? nil : "there is no interface \(name)"
    }
}
