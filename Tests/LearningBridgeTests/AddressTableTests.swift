@testable import LearningBridge
import Testing

@Suite struct AddressTableTests {
    @Test func addressParts() {
        let address = Address(mac: 0xffff_0123_4567_89ab, vlan: 4095)
        #expect(address.mac == 0x0123_4567_89ab)
        #expect(address.vlan == 4095)
        #expect(address != Address(mac: 0x0123_4567_89ab, vlan: 0))
        #expect(address.isMulticast)
        #expect(Address(mac: 0xffff_ffff_ffff, vlan: 0).isMulticast)
        #expect(!Address(mac: 0xfeff_ffff_ffff, vlan: 0).isMulticast)
        #expect(Address(mac: 0x0180_c200_0000, vlan: 7).isLinkLocal)
        #expect(Address(mac: 0x0180_c200_000f, vlan: 0).isLinkLocal)
        #expect(!Address(mac: 0x0180_c200_0010, vlan: 0).isLinkLocal)
    }

    /// Against an array that is kept in order the slow way.
    @Test func agreesWithPlainTable() {
        var random = SeededGenerator(seed: 2)
        var table = AddressTable(capacity: 10)
        var plain: [(address: Address, port: UInt16, heard: Duration)] = []
        for step in 0..<20_000 {
            let now = Duration.seconds(step)
            let address = Address(mac: UInt64.random(in: 0..<20, using: &random), vlan: 1)
            let port = UInt16.random(in: 0..<3, using: &random)
            let place = plain.firstIndex { $0.address == address }
            switch Int.random(in: 0..<10, using: &random) {
            case 0:
                table.remove(address)
                if let place { plain.remove(at: place) }
            case 1:
                table.refresh(address, on: port, now: now)
                if let place, plain[place].port == port {
                    plain.remove(at: place)
                    plain.append((address, port, now))
                }
            case 2:
                let deadline = now - .seconds(8)
                let silent = plain.first.flatMap { $0.heard <= deadline ? $0.address : nil }
                #expect(table.silent(until: deadline)?.address == silent)
            default:
                let outcome = table.learn(address, on: port, now: now)
                if let place {
                    let old = plain.remove(at: place).port
                    #expect(outcome == .init(change: old == port ? .known : .moved(from: old)))
                } else {
                    let replaced = plain.count == 10 ? plain.removeFirst().address : nil
                    #expect(outcome == .init(change: .added, replaced: replaced))
                }
                plain.append((address, port, now))
            }
            #expect(table.count == plain.count)
            #expect(table.port(of: address) == plain.first { $0.address == address }?.port)
        }
        #expect(table.all.map(\.address) == plain.map(\.address))
        #expect(table.all.map(\.lastHeard) == plain.map(\.heard))
    }

    @Test func capacityIsAtLeastOne() {
        var table = AddressTable(capacity: -5)
        let (first, second) = (Address(mac: 2, vlan: 0), Address(mac: 4, vlan: 0))
        #expect(table.learn(first, on: 1, now: .zero).replaced == nil)
        #expect(table.learn(second, on: 1, now: .zero).replaced == first)
        #expect(table.count == 1)
    }
}
