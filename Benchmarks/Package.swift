// swift-tools-version: 6.2
// Measurements of Martlet. A package of its own, so that building the product builds none of it.

import PackageDescription

let martlet: [Target.Dependency] = [
    .product(name: "DPIF", package: "martlet"), .product(name: "OpenvSwitch", package: "martlet"),
    .product(name: "Netlink", package: "martlet"),
]

let package = Package(
    name: "benchmarks",
    dependencies: [.package(name: "martlet", path: "..")],
    targets: [
        // Counts allocations and references, by standing in front of the allocator and the Swift runtime, and tells
        // callgrind where to count instructions.
        .target(name: "CCounters"),
        // A switch whose ports do nothing, frames and flows.
        .target(name: "Bed", dependencies: martlet),
        // What each part costs by itself: time, allocations, references and instructions. Run by scripts/micro; the cases
        // of a packet's way are part of `make test` (scripts/hotpath).
        .executableTarget(name: "Micro", dependencies: ["CCounters", "Bed"] + martlet),
        // How costs grow with masks and flows, and what those of others cost. Run by scripts/growth.
        .executableTarget(name: "Growth", dependencies: ["Bed"] + martlet),
        // A transaction on each way to the datapath. Run by scripts/door-latency.
        .target(name: "CKernelSocket"),
        .executableTarget(
            name: "DoorLatency",
            dependencies: ["CKernelSocket", .product(name: "Doors", package: "martlet")] + martlet),
        // Requests without Netlink beside those with it. Run by scripts/plain-requests.
        .executableTarget(
            name: "PlainRequests", dependencies: [.product(name: "Doors", package: "martlet")] + martlet),
    ],
    swiftLanguageModes: [.v6]
)
