import Foundation
import Testing

@testable import OpenvSwitch

/// The host's own functions for addresses are the reference.
@Suite struct AddressTextTests {
    private func reference(_ bytes: [UInt8]) -> String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        // Both buffers have the sizes that the function asks for.
        _ = unsafe inet_ntop(AF_INET6, bytes, &text, socklen_t(text.count))
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func reference(_ text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        return unsafe inet_pton(AF_INET6, text, &bytes) == 1 ? bytes : nil
    }

    private func randomAddress(_ random: inout SplitMix64) -> [UInt8] {
        (0..<8).flatMap { _ -> [UInt8] in
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1: [0, 0]
            case 2: [0xff, 0xff]
            case 3: [0, UInt8(truncatingIfNeeded: random.next())]
            default: [UInt8(truncatingIfNeeded: random.next()), UInt8(truncatingIfNeeded: random.next())]
            }
        }
    }

    @Test func `IPv6 addresses are written as the host writes them, and read back`() {
        var random = SplitMix64(state: 5)
        var addresses = (0..<20_000).map { _ in randomAddress(&random) }
        // Those with an IPv4 address inside are rare among random ones.
        for index in 0..<256 {
            let tail: [UInt8] = [0, UInt8(index), 3, 4]
            addresses.append(.init(repeating: 0, count: 12) + tail)
            addresses.append(.init(repeating: 0, count: 10) + [0xff, 0xff] + tail)
            addresses.append(.init(repeating: 0, count: 15) + [UInt8(index)])
        }
        for address in addresses {
            let text = AddressText.ipv6(address)
            guard text == reference(address), AddressText.parseIPv6(Array(text.utf8)[...]) == address else {
                Issue.record("\(text), not \(reference(address))")
                return
            }
        }
    }

    @Test func `IPv6 addresses are read as the host reads them`() {
        var random = SplitMix64(state: 6)
        let alphabet = Array("0123456789abcdef:::..".utf8)
        var read = 0
        for _ in 0..<50_000 {
            var text = Array(AddressText.ipv6(randomAddress(&random)).utf8)
            for _ in 0..<Int.random(in: 0...2, using: &random) where !text.isEmpty {
                let index = Int.random(in: 0..<text.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: text.remove(at: index)
                case 1: text.insert(alphabet.randomElement(using: &random) ?? 0, at: index)
                default: text[index] = alphabet.randomElement(using: &random) ?? 0
                }
            }
            let string = String(decoding: text, as: UTF8.self)
            let found = AddressText.parseIPv6(text[...])
            if found != nil { read += 1 }
            guard found == reference(string) else {
                Issue.record("\(string): \(String(describing: found))")
                return
            }
        }
        #expect(read > 10_000)
    }

    @Test(arguments: ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1..2.3", "a.b.c.d", "1.2.3.4 ", "0001.2.3.4"])
    func `a malformed IPv4 address is refused`(text: String) {
        #expect(AddressText.parseIPv4(Array(text.utf8)[...]) == nil)
    }

    @Test func `an IPv4 address is four decimal bytes`() {
        #expect(AddressText.parseIPv4(Array("255.0.10.9".utf8)[...]) == [255, 0, 10, 9])
        #expect(AddressText.ipv4([255, 0, 10, 9]) == "255.0.10.9")
        #expect(AddressText.ethernet([0, 1, 0xab, 0xcd, 0xef, 0x10]) == "00:01:ab:cd:ef:10")
    }
}
