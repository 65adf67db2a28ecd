extension ActionTextParser {
    /// `pid=5[,cookie][,actions][,tunnel_out_port=3])`. Without a cookie the user data is a cookie of zeros.
    mutating func userspace(_ nest: AttributeNest) throws(FlowTextError) -> [UInt8] {
        try scanner.expect(nest.name(UserspaceAttribute.portID) + "=")
        let portID = try scanner.expectInteger(bits: 32)
        var userdata = [UInt8](repeating: 0, count: UserspaceCookie.size)
        if scanner.skip(",\(nest.name(UserspaceAttribute.userdata))(") {
            userdata = scanner.hexBytes()
            try scanner.expect(")")
            // The smallest user data there is has eight bytes.
            userdata += [UInt8](repeating: 0, count: max(0, 8 - userdata.count))
        } else if let cookie = try cookie() {
            userdata = cookie.bytes
        }
        let wantsActions = scanner.skip("," + nest.name(UserspaceAttribute.actions))
        let egress = scanner.skip(",\(nest.name(UserspaceAttribute.egressTunnelPort))=") ? try portNumber() : nil
        try scanner.expect(")")

        var nested = AttributeBuilder()
        try nested.append(UserspaceAttribute.portID, .host(portID, count: 4), at: scanner)
        try nested.append(UserspaceAttribute.userdata, userdata, at: scanner)
        if let egress { try nested.append(UserspaceAttribute.egressTunnelPort, .host(egress, count: 4), at: scanner) }
        if wantsActions { try nested.append(UserspaceAttribute.actions, [], at: scanner) }
        return nested.bytes
    }

    private mutating func portNumber() throws(FlowTextError) -> UInt64 {
        guard let number = try port() else { throw scanner.error("expected the number or the name of a port") }
        return number
    }

    private mutating func cookie() throws(FlowTextError) -> UserspaceCookie? {
        if scanner.skip(",sFlow(vid=") {
            var cookie = UserspaceCookie(.sFlow)
            let vid = try scanner.expectInteger(bits: 12)
            try scanner.expect(",pcp=")
            let pcp = try scanner.expectInteger(bits: 3)
            let tci = vid | pcp << 13
            cookie.set(bigEndian: 24, 2, tci == 0 ? 0 : tci | 0x1000)
            try number(",output=", 28, 4, &cookie)
            try scanner.expect(")")
            return cookie
        }
        if scanner.skip(",slow_path(") {
            var cookie = UserspaceCookie(.slowPath)
            cookie.set(28, 4, UInt64(try keys.flags(.slowPath, separators: ["|", ","]).flags))
            try scanner.expect(")")
            return cookie
        }
        if scanner.skip(",flow_sample(") {
            var cookie = UserspaceCookie(.flowSample)
            try number("probability=", 24, 2, &cookie)
            try number(",collector_set_id=", 28, 4, &cookie)
            try number(",obs_domain_id=", 32, 4, &cookie)
            try number(",obs_point_id=", 36, 4, &cookie)
            try scanner.expect(",output_port=")
            cookie.set(40, 4, try portNumber())
            let direction: UInt64 = scanner.skip(",ingress") ? 1 : scanner.skip(",egress") ? 2 : 0
            cookie.set(44, 4, direction)
            try scanner.expect(")")
            return cookie
        }
        if scanner.skip(",ipfix(output_port=") {
            var cookie = UserspaceCookie(.ipfix)
            cookie.set(24, 4, try portNumber())
            try scanner.expect(")")
            return cookie
        }
        if scanner.skip(",controller(") {
            var cookie = UserspaceCookie(.controller)
            try number("reason=", 26, 2, &cookie)
            try number(",dont_send=", 24, 1, &cookie)
            try number(",continuation=", 25, 1, &cookie)
            for offset in [24, 25] { cookie.set(offset, 1, cookie.number(offset, 1) == 0 ? 0 : 1) }
            try number(",recirc_id=", 28, 4, &cookie)
            try scanner.expect(",rule_cookie=")
            cookie.set(bigEndian: 32, 8, try scanner.expectInteger(bits: 64, base: 16))
            try number(",controller_id=", 40, 2, &cookie)
            try number(",max_len=", 42, 2, &cookie)
            try scanner.expect(")")
            return cookie
        }
        return nil
    }

    private mutating func number(
        _ name: String, _ offset: Int, _ count: Int, _ cookie: inout UserspaceCookie
    ) throws(FlowTextError) {
        try scanner.expect(name)
        cookie.set(offset, count, try scanner.expectInteger(bits: count * 8))
    }
}
