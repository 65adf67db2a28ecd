import Netlink

/// One attribute with its payload copied, so that printers can hold several runs of attributes at once.
struct TextAttribute {
    let type: UInt16
    let payload: [UInt8]
}

/// A run of attributes as `ovs-dpctl` reads one: up to the first that is malformed, and what is left over from there.
struct TextAttributes {
    private(set) var list: [TextAttribute] = []
    /// The bytes behind the last well-formed attribute.
    private(set) var leftover: [UInt8] = []
    private var firstOfType: [UInt16: Int] = [:]

    init(_ bytes: RawSpan) {
        var attributes = Attributes(bytes)
        while true {
            let rest = attributes.rest
            do {
                guard let attribute = try attributes.next() else { return }
                if firstOfType[attribute.type] == nil { firstOfType[attribute.type] = list.count }
                list.append(TextAttribute(type: attribute.type, payload: attribute.payload.copyBytes()))
            } catch {
                leftover = rest.copyBytes()
                return
            }
        }
    }

    init(_ bytes: [UInt8]) {
        // The raw view of an array's own, initialised bytes, which does not outlive this call.
        unsafe self.init(bytes.span.bytes)
    }

    /// The payload of the first attribute of this type.
    func first(_ type: UInt16) -> [UInt8]? { firstOfType[type].map { list[$0].payload } }
}

/// What the payload of one nested attribute must be for the whole to be printed (`nl_parse_nested` in user space).
struct TextPolicy {
    enum Kind {
        case bytes(ClosedRange<Int>)
        /// A string that ends with its only NUL and has at most so many bytes with it.
        case string(Int)
    }

    let kind: Kind
    var isOptional = false

    static let u16 = TextPolicy(kind: .bytes(2...2))
    static let u32 = TextPolicy(kind: .bytes(4...4))
    static let any = TextPolicy(kind: .bytes(0...Int.max))
    static func string(_ maximum: Int) -> TextPolicy { TextPolicy(kind: .string(maximum)) }
    var optional: TextPolicy { TextPolicy(kind: kind, isOptional: true) }

    func admits(_ payload: [UInt8]) -> Bool {
        switch kind {
        case .bytes(let range): return range.contains(payload.count)
        case .string(let maximum):
            guard let last = payload.last, payload.count <= maximum else { return false }
            return last == 0 && !payload.dropLast().contains(0)
        }
    }

    /// The payloads by type; of several of one type the last. Types that `policies` does not name are skipped.
    /// - Returns: nil if a payload is not admitted, a required one is missing or bytes are left over.
    static func parse(_ bytes: [UInt8], _ policies: [UInt16: TextPolicy]) -> [UInt16: [UInt8]]? {
        let attributes = TextAttributes(bytes)
        guard attributes.leftover.isEmpty else { return nil }
        var result: [UInt16: [UInt8]] = [:]
        for attribute in attributes.list {
            guard let policy = policies[attribute.type] else { continue }
            guard policy.admits(attribute.payload) else { return nil }
            result[attribute.type] = attribute.payload
        }
        for (type, policy) in policies where !policy.isOptional && result[type] == nil { return nil }
        return result
    }
}
