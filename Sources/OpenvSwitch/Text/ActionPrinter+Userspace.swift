extension ActionPrinter {
    mutating func userspace(_ payload: [UInt8]) {
        let attributes = TextPolicy.parse(
            payload,
            [
                UserspaceAttribute.portID: .u32, UserspaceAttribute.userdata: .any.optional,
                UserspaceAttribute.egressTunnelPort: .u32.optional, UserspaceAttribute.actions: .any.optional,
            ])
        guard let attributes, let portID = attributes[UserspaceAttribute.portID]?.hostValue else {
            append("userspace(error)")
            return
        }
        append("userspace(pid=\(portID)")
        if let userdata = attributes[UserspaceAttribute.userdata] {
            let cookie = UserspaceCookie(bytes: userdata)?.text(port: port)
            append("," + (cookie ?? "userdata(\(String.hexBytes(userdata)))"))
        }
        if attributes[UserspaceAttribute.actions] != nil { append(",actions") }
        if let egress = attributes[UserspaceAttribute.egressTunnelPort] { append(",tunnel_out_port=" + port(egress)) }
        append(")")
    }
}
