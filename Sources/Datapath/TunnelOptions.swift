/// The options of the tunnel that a packet came through, in memory that is used again and again.
///
/// How many there are says the packet's key (`FlowKey.tunnelOptionsLength`), which is compared first: bytes behind that are
/// never looked at for a packet, and may be those of an earlier one.
@safe
struct TunnelOptions: ~Copyable {
    /// 255 bytes, and one to spare.
    let bytes: UnsafePointer<UInt8>
    private let memory: UnsafeMutablePointer<UInt8>
    private static let capacity = 256

    /// At most 255 options are taken.
    init(_ options: [UInt8] = []) {
        unsafe memory = .allocate(capacity: Self.capacity)
        unsafe memory.initialize(repeating: 0, count: Self.capacity)
        unsafe bytes = UnsafePointer(memory)
        set(options)
    }

    deinit { unsafe memory.deallocate() }

    func set(_ options: [UInt8]) {
        for index in 0..<min(options.count, Self.capacity) { unsafe memory[index] = options[index] }
    }
}
