/// The attributes of `OVS_KEY_ATTR_NSH`.
package enum NSHTable {
    package static let rows: [AttributeDescription] = [
        AttributeDescription(
            NSHKeyAttribute.base, "OVS_NSH_KEY_ATTR_BASE", "", .exactly(8),
            fields: [
                KeyField("flags", .decimal8, at: 0, .nshFlags), KeyField("ttl", .decimal8, at: 1, .nshTTL),
                KeyField("mdtype", .decimal8, at: 2, .nshMetadataType),
                KeyField("np", .decimal8, at: 3, .nshNextProtocol), KeyField("", .unmasked32, at: 4, .nshPath),
            ],
            "The base header. The text names the path identifier (upper 24 bits of the last field) `spi` and the service index `si`."
        ),
        AttributeDescription(
            NSHKeyAttribute.md1, "OVS_NSH_KEY_ATTR_MD1", "", .exactly(16),
            fields: [
                KeyField("c1", .unmasked32, at: 0, .nshContext1), KeyField("c2", .unmasked32, at: 4, .nshContext2),
                KeyField("c3", .unmasked32, at: 8, .nshContext3), KeyField("c4", .unmasked32, at: 12, .nshContext4),
            ], "The context of metadata type 1."),
        AttributeDescription(
            NSHKeyAttribute.md2, "OVS_NSH_KEY_ATTR_MD2", "", .between(1, 248),
            "The metadata of type 2: in push_nsh only."),
    ]

    /// The row of a type, or nil for a type that is unknown.
    static func row(_ type: UInt16) -> AttributeDescription? { rows.first { $0.type == type } }
}
