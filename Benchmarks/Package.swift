// swift-tools-version: 6.2
// Measurements of Martlet. A package of its own, so that building the product builds none of it.

import PackageDescription

let package = Package(
    name: "benchmarks",
    dependencies: [
        .package(name: "martlet", path: ".."),
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    ],
    targets: [
        // Counts allocations and references, by standing in front of the allocator and the Swift runtime.
        .target(name: "CCounters"),
        // What a packet costs on its way: time, and that it allocates and retains nothing. Part of `make test`.
        .executableTarget(
            name: "HotPath",
            dependencies: [
                "CCounters",
                .product(name: "DPIF", package: "martlet"), .product(name: "OpenvSwitch", package: "martlet"),
                .product(name: "Netlink", package: "martlet"),
            ]),
        // What flows take and what they cost: memory, masks, flows that come and go. Run by scripts/flow-load.
        .target(
            name: "FlowTableBed",
            dependencies: [
                .product(name: "DPIF", package: "martlet"), .product(name: "OpenvSwitch", package: "martlet"),
                .product(name: "Netlink", package: "martlet"),
            ]),
        .executableTarget(name: "FlowMemory", dependencies: ["FlowTableBed"]),
        .executableTarget(
            name: "FlowLoad",
            dependencies: [
                "FlowTableBed", .product(name: "DPIF", package: "martlet"),
                .product(name: "OpenvSwitch", package: "martlet"),
            ]),
        // A transaction on each way to the datapath. Run by scripts/door-latency.
        .target(name: "CKernelSocket"),
        .executableTarget(
            name: "DoorLatency",
            dependencies: [
                "CKernelSocket", .product(name: "DPIF", package: "martlet"),
                .product(name: "Doors", package: "martlet"), .product(name: "OpenvSwitch", package: "martlet"),
                .product(name: "Netlink", package: "martlet"),
            ]),
        // Requests without Netlink beside those with it. Run by scripts/plain-requests.
        .executableTarget(
            name: "PlainRequests",
            dependencies: [
                .product(name: "DPIF", package: "martlet"), .product(name: "Doors", package: "martlet"),
                .product(name: "OpenvSwitch", package: "martlet"), .product(name: "Netlink", package: "martlet"),
            ]),
        // `make bench`.
        .executableTarget(
            name: "Control",
            dependencies: [
                .product(name: "Benchmark", package: "benchmark"), .product(name: "DPIF", package: "martlet"),
                .product(name: "OpenvSwitch", package: "martlet"), .product(name: "Netlink", package: "martlet"),
            ], path: "Benchmarks/Control", plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
    ],
    swiftLanguageModes: [.v6]
)
