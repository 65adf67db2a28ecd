import Datapath
import OpenvSwitch
import Testing

@testable import martlet

@Suite struct DPCtlPortTests {
    private let bed = TestBed()

    init() {
        for name in ["eth0", "eth1", "eth2"] { _ = bed.host.plug(name) }
        _ = bed.run { try $0.addDatapath("br0", []) }
    }

    private var ports: [String] {
        bed.run { try $0.show(["br0"]) }.output.split(separator: "\n").map(String.init).filter {
            $0.hasPrefix("  port ")
        }
    }

    @Test func addsPortsWithTypeAndNumber() {
        let added = bed.run {
            try $0.addInterfaces("br0", ["eth0", "vi0,type=internal", "eth1,type=system,port_no=7"])
        }
        #expect(added.isWhole == true && added.output.isEmpty && added.errors.isEmpty)
        #expect(
            ports == ["  port 0: br0 (internal)", "  port 1: eth0", "  port 2: vi0 (internal)", "  port 7: eth1"])
    }

    @Test func bringsWhatItAddsUp() {
        let raised = MemoryOutput()
        let added = bed.run { (tool: DPCtl) -> Bool in
            var tool = tool
            tool.host.bringUp = { name in
                try? raised.write(name)
                return name == "eth1" ? 1 : 0
            }
            return try tool.addInterfaces("br0", ["eth0", "eth1", "eth9"])
        }
        #expect(raised.text == "eth0eth1")
        #expect(added.isWhole == false)
        #expect(added.errors.contains("eth1: failed bringing interface up (Operation not permitted)"))
    }

    @Test func goesOnBehindAPortThatCannotBeAdded() {
        let added = bed.run {
            try $0.addInterfaces(
                "br0",
                ["eth9", "eth0", "eth0", "t0,type=gre", ",", "eth1,port_no=x", "eth1,color=red", "eth2"])
        }
        #expect(added.isWhole == false)
        #expect(ports == ["  port 0: br0 (internal)", "  port 1: eth0", "  port 2: eth2"])
        let errors = added.errors.split(separator: "\n").map(String.init)
        let beginnings = [
            "martlet: adding eth9 to br0 failed (No such device): there is no interface eth9",
            "martlet: adding eth0 to br0 failed (Device or resource busy): ",
            "martlet: t0: failed to open network device (Address family not supported by protocol): gre",
            "martlet: , is not a valid network device name",
            #"martlet: eth1: the port number "x" is not a number"#,
            "martlet: eth1: there is no option color",
        ]
        #expect(errors.count == beginnings.count)
        for (error, beginning) in zip(errors, beginnings) { #expect(error.hasPrefix(beginning), "\(error)") }
    }

    @Test func addsPortsWithTheDatapath() {
        let added = bed.run { try $0.addDatapath("br1", ["eth0", "eth9"]) }
        #expect(added.isWhole == false)
        #expect(bed.run { try $0.show(["br1"]) }.output.contains("  port 1: eth0\n"))
    }

    @Test func findsOutWhetherAPortIsAsDescribed() {
        _ = bed.run { try $0.addInterfaces("br0", ["eth0", "vi0,type=internal"]) }
        let same = bed.run { try $0.setInterfaces("br0", ["eth0,type=system,port_no=1", "vi0,type=internal"]) }
        #expect(same.isWhole == true)
        let other = bed.run { try $0.setInterfaces("br0", ["eth0,type=internal", "vi0,port_no=9", "eth2", "vi0,x=1"]) }
        #expect(other.isWhole == false)
        let errors = other.errors.split(separator: "\n")
        #expect(errors.first == "martlet: eth0: can't change type from system to internal")
        #expect(errors.dropFirst().first == "martlet: vi0: can't change port number from 2 to 9")
        let third = errors.dropFirst(2).first
        #expect(third?.hasPrefix("martlet: eth2: failed to query port in br0 (No such device)") == true)
        #expect(errors.count == 4)
    }

    @Test func deletesPortsByNameAndNumber() {
        _ = bed.run { try $0.addInterfaces("br0", ["eth0", "eth1", "eth2"]) }
        let deleted = bed.run { try $0.deleteInterfaces("br0", ["eth1", "nope", "3", "99", "0"]) }
        #expect(deleted.isWhole == false)
        #expect(ports == ["  port 0: br0 (internal)", "  port 1: eth0"])
        let errors = deleted.errors.split(separator: "\n")
        #expect(errors.first == "martlet: no port named nope")
        let second = errors.dropFirst().first
        #expect(second?.hasPrefix("martlet: deleting port 99 from br0 failed (No such device)") == true)
        #expect(errors.last?.hasPrefix("martlet: deleting port 0 from br0 failed (Invalid argument)") == true)
    }

    @Test func readsTheOptionsOfAnInterface() throws {
        let whole = try InterfaceArgument("eth0,type=internal,port_no=65534,key=a=b,empty=,flag")
        #expect(whole.name == "eth0" && whole.type == "internal" && whole.portNumber == 65534)
        #expect(whole.options == ["key": "a=b", "empty": "", "flag": ""])
        #expect(try InterfaceArgument("eth0") == InterfaceArgument(",eth0,"))
        for bad in ["", ",,", "e,port_no=", "e,port_no=-1", "e,port_no=4294967296", "e,a=1,a=2"] {
            #expect(throws: CommandError.self, "\(bad)") { try InterfaceArgument(bad) }
        }
    }
}
