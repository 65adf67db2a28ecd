import Netlink
import OpenvSwitch

/// A list of actions and what becomes of it: a row of the corpus.
struct ActionCase: Sendable, CustomStringConvertible {
    /// The rule that the row is about.
    let rule: String
    /// The flow's key, as text.
    let key: String
    let actions: [UInt8]
    let outcome: Outcome

    enum Outcome: Sendable {
        case taken
        /// Refused with this error number, this sentence behind `flow actions: `, and this place in the list.
        case refused(Int32, String, Int)
    }

    var description: String { "\(rule): \(ActionText.actions(actions.rawSpan, portName: nil))" }

    /// A list that is taken.
    static func ok(_ rule: String, _ key: String, _ text: String) -> ActionCase {
        ActionCase(rule: rule, key: key, actions: bytes(text), outcome: .taken)
    }

    static func ok(_ rule: String, _ key: String, _ actions: [UInt8]) -> ActionCase {
        ActionCase(rule: rule, key: key, actions: actions, outcome: .taken)
    }

    /// A list that is refused with `EINVAL`, if no other number is given.
    static func no(
        _ rule: String, _ key: String, _ text: String, _ sentence: String, at place: Int = 0,
        errno: Int32 = Errno.invalid
    ) -> ActionCase {
        no(rule, key, bytes(text), sentence, at: place, errno: errno)
    }

    static func no(
        _ rule: String, _ key: String, _ actions: [UInt8], _ sentence: String, at place: Int = 0,
        errno: Int32 = Errno.invalid
    ) -> ActionCase {
        ActionCase(rule: rule, key: key, actions: actions, outcome: .refused(errno, sentence, place))
    }

    private static func bytes(_ text: String) -> [UInt8] {
        do { return try ActionText.parseActions(text, portNumber: nil) } catch { fatalError("\(text): \(error)") }
    }
}

/// The keys of the corpus.
enum Keys {
    static let link = "in_port(1),eth(),eth_type(0x1234)"
    static let ieee8023 = "in_port(1),eth()"
    static let ipv4 = "in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)"
    static let tcp4 = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(),tcp_flags(0/0)"
    static let udp4 = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()"
    static let tcp6 = "in_port(1),eth(),eth_type(0x86dd),ipv6(proto=6,frag=no),tcp(),tcp_flags(0/0)"
    static let sctp6 = "in_port(1),eth(),eth_type(0x86dd),ipv6(proto=132,frag=no),sctp()"
    static let arp = "in_port(1),eth(),eth_type(0x0806),arp()"
    static let rarp = "in_port(1),eth(),eth_type(0x8035),arp()"
    static let mpls = "in_port(1),eth(),eth_type(0x8847),mpls(label=1,tc=0,ttl=1,bos=1)"
    static let tagged = "in_port(1),eth(),eth_type(0x8100),vlan(vid=5),encap(eth_type(0x0800),ipv4(frag=no))"
    static let bare = "in_port(1),eth_type(0x0800),ipv4(frag=no)"
    static let bareOther = "in_port(1),eth_type(0x1234)"
    static let bareMPLS = "in_port(1),eth_type(0x8847),mpls(label=1,tc=0,ttl=1,bos=1)"
    static let nsh = "in_port(1),eth(),eth_type(0x894f),nsh(np=3,mdtype=1)"
    static let bareNSH = "in_port(1),eth_type(0x894f),nsh(np=1,mdtype=1)"
    static let bareUnknownNSH = "in_port(1),eth_type(0x894f),nsh(np=9,mdtype=1)"
}
