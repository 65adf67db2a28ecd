import Netlink
import OpenvSwitch

/// A bounded queue of messages for one reader: a ring of bytes with its counters inside.
///
/// The memory is taken once. What does not fit is lost, counted, and reported to the reader exactly once, so that it knows
/// to look again for itself.
@safe
struct MessageQueue: ~Copyable {
    /// Most bytes that wait, headers and padding included.
    let capacity: Int
    private let memory: UnsafeMutableRawPointer
    /// Where the oldest record begins.
    private var head = 0
    /// Bytes that records occupy, from `head` on, those skipped at the end of the ring included.
    private var used = 0
    /// Messages that wait.
    private(set) var count = 0
    /// Messages lost so far.
    private(set) var lost: UInt64 = 0
    /// Messages lost since the reader was last told.
    private(set) var unreportedLoss: UInt64 = 0

    // A record is its length (8 bytes, for alignment) and its bytes, padded to eight. A record never wraps: where it does
    // not fit in front of the ring's end, a length of -1 sends the reader to the start.
    private static let header = 8
    private static let wrap = -1

    init(capacity: Int) {
        self.capacity = capacity & ~7
        unsafe memory = .allocate(byteCount: self.capacity, alignment: 8)
    }

    deinit { unsafe memory.deallocate() }

    /// Whether a read would give something: a message, or the news of a loss.
    var hasNews: Bool { count > 0 || unreportedLoss > 0 }

    /// Appends a message, or counts it as lost.
    mutating func append(_ message: RawSpan) -> Bool {
        let size = Self.header + (message.byteCount + 7) & ~7
        var tail = (head + used) % capacity
        var skipped = 0
        if used == 0 { (head, tail) = (0, 0) }
        // At the end of the ring there is room for a header, as all sizes are multiples of eight.
        if tail >= head, capacity - tail < size { skipped = capacity - tail }
        guard used + skipped + size <= capacity, size <= capacity else {
            lost += 1
            unreportedLoss += 1
            return false
        }
        if skipped > 0 {
            unsafe memory.storeBytes(of: Self.wrap, toByteOffset: tail, as: Int.self)
            used += skipped
            tail = 0
        }
        // `tail` and `size` lie inside the ring, as was just checked.
        unsafe memory.storeBytes(of: message.byteCount, toByteOffset: tail, as: Int.self)
        unsafe message.withUnsafeBytes { source in
            if let base = source.baseAddress {
                unsafe (memory + tail + Self.header).copyMemory(from: base, byteCount: source.count)
            }
        }
        used += size
        count += 1
        return true
    }

    /// The oldest message; nil if there is none.
    var first: RawSpan? {
        @_lifetime(&self)
        mutating get {
            guard count > 0 else { return nil }
            var length = unsafe memory.load(fromByteOffset: head, as: Int.self)
            if length == Self.wrap {
                used -= capacity - head
                head = 0
                length = unsafe memory.load(fromByteOffset: 0, as: Int.self)
            }
            // The record was written by `append`, whole and inside the ring.
            let span = unsafe RawSpan(_unsafeStart: memory + head + Self.header, byteCount: length)
            return unsafe _overrideLifetime(span, mutating: &self)
        }
    }

    /// Forgets the oldest message.
    mutating func removeFirst() {
        guard let length = first?.byteCount else { return }
        let size = Self.header + (length + 7) & ~7
        head = (head + size) % capacity
        used -= size
        count -= 1
    }

    /// Moves the oldest message to the output, or reports a loss first, once.
    mutating func moveFirst(to output: inout MessageWriter) -> IOResult {
        guard unreportedLoss == 0 else {
            defer { unreportedLoss = 0 }
            return IOResult(.overflow, information: Int(clamping: unreportedLoss))
        }
        do throws(NetlinkError) {
            guard let message = first else { return IOResult(.success) }
            try output.append(raw: message)
        } catch {
            return IOResult(.bufferTooSmall, information: netlinkAligned(first?.byteCount ?? 0))
        }
        removeFirst()
        return IOResult(.success)
    }
}
