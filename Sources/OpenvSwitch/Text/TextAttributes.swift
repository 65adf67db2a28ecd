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

extension AttributeNest {
    /// The payloads inside an action by type; of several of one type the last. Types without a row are skipped.
    ///
    /// What is printed is what user space finds well-formed (`nl_parse_nested` there), which is not quite what a datapath
    /// takes: numbers have their exact length, structures may be longer.
    /// - Parameter skipped: a type that the text form does not know.
    /// - Returns: nil if a payload is malformed, a required one is missing or bytes are left over.
    func text(_ bytes: [UInt8], skipping skipped: UInt16? = nil) -> [UInt16: [UInt8]]? {
        let run = TextAttributes(bytes)
        guard run.leftover.isEmpty else { return nil }
        var result: [UInt16: [UInt8]] = [:]
        for attribute in run.list {
            guard let row = row(attribute.type), row.type != skipped else { continue }
            guard row.payload.admits(attribute.payload) else { return nil }
            result[attribute.type] = attribute.payload
        }
        return attributes.allSatisfy { !$0.isRequired || result[$0.type] != nil } ? result : nil
    }

    /// What the text calls an attribute.
    func name(_ type: UInt16) -> String { row(type)?.name ?? "" }
}

extension AttributeDescription.Payload {
    fileprivate func admits(_ payload: [UInt8]) -> Bool {
        switch self {
        case .exactly(let size): return size > 4 ? payload.count >= size : payload.count == size
        case .between(let least, let most): return (least...most).contains(payload.count)
        case .string(let maximum):
            guard let last = payload.last, payload.count <= maximum else { return false }
            return last == 0 && !payload.dropLast().contains(0)
        case .flag, .nested, .actions: return true
        }
    }
}
