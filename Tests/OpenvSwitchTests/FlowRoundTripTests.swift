import Netlink
import OpenvSwitch
import Testing

/// Random flows come back from Netlink and from text as they went.
@Suite struct FlowRoundTripTests {
    @Test func aFlowReadsBackEqualAndIsWrittenInTheSameBytes() throws {
        var flows = RandomFlows(seed: 31)
        for round in 0..<5_000 {
            let flow = flows.flow()
            let (key, mask) = try flow.attributes
            guard case .success(let back) = match(key, mask) else {
                Issue.record("round \(round): \(match(key, mask)) for \(printKey(key, mask, verbose: true))")
                return
            }
            let again = try back.attributes
            guard back == flow, again == (key, mask) else {
                Issue.record(
                    """
                    round \(round): \(printKey(key, mask, verbose: true))
                    \(hex(key)) \(hex(mask))
                    \(hex(again.key)) \(hex(again.mask))
                    \(back.key == flow.key) \(back.mask == flow.mask) \(back.tunnelOptions == flow.tunnelOptions)
                    """)
                return
            }
        }
    }

    /// A flow with a UFID is dumped with its masked key. What the mask leaves out is 0 then, which not every attribute may be.
    @Test func aFlowIsTheSameFlowByItsMaskedKey() throws {
        var flows = RandomFlows(seed: 32)
        var refused = 0
        for round in 0..<5_000 {
            let flow = flows.flow()
            var writer = MessageWriter()
            try flow.writeMaskedKey(to: &writer)
            let mask = try flow.attributes.mask
            switch match(writer.bytes, mask) {
            case .success(let back):
                // Options that are not matched are not in a masked key.
                let options = flow.mask.tunnelOptionsLength == 0 ? [] : flow.tunnelOptions.maskedValue
                guard back.maskedKey == flow.maskedKey, back.mask == flow.mask,
                    back.tunnelOptions.maskedValue == options
                else {
                    Issue.record(
                        """
                        round \(round): \(printKey(writer.bytes, mask, verbose: true))
                        \(back.maskedKey == flow.maskedKey) \(back.mask == flow.mask)
                        \(back.tunnelOptions.maskedValue) \(options)
                        """)
                    return
                }
            case .failure(let error):
                refused += 1
                #expect(
                    flow.mask.etherType == 0 && error.message.contains("EtherType is less than")
                        || flow.maskedKey.tunnelFamily != 0 && error.message.contains("destination"),
                    "round \(round): \(error)")
            }
        }
        #expect(refused < 3_000)
    }

    @Test func aFlowComesBackFromItsText() throws {
        var flows = RandomFlows(seed: 33, isPrintable: true)
        for round in 0..<4_000 {
            let flow = flows.flow()
            let (key, mask) = try flow.attributes
            let text = printKey(key, mask, verbose: true)
            do throws(FlowTextError) {
                // Extension headers of IPv6 have no name.
                let parsed = try FlowText.parseKey(
                    text.replacing(",key32(00 00/00 00)", with: ""), portNumber: nil)
                guard case .success(let back) = match(parsed.key, parsed.mask) else {
                    Issue.record("round \(round): \(match(parsed.key, parsed.mask)) for \(text)")
                    return
                }
                var expected = flow.mask
                // Of a flow without a tunnel the mask of a tunnel is not printed.
                if flow.key.tunnelFamily == 0 { expected.tunnelFamily = 0 }
                let again = (try? back.attributes) ?? (key: [], mask: [])
                guard back.maskedKey == flow.maskedKey, back.mask == expected,
                    back.tunnelOptions.maskedValue == flow.tunnelOptions.maskedValue,
                    back.tunnelOptions.mask == flow.tunnelOptions.mask,
                    // Of a network service header what is not matched is not printed.
                    printKey(again.key, again.mask, verbose: true) == text
                else {
                    Issue.record(
                        """
                        round \(round): \(text)
                        \(printKey(again.key, again.mask, verbose: true))
                        \(hex(key)) \(hex(mask))
                        \(hex(again.key)) \(hex(again.mask))
                        """)
                    return
                }
            } catch {
                Issue.record("round \(round): \(text): \(error)")
                return
            }
        }
    }
}

extension FlowMatch {
    /// Key and mask as they are written.
    var attributes: (key: [UInt8], mask: [UInt8]) {
        get throws {
            var (key, mask) = (MessageWriter(), MessageWriter())
            try writeKey(to: &key)
            try writeMask(to: &mask)
            return (key.bytes, mask.bytes)
        }
    }
}
