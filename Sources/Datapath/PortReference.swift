/// A vport as the packet threads know it. A provider keeps it from `start` to `stop` and gives it back with each frame.
@safe
public struct PortReference: @unchecked Sendable {
    let entry: UnsafeMutableRawPointer
    init(_ entry: UnsafeMutableRawPointer) { unsafe self.entry = entry }
}
