import DPIF
import NetlinkSocket
import OpenvSwitch

extension DPCtl {
    /// `dump-dps`.
    func dumpDatapaths() throws {
        let names = try datapaths().compactMap(\.name).map { "system@" + $0 }
        if options.json { return try output.writeLine(.array(names.map { .string($0) })) }
        try output.write(names.map { $0 + "\n" }.joined())
    }

    /// `add-dp DP [IFACE...]`.
    func addDatapath(_ argument: String, _ interfaces: [String]) throws -> Bool {
        let name = try Self.name(argument)
        let dpif: NetlinkDPIF
        do { dpif = try NetlinkDPIF.create(name, over: transport) } catch {
            throw CommandError("add_dp", error)
        }
        guard interfaces.isEmpty else { return try addInterfaces(dpif, argument, interfaces) }
        try confirm(["datapath": .string(name), "ports": .array([])])
        return true
    }

    /// `del-dp DP`.
    func deleteDatapath(_ argument: String) throws {
        let dpif = try open(argument)
        do { try dpif.delete() } catch { throw CommandError("del_dp", error) }
        try confirm(["datapath": .string(dpif.name)])
    }

    /// `cache-get-size [DP]`.
    func cacheSizes(_ argument: String?) throws {
        var documents: [JSON] = []
        for name in try argument.map({ [$0] }) ?? datapaths().compactMap(\.name) {
            let dpif = try open(name)
            let information = try information(dpif)
            guard let size = information.masksCacheSize else { continue }
            documents.append(
                .object(["datapath": .string(dpif.name), "caches": .object(["masks-cache": .number(size)])]))
            if !options.json {
                try output.write("system@\(dpif.name):\n  caches:\n    masks-cache: size:\(size)\n")
            }
        }
        if options.json { try output.writeLine(.array(documents)) }
    }

    /// `cache-set-size DP CACHE SIZE`. As with `ovs-dpctl`, the size is rounded up to a power of two.
    func setCacheSize(_ argument: String, _ cache: String, _ size: String) throws {
        guard var size = UInt32(size) else { throw CommandError("size is malformed", reason: "Invalid argument") }
        // A size beyond the largest power of two is the datapath's to refuse.
        if size > 1, size <= 1 << 31 { size = 1 << (UInt32.bitWidth - (size - 1).leadingZeroBitCount) }
        let dpif = try open(argument)
        guard cache == "masks-cache" else {
            throw CommandError(
                "Cache name \"\(cache)\" not found on dpif", reason: "Invalid argument",
                advice: "the only cache is masks-cache")
        }
        do { try dpif.setMaskCacheSize(size) } catch { throw CommandError("Setting cache size failed", error) }
        if options.json { return try confirm(["caches": .object([cache: .number(size)])]) }
        try output.writeLine("Setting cache size successful, new size \(size)")
    }

    func information(_ dpif: NetlinkDPIF) throws(CommandError) -> DatapathMessage {
        do { return try dpif.information() } catch { throw CommandError("asking for \(dpif.name) failed", error) }
    }
}
