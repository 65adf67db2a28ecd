/// Frames of 64 bytes and the headers that stand in front of them.
public enum Frames {
    /// An Ethernet header.
    public static func ethernet(_ type: UInt16, source: UInt64 = 1) -> [UInt8] {
        mac(0xff) + mac(source) + bytes(type)
    }

    /// A TCP segment over IPv4.
    public static func tcp(source: UInt64 = 1) -> [UInt8] {
        ethernet(0x0800, source: source) + ipv4(6, tcpHeader + padding(10))
    }

    public static var udp: [UInt8] { ethernet(0x0800) + ipv4(17, ports + [0, 30, 0, 0] + padding(22)) }
    /// A UDP datagram with these addresses and this source port.
    public static func udp(from source: UInt32, to destination: UInt32, port: UInt16) -> [UInt8] {
        var frame = udp
        frame.replaceSubrange(26..<34, with: address(source) + address(destination))
        frame.replaceSubrange(34..<36, with: bytes(port))
        return frame
    }
    public static var sctp: [UInt8] { ethernet(0x0800) + ipv4(132, ports + padding(26)) }
    public static var tcpOverIPv6: [UInt8] { ethernet(0x86dd) + ipv6(6, tcpHeader) }
    /// A UDP datagram with a VLAN tag.
    public static var taggedUDP: [UInt8] {
        mac(0xff) + mac(1) + bytes(0x8100) + bytes(0x2005) + bytes(0x0800)
            + ipv4(17, ports + [0, 26, 0, 0] + padding(18))
    }
    public static var mpls: [UInt8] { ethernet(0x8847) + [0, 0x01, 0x41, 64] + ipv4(6, tcpHeader + padding(6)) }
    /// A frame in a network service header, behind an Ethernet header.
    public static var nsh: [UInt8] {
        [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x89, 0x4f, 0x0f, 0xc6, 1, 3, 0, 0, 5, 255]
            + [UInt8](repeating: 0, count: 16) + tcp()
    }

    private static let ports: [UInt8] = [0x30, 0x39, 0, 80]
    private static let tcpHeader: [UInt8] =
        ports + [UInt8](repeating: 0, count: 8) + [0x50, 0x10, 0, 100, 0, 0, 0, 0]
    private static func padding(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x55, count: count) }
    private static func mac(_ number: UInt64) -> [UInt8] {
        (0..<6).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * (5 - $0))) }
    }
    private static func bytes(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)] }
    private static func address(_ number: UInt32) -> [UInt8] {
        bytes(UInt16(number >> 16)) + bytes(UInt16(truncatingIfNeeded: number))
    }

    /// Without a checksum: the switch does not look at it.
    private static func ipv4(_ number: UInt8, _ payload: [UInt8]) -> [UInt8] {
        [0x45, 0] + bytes(UInt16(20 + payload.count)) + [0, 1, 0, 0, 64, number, 0, 0, 10, 0, 0, 2, 10, 0, 0, 3]
            + payload
    }

    private static func ipv6(_ number: UInt8, _ payload: [UInt8]) -> [UInt8] {
        [0x60, 0, 0, 0] + bytes(UInt16(payload.count)) + [number, 64] + [0x20, 0x01, 0x0d, 0xb8] + padding(12)
            + [0x20, 0x01, 0x0d, 0xb8] + padding(12) + payload
    }
}
