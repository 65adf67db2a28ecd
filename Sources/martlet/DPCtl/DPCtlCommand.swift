import ArgumentParser
import NetlinkSocket

/// `martlet dpctl`.
struct DPCtlCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dpctl",
        abstract: "Administer datapaths, as ovs-dpctl does.",
        discussion: """
            Commands and output are those of ovs-dpctl. A datapath is named NAME or system@NAME; commands on flows \
            take the only one if it is left out. Options may stand before or behind the command.

              martlet dpctl show -s
              martlet dpctl add-dp br0 eth1 eth2,port_no=7 vi0,type=internal
              martlet dpctl add-flow br0 'in_port(1),eth(),eth_type(0x0806),arp()' 2
              martlet dpctl dump-flows br0 --names
              martlet dpctl --json dump-flows | jq '.[].match'

            Exit status: 0; 1 if something failed; 64 if the command line is not understood.
            """,
        subcommands: [
            Show.self, DumpDatapaths.self, AddDatapath.self, DeleteDatapath.self, AddInterface.self, SetInterface.self,
            DeleteInterface.self, DumpFlows.self, GetFlow.self, AddFlow.self, ModifyFlow.self, DeleteFlow.self,
            DeleteFlows.self, GetCacheSize.self, SetCacheSize.self,
        ])

    @OptionGroup var options: DPCtlOptions
}

/// The options of all commands of `martlet dpctl`.
struct DPCtlOptions: ParsableArguments {
    @OptionGroup var client: ClientOptions

    @Flag(name: [.short, .long], help: "Print statistics: of ports (show), of the flow (mod-flow, del-flow).")
    var statistics = false
    @Flag(name: [.short, .long], help: "Print what flows wildcard too, and UFIDs (dump-flows, get-flow).")
    var more = false
    @Flag(inversion: .prefixedNo, help: "Print ports by name (dump-flows, get-flow); with -m it is the default.")
    var names: Bool?
    @Flag(help: "Set the flow's statistics back to zero (mod-flow).")
    var clear = false
    @Flag(help: "Make the flow if it is not there (mod-flow).")
    var mayCreate = false

    /// The options as the commands take them.
    var values: DPCtl.Options {
        DPCtl.Options(
            statistics: statistics, more: more, names: names, clear: clear, mayCreate: mayCreate, json: client.json)
    }

    /// Runs a command against the datapath's socket.
    func run(_ body: (DPCtl) throws -> Bool) throws {
        try client.probe()
        var tool = DPCtl(
            transport: client.transport, output: DescriptorOutput.standard, errors: DescriptorOutput.standardError)
        tool.options = values
        guard try body(tool) else { throw CommandFailed() }
    }

    /// Runs a command that stops at its first error.
    func run(_ body: (DPCtl) throws -> Void) throws {
        try run { (tool: DPCtl) -> Bool in
            try body(tool)
            return true
        }
    }
}

extension DPCtlCommand {
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show datapaths and their ports.")
        @OptionGroup var options: DPCtlOptions
        @Argument(help: "The datapaths; all if there are none.")
        var datapaths: [String] = []
        func run() throws { try options.run { try $0.show(datapaths) } }
    }

    struct DumpDatapaths: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "dump-dps", abstract: "Print the datapaths' names.")
        @OptionGroup var options: DPCtlOptions
        func run() throws { try options.run { try $0.dumpDatapaths() } }
    }

    struct AddDatapath: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "add-dp", abstract: "Make a datapath.")
        @OptionGroup var options: DPCtlOptions
        @Argument(help: "The datapath, which is also the name of its LOCAL port.")
        var datapath: String
        @Argument(help: "Interfaces to attach, as with add-if.")
        var interfaces: [String] = []
        func run() throws { try options.run { try $0.addDatapath(datapath, interfaces) } }
    }

    struct DeleteDatapath: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "del-dp", abstract: "Delete a datapath.")
        @OptionGroup var options: DPCtlOptions
        @Argument var datapath: String
        func run() throws { try options.run { try $0.deleteDatapath(datapath) } }
    }

    struct AddInterface: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add-if", abstract: "Attach interfaces, or make internal ports.",
            discussion: "An interface may be followed by ,type=system or ,type=internal and by ,port_no=N.")
        @OptionGroup var options: DPCtlOptions
        @Argument var datapath: String
        @Argument(help: "IFACE[,type=TYPE][,port_no=N]")
        var interfaces: [String]
        func run() throws { try options.run { try $0.addInterfaces(datapath, interfaces) } }
    }

    struct SetInterface: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set-if", abstract: "Find out whether ports are as described.",
            discussion: "As with ovs-dpctl, type and number of a port cannot be changed: other ones are an error.")
        @OptionGroup var options: DPCtlOptions
        @Argument var datapath: String
        @Argument(help: "IFACE[,type=TYPE][,port_no=N]")
        var interfaces: [String]
        func run() throws { try options.run { try $0.setInterfaces(datapath, interfaces) } }
    }

    struct DeleteInterface: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "del-if", abstract: "Detach ports.")
        @OptionGroup var options: DPCtlOptions
        @Argument var datapath: String
        @Argument(help: "Names or numbers of ports.")
        var interfaces: [String]
        func run() throws { try options.run { try $0.deleteInterfaces(datapath, interfaces) } }
    }

    struct DumpFlows: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "dump-flows", abstract: "Print all flows.")
        @OptionGroup var options: DPCtlOptions
        @Argument(help: "[DP]")
        var arguments: [String] = []
        func run() throws { try options.run { try $0.dumpFlows(arguments) } }
    }

    struct GetFlow: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "get-flow", abstract: "Print one flow.")
        @OptionGroup var options: DPCtlOptions
        @Argument(help: "[DP] ufid:UFID")
        var arguments: [String]
        func run() throws { try options.run { try $0.getFlow(arguments) } }
    }

    struct AddFlow: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "add-flow", abstract: "Make a flow.")
        @OptionGroup var options: DPCtlOptions
        @Argument(help: "[DP] FLOW ACTIONS")
        var arguments: [String]
        func run() throws { try options.run { try $0.addFlow(arguments) } }
    }

    struct ModifyFlow: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "mod-flow", abstract: "Change a flow's actions.")
        @OptionGroup var options: DPCtlOptions
        @Argument(help: "[DP] FLOW ACTIONS")
        var arguments: [String]
        func run() throws { try options.run { try $0.modifyFlow(arguments) } }
    }

    struct DeleteFlow: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "del-flow", abstract: "Delete a flow.")
        @OptionGroup var options: DPCtlOptions
        @Argument(help: "[DP] FLOW, or [DP] ufid:UFID")
        var arguments: [String]
        func run() throws { try options.run { try $0.deleteFlow(arguments) } }
    }

    struct DeleteFlows: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "del-flows", abstract: "Delete all flows.")
        @OptionGroup var options: DPCtlOptions
        @Argument var datapath: String?
        func run() throws { try options.run { try $0.deleteFlows(datapath) } }
    }

    struct GetCacheSize: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "cache-get-size", abstract: "Print the sizes of caches.")
        @OptionGroup var options: DPCtlOptions
        @Argument(help: "The datapath; all if there is none.")
        var datapath: String?
        func run() throws { try options.run { try $0.cacheSizes(datapath) } }
    }

    struct SetCacheSize: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "cache-set-size", abstract: "Set the size of a cache.")
        @OptionGroup var options: DPCtlOptions
        @Argument var datapath: String
        @Argument(help: "masks-cache")
        var cache: String
        @Argument(help: "0, or up to 4096; it is rounded up to a power of two.")
        var size: String
        func run() throws { try options.run { try $0.setCacheSize(datapath, cache, size) } }
    }
}
