// swift-tools-version: 6.2
// The README's example, as a package that depends on Martlet the way yours would.

import PackageDescription

let package = Package(
    name: "examples",
    dependencies: [.package(name: "martlet", path: "../..")],
    targets: [
        .executableTarget(
            name: "TinySwitch",
            dependencies: [
                .product(name: "DPIF", package: "martlet"), .product(name: "OpenvSwitch", package: "martlet"),
            ])
    ]
)
