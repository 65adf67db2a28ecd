// swift-tools-version: 6.2
// Fuzzers: one executable for each parser of Martlet. `scripts/fuzz` builds and runs them; see there.
//
// A package of its own, so that building the product never builds them. The coverage and address sanitizer flags are given
// on the command line, as the parsers of the main package need them too.

import PackageDescription

let house: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableExperimentalFeature("Lifetimes"),
    .strictMemorySafety(),
]

let netlink = Target.Dependency.product(name: "Netlink", package: "martlet")
let openvSwitch = Target.Dependency.product(name: "OpenvSwitch", package: "martlet")
/// The product that brings Packets, Datapath and Device.
let device = Target.Dependency.product(name: "DPIF", package: "martlet")

func fuzzer(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: ["FuzzSupport"] + dependencies, swiftSettings: house,
        // gold fails on the debug information of instrumented code.
        linkerSettings: [.unsafeFlags(["-use-ld=lld"], .when(platforms: [.linux]))])
}

let package = Package(
    name: "fuzz",
    dependencies: [.package(name: "martlet", path: "..")],
    targets: [
        .target(name: "CLibFuzzer"),
        .target(name: "FuzzSupport", dependencies: ["CLibFuzzer", netlink], swiftSettings: house),
        fuzzer("FuzzNetlink", [netlink]),
        fuzzer("FuzzFlowKey", [netlink, openvSwitch]),
        fuzzer("FuzzMessages", [netlink, openvSwitch]),
        fuzzer("FuzzText", [netlink, openvSwitch]),
        fuzzer("FuzzActions", [netlink, openvSwitch, device]),
        fuzzer("FuzzPackets", [netlink, openvSwitch, device]),
        fuzzer("FuzzDevice", [netlink, openvSwitch, device]),
        fuzzer("FuzzFlows", [netlink, openvSwitch, device]),
        fuzzer(
            "FuzzHost",
            [
                netlink, openvSwitch, device, .product(name: "HostPorts", package: "martlet"),
                .product(name: "Doors", package: "martlet"),
            ]),
        fuzzer(
            "FuzzNetlinkDoor",
            [netlink, openvSwitch, device, .product(name: "Doors", package: "martlet")]),
        // Not a fuzzer: it writes the inputs to begin with.
        .executableTarget(
            name: "FuzzSeeds", dependencies: [netlink, openvSwitch, device], swiftSettings: house,
            linkerSettings: [.unsafeFlags(["-use-ld=lld"], .when(platforms: [.linux]))]),
    ],
    swiftLanguageModes: [.v6]
)
