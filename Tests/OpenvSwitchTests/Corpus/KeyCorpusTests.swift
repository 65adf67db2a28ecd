import Netlink
import OpenvSwitch
import Testing

/// Every rule of the interface for keys and masks, one by one.
@Suite struct KeyCorpusTests {
    @Test(arguments: KeyCorpus.attributes + KeyCorpus.values)
    func attributes(_ each: KeyCase) { check(each) }

    @Test(arguments: KeyCorpus.demands + KeyCorpus.maskDemands)
    func presence(_ each: KeyCase) { check(each) }

    @Test(arguments: KeyCorpus.wildcards)
    func wildcards(_ each: KeyCase) { check(each) }

    @Test(arguments: KeyCorpus.tags + KeyCorpus.tagMasks)
    func tags(_ each: KeyCase) { check(each) }

    @Test(arguments: KeyCorpus.tunnels + KeyCorpus.tunnelOptions + KeyCorpus.tunnelMasks)
    func tunnels(_ each: KeyCase) { check(each) }

    @Test(arguments: KeyCorpus.serviceHeaders + KeyCorpus.connections)
    func serviceHeadersAndConnections(_ each: KeyCase) { check(each) }

    private func check(_ each: KeyCase) {
        switch (each.expectation, match(each.key, each.mask)) {
        case (.accepted(let key, let mask), .success(let match)):
            if let key { expect(match.key, key, KeyCase.ordinaryKey) }
            if let mask { expect(match.mask, mask, KeyCase.ordinaryMask) }
        case (.refused(let message, let place), .failure(let error)):
            let offset = place.offset(key: each.key, mask: each.mask)
            #expect(offset != nil, "the case names an attribute that is not there")
            #expect(error == RequestError(Errno.invalid, message, offset: offset))
        case (.accepted, .failure(let error)): Issue.record("refused: \(error)")
        case (.refused, .success): Issue.record("taken")
        }
    }

    private func expect(_ found: FlowKey, _ change: KeyCase.Change, _ beginning: FlowKey) {
        var expected = beginning
        change(&expected)
        #expect(found == expected, "words \(found.words.differences(from: expected.words))")
    }
}

extension InlineArray<31, UInt64> {
    /// The words that are not equal.
    fileprivate func differences(from other: Self) -> String {
        indices.filter { self[$0] != other[$0] }
            .map { "\($0): \(String(self[$0], radix: 16)), not \(String(other[$0], radix: 16))" }
            .joined(separator: "; ")
    }
}
