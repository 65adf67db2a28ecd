import OpenvSwitch

/// The extension headers of an IPv6 packet (RFC 8200, 4), walked once.
struct IPv6Chain: BitwiseCopyable {
    /// The protocol behind the last extension header; 44 if this is a later fragment; 59 if the chain is broken.
    var upperProtocol = IPProtocol.noNextHeader
    /// Where that protocol's header begins, perhaps behind the frame's end; -1 if this is a later fragment or the chain
    /// is broken.
    var transport = -1
    /// `Fragment`: none, first or later.
    var fragment = Fragment.none
    /// What was seen, as `FlowKey.ipv6ExtensionHeaders` says it.
    var headers: UInt16 = 0
    /// Whether a routing header has segments left, so that the destination address is not the last one.
    var isRouted = false

    /// More headers than this count as a broken chain, so that a large frame full of them costs little.
    static let maximumHeaders = 32

    // OFPIEH12_*
    static let noNext: UInt16 = 1
    static let esp: UInt16 = 2
    static let authentication: UInt16 = 4
    static let destinationOptions: UInt16 = 8
    static let fragmentHeader: UInt16 = 16
    static let routing: UInt16 = 32
    static let hopByHop: UInt16 = 64
    static let repeated: UInt16 = 128
    static let badOrder: UInt16 = 256

    /// Whether a protocol number is that of an extension header that says what follows it.
    @inline(__always)
    static func isExtension(_ number: UInt8) -> Bool {
        switch number {
        case IPProtocol.hopByHop, IPProtocol.routing, IPProtocol.fragment, IPProtocol.authentication,
            IPProtocol.destinationOptions:
            true
        default: false
        }
    }

    /// Walks the headers from the one behind the IPv6 header.
    /// - Parameters:
    ///   - first: the next-header field of the IPv6 header.
    ///   - start: where the IPv6 header ends.
    @inline(__always)
    init(_ frame: RawSpan, first: UInt8, at start: Int) {
        if Self.isExtension(first) {
            walk(frame, first: first, at: start)
        } else {
            upperProtocol = first
            transport = start
            if first == IPProtocol.noNextHeader { headers = Self.noNext }
            if first == IPProtocol.esp { headers = Self.esp }
        }
    }

    /// As the kernel does, this wants of a header no more than what it reads, and follows it behind the frame's end.
    @inline(never)
    private mutating func walk(_ frame: RawSpan, first: UInt8, at start: Int) {
        var next = first
        var offset = start
        var count = 0
        var destinationCount = 0
        note(next, &destinationCount)
        while Self.isExtension(next) {
            count &+= 1
            guard count <= Self.maximumHeaders, frame.holds(2, at: offset) else { return }
            // Every extension header begins with the two bytes just checked.
            let following = unsafe frame.bigEndian(offset, as: UInt8.self)
            let size = unsafe Int(frame.bigEndian(offset &+ 1, as: UInt8.self))
            switch next {
            case IPProtocol.fragment:
                fragment = Fragment.first
                guard frame.holds(4, at: offset) else { return }
                if unsafe frame.bigEndian(offset &+ 2, as: UInt16.self) & 0xfff8 != 0 {
                    fragment = Fragment.later
                    upperProtocol = IPProtocol.fragment
                    return
                }
                offset &+= 8
            case IPProtocol.authentication: offset &+= (size &+ 2) &* 4
            case IPProtocol.routing:
                guard frame.holds(4, at: offset) else { return }
                if unsafe frame.bigEndian(offset &+ 3, as: UInt8.self) != 0 { isRouted = true }
                offset &+= (size &+ 1) &* 8
            default: offset &+= (size &+ 1) &* 8
            }
            next = following
            note(next, &destinationCount)
        }
        upperProtocol = next
        transport = offset
    }

    /// Adds a header to `headers`: its bit, whether it was there before, and whether it stands behind one that RFC
    /// 8200, 4.1 wants behind it.
    private mutating func note(_ number: UInt8, _ destinationCount: inout Int) {
        let bit: UInt16
        var mayPrecede = Self.repeated | Self.hopByHop | Self.destinationOptions
        switch number {
        case IPProtocol.noNextHeader:
            headers |= Self.noNext
            return
        case IPProtocol.hopByHop:
            if headers & Self.hopByHop != 0 { headers |= Self.repeated }
            headers |= headers == 0 ? Self.hopByHop : Self.badOrder
            return
        case IPProtocol.destinationOptions:
            // Once in front of a routing header, once as the last header.
            switch destinationCount {
            case 0: mayPrecede = Self.repeated | Self.hopByHop
            case 1: mayPrecede = ~(Self.noNext | Self.badOrder)
            default: headers |= Self.repeated
            }
            if destinationCount < 2, headers & ~mayPrecede != 0 { headers |= Self.badOrder }
            headers |= Self.destinationOptions
            destinationCount &+= 1
            return
        case IPProtocol.routing: bit = Self.routing
        case IPProtocol.fragment:
            bit = Self.fragmentHeader
            mayPrecede |= Self.routing
        case IPProtocol.authentication:
            bit = Self.authentication
            mayPrecede |= Self.routing | Self.fragmentHeader
        case IPProtocol.esp:
            bit = Self.esp
            mayPrecede |= Self.routing | Self.fragmentHeader | Self.authentication
        default: return
        }
        if headers & bit != 0 { headers |= Self.repeated }
        if headers & ~mayPrecede != 0 || destinationCount >= 2 { headers |= Self.badOrder }
        headers |= bit
    }
}
