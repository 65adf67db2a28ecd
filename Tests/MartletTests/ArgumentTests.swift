import ArgumentParser
import HostPorts
import LearningBridge
import Testing

@testable import martlet

@Suite struct ArgumentTests {
    private func parse<Command: ParsableCommand>(_ arguments: [String], as: Command.Type) throws -> Command {
        try #require(try Martlet.parseAsRoot(arguments) as? Command)
    }

    /// The exit status of a command line that is not understood; nil if it is.
    private func status(_ arguments: [String]) -> Int32? {
        do {
            var command = try Martlet.parseAsRoot(arguments)
            // Asking for help is a command of its own.
            if arguments.contains("--help") { try command.run() }
            return nil
        } catch { return Martlet.exitCode(for: error).rawValue }
    }

    @Test func takesOptionsInFrontAndBehind() throws {
        for arguments in [
            ["dpctl", "-m", "--no-names", "--socket", "/s", "dump-flows", "br0"],
            ["dpctl", "dump-flows", "-m", "--no-names", "br0", "--socket", "/s"],
            ["dpctl", "--more", "dump-flows", "--no-names", "--socket=/s", "br0"],
        ] {
            let command = try parse(arguments, as: DPCtlCommand.DumpFlows.self)
            #expect(command.arguments == ["br0"] && command.options.client.socket == "/s")
            let values = command.options.values
            #expect(values.more && values.names == false && !values.json && !values.printsNames)
        }
        let modify = try parse(
            ["dpctl", "-s", "--clear", "mod-flow", "--may-create", "in_port(1)", "2"], as: DPCtlCommand.ModifyFlow.self)
        let values = modify.options.values
        #expect(values.statistics && values.clear && values.mayCreate && values.names == nil)
        #expect(modify.arguments == ["in_port(1)", "2"])
    }

    @Test func namesPortsWithMore() {
        #expect(!DPCtl.Options().printsNames)
        #expect(DPCtl.Options(more: true).printsNames)
        #expect(DPCtl.Options(names: true).printsNames)
        #expect(!DPCtl.Options(more: true, names: false).printsNames)
    }

    @Test func takesDaemonOptions() throws {
        let run = try parse(["run"], as: RunCommand.self)
        #expect(run.options.socket == nil && !run.options.openReading && run.options.workers == nil)
        #expect(run.options.legacySocket == nil && !run.options.noLegacySocket)
        let up = try parse(
            [
                "up", "br0", "eth0", "eth1", "--match", "vnet*", "--age", "60", "--idle", "0.5", "--workers", "3",
                "--no-socket", "--json",
            ], as: UpCommand.self)
        #expect(up.bridge == "br0" && up.ports == ["eth0", "eth1"] && up.pattern == "vnet*" && up.noSocket && up.json)
        #expect(up.age == 60 && up.idle == 0.5 && up.options.workers == 3)
    }

    @Test func takesRulesForXDP() throws {
        let run = try parse(
            ["run", "--xdp", "eth0", "--xdp", "vnet*=native", "--xdp", "v?=zerocopy"], as: RunCommand.self)
        func choice(_ name: String) -> XDPChoice { XDPRule.choice(for: name, of: run.options.xdp) }
        #expect(choice("eth0") == .best)
        #expect(choice("vnet7") == .only(.native))
        #expect(choice("v1") == .only(.zerocopy))
        #expect(choice("eth1") == XDPChoice.none)
        // A name may have an equals sign; the first rule that matches counts.
        let up = try parse(["up", "br0", "--xdp", "a=b=generic", "--xdp", "a*"], as: UpCommand.self)
        #expect(XDPRule.choice(for: "a=b", of: up.options.xdp) == .only(.generic))
        #expect(XDPRule.choice(for: "a", of: up.options.xdp) == .best)
        for wrong in ["", "=native", "eth0=", "eth0=fast", "eth0=Native"] {
            #expect(status(["run", "--xdp", wrong]) == 64, "\(wrong)")
        }
    }

    @Test func saysWhatBecameOfXDP() {
        let native = XDPOutcome(name: "p1", mode: .native, queues: 1)
        let generic = XDPOutcome(name: "p1", mode: .generic, queues: 4, reason: "it is old")
        let none = XDPOutcome(name: "p1", mode: nil, queues: 0, reason: "it is \"old\"")
        let text = XDPLines(json: false), json = XDPLines(json: true)
        #expect(text.line(native) == "martlet: p1 is an AF_XDP port: native, 1 queue")
        #expect(
            text.line(generic)
                == "martlet: p1 is an AF_XDP port: generic, 4 queues; it is not native because it is old")
        #expect(text.line(none) == "martlet: p1 is a packet socket and no AF_XDP port: it is \"old\"")
        #expect(json.line(native) == #"{"event":"xdp","mode":"native","port":"p1","queues":1}"#)
        #expect(
            json.line(none)
                == #"{"event":"xdp","mode":null,"port":"p1","queues":0,"reason":"it is \"old\""}"#)
    }

    @Test func servesStatisticsBesideTheUsualSocketOrWhereItIsTold() throws {
        func path(_ arguments: [String], beside socket: String) throws -> String? {
            try parse(["run"] + arguments, as: RunCommand.self).options.legacyPath(beside: socket)
        }
        #expect(try path([], beside: "/run/martlet/device.sock") == "/run/martlet/legacy.sock")
        #expect(try path([], beside: "/tmp/other.sock") == nil)
        #expect(try path(["--no-legacy-socket"], beside: "/run/martlet/device.sock") == nil)
        for socket in ["/run/martlet/device.sock", "/tmp/other.sock"] {
            #expect(try path(["--legacy-socket", "/tmp/l.sock"], beside: socket) == "/tmp/l.sock")
            #expect(throws: CommandError.self) { _ = try path(["--legacy-socket", socket], beside: socket) }
        }
        for arguments in [
            ["run", "--legacy-socket", "/l", "--no-legacy-socket"],
            ["up", "br0", "--no-socket", "--legacy-socket", "/l"],
        ] {
            #expect(throws: (any Error).self) { _ = try Martlet.parseAsRoot(arguments) }
        }
    }

    @Test func choosesTopics() throws {
        #expect(try parse(["monitor"], as: MonitorCommand.self).topics == [.misses, .flows, .ports])
        #expect(try parse(["monitor", "--device"], as: MonitorCommand.self).topics == [.device])
        let two = try parse(["monitor", "--ports", "--misses", "--count", "3"], as: MonitorCommand.self)
        #expect(two.topics == [.ports, .misses] && two.count == 3)
        #expect(Monitor.Topics([.misses, .flows, .ports, .device]).groups.count == 6)
    }

    @Test func attachLeavesTheProgramItsOptions() throws {
        for arguments in [
            ["attach", "--socket", "/s", "--", "ovs-vsctl", "--help", "--", "x"],
            ["attach", "--socket=/s", "ovs-vsctl", "--help", "--", "x"],
        ] {
            let command = try parse(arguments, as: AttachCommand.self)
            #expect(command.program == ["ovs-vsctl", "--help", "--", "x"] && command.socket == "/s")
        }
        let options = try parse(["attach", "--env", "--library", "/l", "--socket", "/s"], as: AttachCommand.self)
        #expect(options.printsEnvironment && options.library == "/l" && options.program.isEmpty)
    }

    @Test(arguments: [
        ["frob"], ["dpctl", "frob"], ["dpctl", "add-if"], ["dpctl", "add-if", "br0"], ["dpctl", "del-dp"],
        ["dpctl", "show", "--frob"], ["run", "--workers", "0"], ["run", "--workers", "61"], ["run", "x"],
        ["up"], ["up", "br0", "--age", "0"], ["up", "br0", "--idle", "-1"], ["up", "br0", "--idle", "nan"],
        ["up", "br0", "--age", "inf"], ["monitor", "--count", "0"], ["monitor", "--timeout", "0"],
        ["monitor", "--count", "x"], ["attach"], ["attach", "--"], ["attach", "--frob", "true"],
        ["attach", "--env", "true"], ["attach", "--socket"], ["dpctl", "cache-set-size", "br0", "masks-cache"],
    ])
    func refusesWhatItDoesNotUnderstand(arguments: [String]) { #expect(status(arguments) == 64) }

    @Test func helpsAndCompletes() {
        #expect(status(["--help"]) == 0)
        #expect(status(["dpctl", "show", "--help"]) == 0)
        #expect(status(["attach", "--help"]) == 0)
        #expect(Martlet.helpMessage().contains("martlet up br0 eth1 eth2"))
        #expect(Martlet.helpMessage().contains("--generate-completion-script"))
        #expect(MonitorCommand.helpMessage().contains("link type 253"))
        #expect(DPCtlCommand.helpMessage().contains("dump-flows"))
        for shell in CompletionShell.allCases { #expect(Martlet.completionScript(for: shell).contains("dump-flows")) }
    }
}
