package import Netlink

/// What a set action tells a tunnel port.
package enum TunnelKey {
    /// Validates the payload of a set action that is one `OVS_KEY_ATTR_TUNNEL`: by the rules of a key, and Geneve options
    /// must be whole ones.
    /// - Throws: `EINVAL` and the place.
    package static func validate(_ attributes: Attributes) throws(RequestError) {
        do throws(RequestError) {
            let levels = try KeyLevels(attributes, isMask: false)
            guard let tunnel = levels.attribute(KeyAttribute.tunnel) else { return }
            var key = FlowKey()
            var options: [UInt8] = []
            try levels.readTunnel(tunnel, into: &key, options: &options, keyOptions: [])
            guard key.tunnelFlags & TunnelFlags.geneveOptions != 0 else { return }
            guard hasWholeGeneveOptions(options) else {
                throw levels.fail(
                    "an option is not whole (OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS)", KeyAttribute.tunnel)
            }
        } catch {
            // The rules are a key's, but it is an action that breaks them.
            var error = error
            error.message = "flow actions: set: " + error.message.replacing("flow key: ", with: "", maxReplacements: 1)
            throw error
        }
    }

    /// Whether bytes are options of RFC 8926, 3.5: a header of four bytes, the lowest five bits of whose last say how many
    /// words follow.
    private static func hasWholeGeneveOptions(_ options: [UInt8]) -> Bool {
        var rest = options[...]
        while let header = rest.dropFirst(3).first {
            let count = 4 + Int(header & 0x1f) * 4
            guard count <= rest.count else { return false }
            rest = rest.dropFirst(count)
        }
        return rest.isEmpty
    }
}
