import OpenvSwitch
import Testing

@Suite struct TextTests {
    private func flow(_ text: String) throws(FlowTextError) -> (key: [UInt8], mask: [UInt8]) {
        try FlowText.parseKey(text, portNumber: portNumber)
    }

    private func actions(_ text: String) throws(FlowTextError) -> String {
        printActions(try ActionText.parseActions(text, portNumber: portNumber))
    }

    // MARK: Beyond what the tool takes

    @Test(arguments: [
        "hash(l4(0))", "hash(sym_l4(7))", "push_mpls(label=100,tc=0,ttl=64,bos=1,eth_type=0x8847)",
        "pop_mpls(eth_type=0x800)", "push_eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02)", "pop_eth", "recirc(0x1f)",
        "clone(drop)", "clone(clone(drop),1)", "sample(sample=50.0%,actions(drop))", "dec_ttl(le_1(drop))",
        "dec_ttl(le_1(1,2)),3", "psample(group=12)", "psample(group=12,cookie=0x0102030405060708090a0b0c0d0e0f10)",
        "set(nsh(flags=1))", "set(nsh(ttl=5/0x0f,spi=0x00001/0x0000ffff,c1=0x1)),1", "ct(commit,nat(src,random))",
        "userspace(pid=1,slow_path(cfm,match))", "check_pkt_len(size=100,gt(drop),le(drop))",
    ])
    func `every action is taken as it is printed`(text: String) throws {
        let expected = text.replacing("ttl=5/0x0f", with: "ttl=0x05/0x0f").replacing("spi=0x00001", with: "spi=0x1")
        #expect(try actions(text) == expected)
    }

    @Test func `ports go by number or name`() throws {
        #expect(try actions("port1,clone(port2),port3") == "1,clone(2),3")
        #expect(try flow("in_port(port7)").key == flow("in_port(7)").key)
        #expect(try flow("in_port(port7)").mask == flow("in_port(7)").mask)
        #expect(throws: FlowTextError.self) { try ActionText.parseActions("port1", portNumber: nil) }
        #expect(throws: FlowTextError.self) { try FlowText.parseKey("in_port(port1)", portNumber: nil) }
        // A name may begin with a digit, and may be a number that no port carries otherwise.
        let odd: (String) -> UInt32? = { $0 == "10g" ? 42 : nil }
        #expect(printActions(try ActionText.parseActions("10g,5", portNumber: odd)) == "42,5")
        let key = try FlowText.parseKey("in_port(10g)", portNumber: odd).key
        #expect(printKey(key, nil, verbose: false) == "in_port(42)")
    }

    @Test(arguments: [
        "eth_type(0x10000)", "ipv4(proto=256)", "ipv4(proto=-129)", "tcp(src=65536)", "skb_mark(0x100000000)",
        "ipv4(src=256.0.0.1)", "ipv6(label=0x100000)", "vlan(pcp=8)", "tunnel(tun_id=0x10000000000000000)",
        "ct_label(99999999999999999999)", "ct_zone(65536)", "nsh(spi=0x1000000)", "eth(src=100:0:0:0:0:0)",
    ])
    func `a number that does not fit is refused and not cut`(text: String) {
        #expect(throws: FlowTextError.self) { try flow(text) }
    }

    @Test func `a negative number is its two's complement`() throws {
        #expect(try flow("skb_mark(-1)").key == flow("skb_mark(0xffffffff)").key)
        #expect(try flow("ipv4(proto=-128)").key == flow("ipv4(proto=0x80)").key)
    }

    @Test func `a connection's IPv6 addresses are taken as they are printed`() throws {
        let text = "ct_tuple6(src=::1,dst=::2,proto=6,src_port=1,dst_port=2)"
        let parsed = try flow(text)
        #expect(parsed.key.count == 44)
        #expect(printKey(parsed.key, parsed.mask, verbose: true) == text)
    }

    @Test func `a network service header survives both ways`() throws {
        let text = "nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x1234,si=255,c1=0x1,c2=0x2,c3=0x3,c4=0x4)"
        let parsed = try flow(text)
        #expect(printKey(parsed.key, parsed.mask, verbose: false) == text)
        #expect(printKey(parsed.key, nil, verbose: false) == text)
    }

    // MARK: Errors

    @Test func `an error names what it stumbled over and where`() {
        func error(_ body: () throws(FlowTextError) -> Void) -> FlowTextError? {
            do { try body() } catch { return error }
            return nil
        }
        #expect(
            error { () throws(FlowTextError) in _ = try flow("in_port(1),nosuch(2),eth()") }
                == FlowTextError("expected a key attribute such as “in_port(”, found “nosuch(2”", at: 11))
        #expect(
            error { () throws(FlowTextError) in _ = try flow("ipv4(src=1.2.3.4") }
                == FlowTextError("expected “)”, but the text ends", at: 16))
        #expect(
            error { () throws(FlowTextError) in _ = try flow("ipv4(ttl=300)") }
                == FlowTextError("expected a number of 8 bits, found “300”", at: 9))
        let bad = error { () throws(FlowTextError) in _ = try actions("1,\u{1b}[31m") }
        #expect(bad?.message.contains("\u{1b}") == false)
        #expect(bad?.description == "\(bad?.message ?? ""), at position 2")
        #expect(error { () throws(FlowTextError) in _ = try actions("drop,1") }?.position == 5)
    }

    // MARK: Limits

    @Test func `nesting is bounded in texts`() throws {
        func nested(_ name: String, _ depth: Int, _ inner: String) -> String {
            String(repeating: "\(name)(", count: depth) + inner + String(repeating: ")", count: depth)
        }
        #expect(try actions(nested("clone", 16, "1")) == nested("clone", 16, "1"))
        #expect(try flow(nested("encap", 16, "eth()")).key.count == 16 * 4 + 16)
        for depth in [32, 100_000] {
            #expect(throws: FlowTextError.self) { try actions(nested("clone", depth, "1")) }
            #expect(throws: FlowTextError.self) { try flow(nested("encap", depth, "eth()")) }
        }
    }

    @Test func `nesting is bounded in bytes`() {
        var clones: [UInt8] = []
        var encaps: [UInt8] = []
        for _ in 0..<10_000 {
            clones = RandomAttributes.attribute(ActionAttribute.clone, clones)
            encaps = RandomAttributes.attribute(KeyAttribute.encap, encaps)
        }
        #expect(printActions(clones).contains("<nested too deep>"))
        #expect(printKey(encaps, encaps, verbose: true).contains("<nested too deep>"))
        #expect(printKey(encaps, nil, verbose: false).contains("<nested too deep>"))
        let sixteen = (0..<16).reduce([UInt8]()) { bytes, _ in
            RandomAttributes.attribute(ActionAttribute.clone, bytes)
        }
        let text = String(repeating: "clone(", count: 16) + "drop" + String(repeating: ")", count: 16)
        #expect(printActions(sixteen) == text)
    }

    @Test func `what no attribute can hold is refused`() throws {
        let most = Array(repeating: "1", count: 8191).joined(separator: ",")
        #expect(try ActionText.parseActions(most, portNumber: nil).count == 65528)
        #expect(throws: FlowTextError.self) { try ActionText.parseActions(most + ",1", portNumber: nil) }
        #expect(throws: FlowTextError.self) { try ActionText.parseActions("clone(\(most))", portNumber: nil) }
        let keys = Array(repeating: "in_port(1)", count: 8192).joined(separator: ",")
        #expect(throws: FlowTextError.self) { try flow(keys) }
    }

    @Test func `the longest key and mask are printed in good time`() {
        // Every attribute of the key is looked up in the mask; that must not take the square of their number.
        let key = (0..<8000).flatMap { RandomAttributes.attribute(UInt16(33 + $0 % 16000), [1, 2]) }
        let start = ContinuousClock.now
        #expect(printKey(key, Array(key.reversed()), verbose: true).utf8.count > 8000)
        #expect(printKey(key, key, verbose: true).hasPrefix("key33(01 02/01 02),key34(01 02/01 02)"))
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    // MARK: Masks

    @Test func `without -m only what is matched shows`() throws {
        let wild = try flow(
            "skb_mark(5/0),in_port(1),eth(src=00:00:00:00:00:01/0:0:0:0:0:0),eth_type(0x0800/0),ipv4(ttl=9/0)")
        #expect(printKey(wild.key, wild.mask, verbose: false) == "in_port(1),eth()")
        #expect(
            printKey(wild.key, wild.mask, verbose: true)
                == "skb_mark(0x5/0),in_port(1),eth(src=00:00:00:00:00:01/00:00:00:00:00:00,"
                + "dst=00:00:00:00:00:00/00:00:00:00:00:00),eth_type(0x0800/0x0000),"
                + "ipv4(src=0.0.0.0/0.0.0.0,dst=0.0.0.0/0.0.0.0,proto=0/0,tos=0/0,ttl=9/0)")
        // A mask that lacks an attribute wildcards it; one that is empty is no mask.
        let port = try flow("in_port(1)")
        #expect(printKey(wild.key, port.mask, verbose: false) == "in_port(1),eth()")
        #expect(printKey(port.key, [], verbose: false) == "in_port(1)")
        #expect(printKey([], port.mask, verbose: false) == "<empty>")
    }

    @Test func `a nested attribute that the mask lacks is wildcarded`() throws {
        let vlan = try flow("eth_type(0x8100),vlan(vid=1),encap(eth_type(0x0800),ipv4(ttl=5))")
        let mask = try flow("eth_type(0x8100),vlan(vid=1)").mask
        #expect(printKey(vlan.key, mask, verbose: false) == "eth_type(0x8100),vlan(vid=1),encap()")
        let tunnel = try flow("tunnel(tun_id=1,ttl=5,flags(df)),in_port(1)")
        #expect(printKey(tunnel.key, try flow("in_port(1)").mask, verbose: false).hasPrefix("tunnel("))
        #expect(!printKey(tunnel.key, try flow("in_port(1)").mask, verbose: false).contains("ttl"))
    }

    // MARK: Identifiers and statistics

    @Test func `a flow identifier is four words in host order`() throws {
        let ufid: [UInt8] = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0, 0, 0, 1]
        #if _endian(little)
            // As the tool printed these bytes.
            let text = "ufid:44332211-8877-6655-ccbb-aa9901000000"
        #else
            let text = "ufid:11223344-5566-7788-99aa-bbcc00000001"
        #endif
        let span = unsafe ufid.span.bytes
        #expect(UFIDText.format(span) == text)
        #expect(try UFIDText.parse(text) == ufid)
        #expect(try UFIDText.parse(" \(text.uppercased().replacing("UFID", with: "ufid")), ") == ufid)
        for bad in ["", "ufid:", String(text.dropLast()), text + "0", text.replacing("-", with: "x"), "44332211"] {
            #expect(throws: FlowTextError.self, "\(bad)") { try UFIDText.parse(bad) }
        }
        let three = Array(ufid.prefix(3))
        let short = unsafe three.span.bytes
        #expect(UFIDText.format(short).utf8.count == text.utf8.count)
    }

    @Test func `statistics read as the tool writes them`() {
        func format(_ used: UInt64?, _ flags: UInt16) -> String {
            FlowStatisticsText.format(packets: 4, bytes: 392, used: used, now: 10_820, tcpFlags: flags)
        }
        #expect(format(10_000, 0x1b) == "packets:4, bytes:392, used:0.820s, flags:SFP.")
        #expect(format(nil, 0) == "packets:4, bytes:392, used:never")
        #expect(format(0, 0) == "packets:4, bytes:392, used:never")
        #expect(format(10_819, 0x800) == "packets:4, bytes:392, used:0.001s, flags:[800]")
        #expect(format(20_000, 0) == "packets:4, bytes:392, used:0.000s")
        #expect(FlowStatisticsText.age(used: 1, now: .max) == "18446744073709551.614s")
        #expect(FlowStatisticsText.tcpFlags(0xfff) == "SFPRU.ECN[200][400][800]")
        #expect(FlowStatisticsText.tcpFlags(0xf000) == "none")
    }
}
