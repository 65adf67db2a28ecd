import Datapath
import OpenvSwitch
import Testing

@testable import martlet

@Suite struct DPCtlShowTests {
    private let bed = TestBed()

    @Test func showsWhatTheToolShows() {
        var datapath = DatapathMessage(command: Command.get, datapathIfindex: 5, name: "ovs-system")
        var stats = DatapathStatistics()
        (stats.hit, stats.missed, stats.lost, stats.flows) = (12, 3, 0, 2)
        datapath.stats = stats
        var megaflows = MegaflowStatistics()
        (megaflows.maskHit, megaflows.masks, megaflows.cacheHit) = (20, 2, 8)
        datapath.megaflowStats = megaflows
        datapath.masksCacheSize = 256
        let ports = [
            VportMessage(command: Command.get, portNumber: 0, type: .internal, name: "ovs-system"),
            VportMessage(command: Command.get, portNumber: 1, type: .internal, name: "br0"),
            VportMessage(command: Command.get, portNumber: 2, type: .netdev, name: "eth0"),
            VportMessage(command: Command.get, portNumber: 3, type: .netdev, name: "vxlan_sys_4789"),
        ]
        let text = bed.run { (tool: DPCtl) -> Void in try tool.output.write(tool.describe(datapath, ports)) }.output
        #expect(
            text == """
                system@ovs-system:
                  lookups: hit:12 missed:3 lost:0
                  flows: 2
                  masks: hit:20 total:2 hit/pkt:1.33
                  cache: hit:8 hit-rate:53.33%
                  caches:
                    masks-cache: size:256
                  port 0: ovs-system (internal)
                  port 1: br0 (internal)
                  port 2: eth0
                  port 3: vxlan_sys_4789 (vxlan: packet_type=ptap)

                """)
    }

    @Test func showsStatisticsOfPorts() {
        let eth0 = bed.host.plug("eth0")
        _ = bed.run { try $0.addDatapath("br0", ["eth0"]) }
        _ = bed.run { try $0.addFlow(["in_port(1),eth()", "0"]) }
        for _ in 0..<20 { eth0.send(frame()) }
        let counters = Host.InterfaceCounters(
            overruns: 1, frameErrors: 2, aborted: 3, carrierErrors: 4, collisions: 5)
        let shown = bed.run(.init(statistics: true)) { (tool: DPCtl) -> Bool in
            var tool = tool
            tool.host.counters = { name, _ in name == "eth0" ? counters : nil }
            return try tool.show(["br0"])
        }
        // How often the masks and their cache were asked is the datapath's business.
        let lines = shown.output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 20)
        #expect(
            lines.filter { !$0.hasPrefix("  masks:") && !$0.hasPrefix("  cache:") }.joined(separator: "\n") == """
                system@br0:
                  lookups: hit:20 missed:0 lost:0
                  flows: 1
                  caches:
                    masks-cache: size:256
                  port 0: br0 (internal)
                    RX packets:20 errors:0 dropped:0 overruns:? frame:?
                    TX packets:0 errors:0 dropped:0 aborted:? carrier:?
                    collisions:?
                    RX bytes:1960 (1.9 KiB)  TX bytes:0
                    UPCALL packets:0 errors:0
                  port 1: eth0
                    RX packets:20 errors:0 dropped:0 overruns:1 frame:2
                    TX packets:0 errors:0 dropped:0 aborted:3 carrier:4
                    collisions:5
                    RX bytes:1960 (1.9 KiB)  TX bytes:0
                    UPCALL packets:0 errors:0

                """)
    }

    @Test func showsNothingWithoutDatapaths() {
        let shown = bed.run { try $0.show([]) }
        #expect(shown.isWhole == true && shown.output.isEmpty && shown.errors.isEmpty)
    }

    @Test func goesOnBehindADatapathThatIsNotThere() {
        _ = bed.run { try $0.addDatapath("br0", []) }
        let shown = bed.run { try $0.show(["br9", "system@br0"]) }
        #expect(shown.isWhole == false)
        #expect(
            shown.errors == "martlet: opening datapath br9 failed (No such device): there is no datapath br9\n")
        #expect(shown.output.hasPrefix("system@br0:\n"))
        let other = bed.run { try $0.show(["netdev@br0"]) }
        #expect(other.isWhole == false && other.errors.contains("no datapaths of type netdev"))
    }

    @Test func makesNamesAndDeletesDatapaths() {
        #expect(bed.run { try $0.addDatapath("br0", []) }.isWhole == true)
        #expect(bed.run { try $0.addDatapath("system@br1", []) }.isWhole == true)
        #expect(bed.run { try $0.dumpDatapaths() }.output == "system@br0\nsystem@br1\n")
        #expect(bed.run(.init(json: true)) { try $0.dumpDatapaths() }.output == #"["system@br0","system@br1"]"# + "\n")
        let again = bed.run { try $0.addDatapath("br0", []) }
        #expect(again.error?.hasPrefix("add_dp (File exists)") == true)
        #expect(bed.run { try $0.deleteDatapath("br0") }.isWhole == true)
        let gone = bed.run { try $0.deleteDatapath("br0") }
        #expect(gone.error?.hasPrefix("opening datapath br0 failed (No such device)") == true)
        #expect(bed.run { try $0.dumpDatapaths() }.output == "system@br1\n")
    }

    @Test func setsTheSizeOfTheCache() {
        _ = bed.run { try $0.addDatapath("br0", []) }
        #expect(
            bed.run { try $0.cacheSizes(nil) }.output == "system@br0:\n  caches:\n    masks-cache: size:256\n")
        let set = bed.run { try $0.setCacheSize("br0", "masks-cache", "1024") }
        #expect(set.output == "Setting cache size successful, new size 1024\n")
        #expect(bed.run { try $0.cacheSizes("br0") }.output.hasSuffix("size:1024\n"))
        for (size, rounded) in [("0", 0), ("1", 1), ("2", 2), ("3", 4), ("513", 1024), ("4096", 4096), ("1000", 1024)] {
            let set = bed.run { try $0.setCacheSize("br0", "masks-cache", size) }
            #expect(set.output == "Setting cache size successful, new size \(rounded)\n")
        }
        for (cache, size, words) in [
            ("masks-cache", "4097", "Setting cache size failed (Numerical result out of range)"),
            ("masks-cache", "4294967295", "Setting cache size failed (Numerical result out of range)"),
            ("masks-cache", "8192", "Setting cache size failed (Numerical result out of range)"),
            ("masks-cache", "-1", "size is malformed"), ("masks-cache", "", "size is malformed"),
            ("other", "16", #"Cache name "other" not found on dpif"#),
        ] {
            let refused = bed.run { try $0.setCacheSize("br0", cache, size) }
            #expect(refused.error?.hasPrefix(words) == true, "\(refused)")
        }
        #expect(bed.run { try $0.cacheSizes("br0") }.output.hasSuffix("size:1024\n"))
    }
}
