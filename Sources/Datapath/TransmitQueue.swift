import Packets

/// Packets of a batch on their way out, in order for each destination.
///
/// The packets stay in their slots until the batch is transmitted; the same slot may stand here several times, for several
/// destinations.
@safe
struct TransmitQueue: ~Copyable {
    private struct Record {
        var packet: Packet
        /// The next record for the same destination; -1 at the end.
        var next: Int32
    }
    @safe
    private struct Destination {
        var port: UnsafeMutablePointer<PortEntry>
        var first: Int32
        var last: Int32
        var count: Int32
    }

    private let records: UnsafeMutablePointer<Record>
    private let destinations: UnsafeMutablePointer<Destination>
    private let run: UnsafeMutablePointer<Packet>
    private var recordCount = 0
    private var destinationCount = 0
    /// The port that the last packet was added for, and its place; nil for an empty queue.
    private var lastPort: UnsafeMutablePointer<PortEntry>?
    private var lastPlace = 0
    /// Raised with every flush: tells which entries of `PortCounters.batchPlace` are of this batch, and which packets
    /// are still queued. Never 0.
    private(set) var batch: UInt64 = 1

    private static let maximumRecords = 2048
    private static let maximumDestinations = 1024

    init() {
        unsafe records = .allocate(capacity: Self.maximumRecords)
        unsafe destinations = .allocate(capacity: Self.maximumDestinations)
        unsafe run = .allocate(capacity: Self.maximumRecords)
    }

    deinit {
        unsafe records.deallocate()
        unsafe destinations.deallocate()
        unsafe run.deallocate()
    }

    var isFull: Bool { recordCount == Self.maximumRecords || destinationCount == Self.maximumDestinations }

    /// Adds a packet for a port; the queue must not be full.
    @inline(__always)
    mutating func append(_ packet: Packet, to port: UnsafeMutablePointer<PortEntry>, reader: Int) {
        let record = Int32(truncatingIfNeeded: recordCount)
        unsafe (records + recordCount).initialize(to: Record(packet: packet, next: -1))
        recordCount &+= 1
        if unsafe port == lastPort { return add(record, to: lastPlace) }
        unsafe lastPort = port
        // The port remembers, for each reader, its place in the current batch.
        let place = unsafe port.pointee.counters[reader].batchPlace.current
        if place &>> 16 == batch {
            lastPlace = Int(truncatingIfNeeded: place & 0xffff)
            add(record, to: lastPlace)
        } else {
            lastPlace = destinationCount
            unsafe (destinations + destinationCount).initialize(
                to: Destination(port: port, first: record, last: record, count: 1))
            unsafe port.pointee.counters[reader].batchPlace.set(
                batch &<< 16 | UInt64(truncatingIfNeeded: destinationCount))
            destinationCount &+= 1
        }
    }

    /// Adds a record to those of a destination, which has one already.
    @inline(__always)
    private func add(_ record: Int32, to place: Int) {
        unsafe records[Int(destinations[place].last)].next = record
        unsafe destinations[place].last = record
        unsafe destinations[place].count &+= 1
    }

    /// Gives every destination its packets, counts what it did not take, and empties the queue.
    mutating func flush(reader: Int, _ transmit: (UInt64, UnsafeMutableBufferPointer<Packet>) -> Int) {
        var index = 0
        while index < destinationCount {
            let destination = unsafe destinations[index]
            var record = destination.first
            var count = 0
            while record >= 0 {
                unsafe (run + count).initialize(to: records[Int(record)].packet)
                count &+= 1
                record = unsafe records[Int(record)].next
            }
            let taken = unsafe transmit(
                destination.port.pointee.token, UnsafeMutableBufferPointer(start: run, count: count))
            if taken < count {
                unsafe destination.port.pointee.counters[reader].transmitDropped.add(
                    UInt64(truncatingIfNeeded: count - max(taken, 0)))
            }
            index &+= 1
        }
        recordCount = 0
        destinationCount = 0
        unsafe lastPort = nil
        batch &+= 1
    }
}
