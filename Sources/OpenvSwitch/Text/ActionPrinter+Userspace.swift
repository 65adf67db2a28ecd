extension ActionPrinter {
    mutating func userspace(_ nest: AttributeNest, _ payload: [UInt8]) {
        guard let inside = nest.text(payload), let portID = inside[UserspaceAttribute.portID]?.hostValue else {
            append("error")
            return
        }
        append("\(nest.name(UserspaceAttribute.portID))=\(portID)")
        if let userdata = inside[UserspaceAttribute.userdata] {
            let cookie = UserspaceCookie(bytes: userdata)?.text(port: port)
            append("," + (cookie ?? "\(nest.name(UserspaceAttribute.userdata))(\(String.hexBytes(userdata)))"))
        }
        if inside[UserspaceAttribute.actions] != nil { append("," + nest.name(UserspaceAttribute.actions)) }
        if let egress = inside[UserspaceAttribute.egressTunnelPort] {
            append(",\(nest.name(UserspaceAttribute.egressTunnelPort))=" + port(egress))
        }
    }
}
