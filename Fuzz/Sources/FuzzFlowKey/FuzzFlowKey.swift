import FuzzSupport
import Netlink
import OpenvSwitch

// A flow key and a mask. The first two bytes are the key's length, the rest is the mask; a length with its highest bit set
// means that there is no mask.

@main
enum FuzzFlowKey: Fuzzer {
    static func main() { unsafe main { unsafe FuzzFlowKey.call($0, $1) } }

    static func run(_ bytes: RawSpan) {
        var input = Input(bytes)
        let length: UInt16 = input.integer()
        let key = input.bytes(Int(length & 0x7fff))
        let mask = length & 0x8000 == 0 ? input.rest : nil
        _ = try? FlowMetadata(Attributes(key))
        let alone = try? FlowMatch.key(Attributes(key))
        do {
            let match: FlowMatch
            if let mask {
                match = try FlowMatch(key: Attributes(key), mask: Attributes(mask))
            } else {
                match = try FlowMatch(key: Attributes(key), mask: nil)
            }
            require(alone == match.key, "a key alone is read otherwise than a key with a mask")
            // What is superfluous is lost when it is written once; after that nothing changes any more.
            guard let second = rewrite(match) else { return }
            guard let third = rewrite(second) else { fatalError("what was written is refused the second time") }
            require(second == third, "a match changes when it is written and read again")
            _ = match.mask.significantWords
            _ = match.maskedKey.hashValue
        } catch {
            require(error.errno == Errno.invalid, "another error than EINVAL: \(error)")
            require(!error.message.isEmpty && error.offset != nil, "an error without text or place")
        }
    }
}

private func rewrite(_ match: FlowMatch) -> FlowMatch? {
    var key = MessageWriter(capacity: 512)
    var mask = MessageWriter(capacity: 512)
    do {
        try match.writeKey(to: &key)
        try match.writeMask(to: &mask)
    } catch { fatalError("cannot be written: \(error)") }
    do {
        return try FlowMatch(key: Attributes(key.bytes.rawSpan), mask: Attributes(mask.bytes.rawSpan))
    } catch {
        // As in the kernel: an 802.2 frame behind a VLAN tag has an empty ENCAP, whose mask counts as absent.
        require(
            match.key.etherType == EtherType.ieee8022 && match.key.vlanTCI != 0, "what was written is refused: \(error)"
        )
        return nil
    }
}
