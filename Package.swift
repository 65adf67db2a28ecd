// swift-tools-version: 6.2
// Martlet: an Open vSwitch datapath that needs no kernel module.
//
// The targets stand in the order of docs/architecture.md; a target may depend only on those above it.
// Nothing above `LinuxSystem` imports a platform module, so that the core builds wherever Swift does.

import PackageDescription

let house: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),  // a RawSpan stored in a ~Escapable view
    .strictMemorySafety(),
]

let package = Package(
    name: "martlet",
    products: [
        .library(name: "Netlink", targets: ["Netlink"]),
        .library(name: "OpenvSwitch", targets: ["OpenvSwitch"]),
        .library(name: "DPIF", targets: ["DPIF", "NetlinkSocket", "Device", "Datapath", "LearningBridge"]),
        // On Linux: real ports, and the door for other processes.
        .library(name: "HostPorts", targets: ["HostPorts"]),
        .library(name: "Doors", targets: ["Doors"]),
        .executable(name: "martlet", targets: ["martlet"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        .target(name: "Netlink", swiftSettings: house),
        .target(name: "OpenvSwitch", dependencies: ["Netlink"], swiftSettings: house),
        .target(name: "Packets", dependencies: ["OpenvSwitch"], swiftSettings: house),
        .target(name: "Datapath", dependencies: ["Netlink", "OpenvSwitch", "Packets"], swiftSettings: house),
        .target(name: "Device", dependencies: ["Netlink", "OpenvSwitch", "Packets", "Datapath"], swiftSettings: house),
        .target(name: "NetlinkSocket", dependencies: ["Netlink", "OpenvSwitch", "Device"], swiftSettings: house),
        .target(name: "DPIF", dependencies: ["Netlink", "OpenvSwitch", "NetlinkSocket"], swiftSettings: house),
        .target(
            name: "LearningBridge", dependencies: ["Netlink", "OpenvSwitch", "NetlinkSocket", "DPIF"],
            swiftSettings: house),
        .target(name: "CLinux"),
        .target(name: "LinuxSystem", dependencies: ["CLinux"], swiftSettings: house),
        .target(
            name: "HostPorts",
            dependencies: ["CLinux", "LinuxSystem", "Netlink", "OpenvSwitch", "Packets", "Datapath"],
            swiftSettings: house),
        // The client library for programs in C. Nothing in the product uses it; scripts/build-device-library builds it.
        .target(name: "CDevice"),
        .target(
            name: "Doors",
            dependencies: ["CLinux", "LinuxSystem", "Netlink", "OpenvSwitch", "Datapath", "Device", "NetlinkSocket"],
            swiftSettings: house),
        .executableTarget(
            name: "martlet",
            dependencies: [
                "LinuxSystem", "Netlink", "OpenvSwitch", "Packets", "Datapath", "Device", "NetlinkSocket", "DPIF",
                "LearningBridge", "HostPorts", "Doors",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: house),

        .testTarget(name: "NetlinkTests", dependencies: ["Netlink"], swiftSettings: house),
        .testTarget(
            name: "OpenvSwitchTests", dependencies: ["Netlink", "OpenvSwitch"], exclude: ["Fixtures"],
            swiftSettings: house),
        .testTarget(name: "PacketsTests", dependencies: ["OpenvSwitch", "Packets"], swiftSettings: house),
        .testTarget(
            name: "DatapathTests", dependencies: ["Netlink", "OpenvSwitch", "Packets", "Datapath"],
            swiftSettings: house),
        .testTarget(
            name: "DeviceTests",
            dependencies: ["Netlink", "OpenvSwitch", "Packets", "Datapath", "Device", "NetlinkSocket", "DPIF"],
            swiftSettings: house),
        .testTarget(
            name: "LearningBridgeTests",
            dependencies: ["Netlink", "OpenvSwitch", "Datapath", "Device", "NetlinkSocket", "DPIF", "LearningBridge"],
            swiftSettings: house),
        .testTarget(
            name: "HostPortsTests",
            dependencies: ["CLinux", "LinuxSystem", "Netlink", "OpenvSwitch", "Packets", "Datapath", "HostPorts"],
            swiftSettings: house),
        .testTarget(
            name: "MartletTests",
            dependencies: [
                "Netlink", "OpenvSwitch", "Packets", "Datapath", "Device", "NetlinkSocket", "DPIF", "LearningBridge",
                "HostPorts", "martlet",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: house),
        // The rules of the device as a C program drives them, and the test that runs them on every way to it.
        .target(
            name: "CDeviceConformance", dependencies: ["CDevice"], path: "Tests/DeviceConformance",
            cSettings: [.define("_GNU_SOURCE")]),
        .testTarget(
            name: "DeviceConformanceTests",
            dependencies: [
                "CDeviceConformance", "LinuxSystem", "Netlink", "OpenvSwitch", "Datapath", "Device", "NetlinkSocket",
                "Doors",
            ],
            swiftSettings: house),
        .testTarget(
            name: "DoorsTests",
            dependencies: [
                "CDevice", "CLinux", "LinuxSystem", "Netlink", "OpenvSwitch", "Datapath", "Device", "NetlinkSocket",
                "DPIF", "Doors",
            ],
            swiftSettings: house),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu11
)
