/// Writes messages and attributes behind each other into one growing buffer.
///
/// Nothing is truncated: an attribute whose payload does not fit the 16-bit length field, and a message that would grow
/// the buffer past `limit`, are refused with an error, and the buffer is then as before the refused call. Once the buffer
/// has reached its capacity nothing is allocated, and `removeAll` keeps it for the next message.
public struct MessageWriter: Sendable {
    /// What has been written.
    @inlinable
    public var bytes: [UInt8] { _read { yield storage } }
    @usableFromInline var storage: [UInt8]
    /// The most bytes this writer will hold.
    public let limit: Int

    /// A place to which a length is written when what it covers is complete.
    public struct Mark: Sendable, Equatable { fileprivate let offset: Int }

    public init(capacity: Int = 1024, limit: Int = Int(Int32.max)) {
        storage = []
        storage.reserveCapacity(min(capacity, limit))
        self.limit = limit
    }

    public var count: Int { storage.count }

    /// Forgets what was written and keeps the memory.
    public mutating func removeAll() { storage.removeAll(keepingCapacity: true) }

    /// Forgets what was written from `count` on, for instance a record that did not fit.
    public mutating func truncate(to count: Int) {
        if count >= 0, count < storage.count { storage.removeSubrange(count...) }
    }

    // MARK: Messages

    /// Begins a message. Its length is filled in by `end(message:)`.
    /// - Throws: `noSpace`.
    public mutating func begin(_ header: MessageHeader) throws(NetlinkError) -> Mark {
        try reserve(MessageHeader.size)
        let mark = Mark(offset: storage.count)
        storage.append(addingCapacity: MessageHeader.size) { $0.append(header) }
        return mark
    }

    /// Begins a generic-netlink message with the header of the Open vSwitch families (`struct ovs_header`).
    /// - Throws: `noSpace`.
    public mutating func begin(
        _ header: MessageHeader, _ generic: GenericHeader, datapathIfindex: Int32
    ) throws(NetlinkError) -> Mark {
        let size = MessageHeader.size + GenericHeader.size + 4
        try reserve(size)
        let mark = Mark(offset: storage.count)
        storage.append(addingCapacity: size) { output in
            output.append(header)
            output.append(generic.command)
            output.append(generic.version)
            output.append(host: UInt16(0))
            output.append(host: datapathIfindex)
        }
        return mark
    }

    /// Completes a message: writes its length and pads the buffer to four bytes, so that another may follow.
    public mutating func end(message mark: Mark) {
        set(UInt32(truncatingIfNeeded: storage.count - mark.offset), at: mark.offset)
        pad()
    }

    /// Completes a message without padding behind it.
    public mutating func endUnpadded(message mark: Mark) {
        set(UInt32(truncatingIfNeeded: storage.count - mark.offset), at: mark.offset)
    }

    /// Sets further flags in the header of a message that was begun at `mark`.
    public mutating func insert(flags: MessageFlags, at mark: Mark) {
        let offset = mark.offset + 6
        guard offset + 2 <= storage.count else { return }
        let old = UInt16(littleEndian: UInt16(storage[offset]) | UInt16(storage[offset + 1]) << 8)
        set(old | flags.rawValue, at: offset)
    }

    // MARK: Attributes

    /// An attribute with an integer in host byte order.
    /// - Throws: `noSpace`.
    @inlinable
    public mutating func append<T: FixedWidthInteger & BitwiseCopyable>(
        _ type: UInt16, _ value: T
    ) throws(NetlinkError) {
        try append(type, [value] as InlineArray<1, T>)
    }

    /// An attribute with an integer in network byte order.
    /// - Throws: `noSpace`.
    @inlinable
    public mutating func append<T: FixedWidthInteger & BitwiseCopyable>(
        _ type: UInt16, bigEndian value: T
    ) throws(NetlinkError) {
        try append(type, [value.bigEndian] as InlineArray<1, T>)
    }

    /// An attribute with integers behind each other, in host byte order: a C structure.
    /// - Throws: `noSpace`.
    @inlinable
    public mutating func append<let count: Int, T: FixedWidthInteger & BitwiseCopyable>(
        _ type: UInt16, _ values: InlineArray<count, T>
    ) throws(NetlinkError) {
        let length = Attribute.headerSize &+ count &* MemoryLayout<T>.size
        let padding = try reserve(attribute: type, length: length)
        storage.append(addingCapacity: length &+ padding) { output in
            output.append(host: UInt16(truncatingIfNeeded: length))
            output.append(host: type)
            for index in values.indices { output.append(host: values[index]) }
            for _ in 0..<padding { output.append(0) }
        }
    }

    /// An attribute with integers behind each other, in network byte order.
    /// - Throws: `noSpace`.
    @inlinable
    public mutating func append<let count: Int, T: FixedWidthInteger & BitwiseCopyable>(
        _ type: UInt16, bigEndian values: InlineArray<count, T>
    ) throws(NetlinkError) {
        var swapped = values
        for index in swapped.indices { swapped[index] = swapped[index].bigEndian }
        try append(type, swapped)
    }

    /// An attribute whose presence is its value.
    /// - Throws: `noSpace`.
    public mutating func append(flag type: UInt16) throws(NetlinkError) { try header(type, payload: 0) }

    /// An attribute whose payload `body` writes in place.
    /// - Parameters:
    ///   - size: bytes of the payload, at most 65,531.
    ///   - body: gets the payload, all zero.
    /// - Throws: `noSpace`.
    @inlinable
    package mutating func append(
        _ type: UInt16, size: Int, _ body: (UnsafeMutableRawPointer) -> Void
    ) throws(NetlinkError) {
        let length = Attribute.headerSize &+ size
        let padding = try reserve(attribute: type, length: length)
        unsafe extend(by: length &+ padding) { start in
            unsafe start.initializeMemory(as: UInt8.self, repeating: 0, count: length &+ padding)
            unsafe start.storeBytes(of: UInt16(truncatingIfNeeded: length), as: UInt16.self)
            unsafe start.storeBytes(of: type, toByteOffset: 2, as: UInt16.self)
            unsafe body(start + Attribute.headerSize)
        }
    }

    /// Attributes that are ready but for some values, which `body` writes in place.
    /// - Parameters:
    ///   - prepared: whole attributes, the last one padded.
    ///   - body: gets their copy.
    /// - Throws: `noSpace`.
    @inlinable
    package mutating func append(
        prepared: UnsafeRawBufferPointer, _ body: (UnsafeMutableRawPointer) -> Void
    ) throws(NetlinkError) {
        guard let source = prepared.baseAddress else { return }
        try reserve(prepared.count)
        unsafe extend(by: prepared.count) { start in
            unsafe start.copyMemory(from: source, byteCount: prepared.count)
            unsafe body(start)
        }
    }

    /// An attribute with these bytes.
    /// - Throws: `attributeTooLong`, `noSpace`.
    public mutating func append(_ type: UInt16, bytes payload: RawSpan) throws(NetlinkError) {
        try header(type, payload: payload.byteCount)
        store(payload)
        pad()
    }

    /// An attribute with these bytes.
    /// - Throws: `attributeTooLong`, `noSpace`.
    public mutating func append(_ type: UInt16, bytes payload: [UInt8]) throws(NetlinkError) {
        try header(type, payload: payload.count)
        storage.append(contentsOf: payload)
        pad()
    }

    /// An attribute with a string and the NUL that ends it.
    /// - Throws: `malformedString` if the string holds a NUL, `attributeTooLong`, `noSpace`.
    public mutating func append(_ type: UInt16, string: String) throws(NetlinkError) {
        guard !string.utf8.contains(0) else { throw NetlinkError(.malformedString, at: storage.count, attribute: type) }
        try header(type, payload: string.utf8.count + 1)
        storage.append(contentsOf: string.utf8)
        storage.append(0)
        pad()
    }

    /// An attribute with an array of 32-bit integers in host byte order.
    /// - Throws: `attributeTooLong`, `noSpace`.
    public mutating func append(_ type: UInt16, array: [UInt32]) throws(NetlinkError) {
        try header(type, payload: array.count * 4)
        storage.append(addingCapacity: array.count * 4) { output in
            for value in array { output.append(host: value) }
        }
    }

    /// Begins an attribute whose payload is written by the following calls. The type carries no `NLA_F_NESTED`, as in the
    /// kernel's replies, unless `marked`.
    /// - Throws: `noSpace`.
    public mutating func begin(nested type: UInt16, marked: Bool = false) throws(NetlinkError) -> Mark {
        let mark = Mark(offset: storage.count)
        try header(marked ? type | Attribute.nestedFlag : type, payload: 0)
        return mark
    }

    /// Completes a nested attribute.
    /// - Throws: `attributeTooLong` if its payload has outgrown a 16-bit length; the attribute is then taken back whole.
    public mutating func end(nested mark: Mark) throws(NetlinkError) {
        guard let length = UInt16(exactly: storage.count - mark.offset) else {
            truncate(to: mark.offset)
            throw NetlinkError(.attributeTooLong, at: mark.offset)
        }
        set(length, at: mark.offset)
        pad()
    }

    /// An attribute whose payload is the attributes that `body` writes. If `body` throws, the attribute is taken back.
    /// - Throws: what `body` throws, and `attributeTooLong`.
    public mutating func append(
        nested type: UInt16, _ body: (inout MessageWriter) throws(NetlinkError) -> Void
    ) throws(NetlinkError) {
        let mark = try begin(nested: type)
        do { try body(&self) } catch {
            truncate(to: mark.offset)
            throw error
        }
        try end(nested: mark)
    }

    // MARK: Raw bytes

    /// Bytes as they are, for a payload that is built piece by piece.
    /// - Throws: `noSpace`.
    public mutating func append(raw payload: RawSpan) throws(NetlinkError) {
        try reserve(payload.byteCount)
        store(payload)
    }

    /// Bytes as they are.
    /// - Throws: `noSpace`.
    public mutating func append(raw payload: [UInt8]) throws(NetlinkError) {
        try reserve(payload.count)
        storage.append(contentsOf: payload)
    }

    /// An integer in host byte order, as it is.
    /// - Throws: `noSpace`.
    @inlinable
    public mutating func append<T: FixedWidthInteger & BitwiseCopyable>(raw value: T) throws(NetlinkError) {
        try reserve(MemoryLayout<T>.size)
        storage.append(addingCapacity: MemoryLayout<T>.size) { $0.append(host: value) }
    }

    /// Overwrites an integer in host byte order that was written before. One that would lie behind the end is left out.
    public mutating func replace<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int, with value: T) {
        set(value, at: offset)
    }

    /// Overwrites bytes that were written before. What would lie behind the end is left out.
    public mutating func replace(at offset: Int, with payload: [UInt8]) {
        for (index, byte) in payload.enumerated() where offset >= 0 && offset + index < storage.count {
            storage[offset + index] = byte
        }
    }

    /// Zero bytes up to the next four-byte boundary.
    public mutating func pad() {
        while storage.count & 3 != 0 { storage.append(0) }
    }

    // MARK: Inside

    /// Appends bytes, all of which `body` must write.
    @inlinable
    @inline(__always)
    mutating func extend(by size: Int, _ body: (UnsafeMutableRawPointer) -> Void) {
        storage.append(addingCapacity: size) { output in
            unsafe output.withUnsafeMutableBufferPointer { buffer, count in
                // There is room for so many bytes behind those that were written.
                guard let base = buffer.baseAddress else { return }
                unsafe body(UnsafeMutableRawPointer(base + count))
                count &+= size
            }
        }
    }

    @usableFromInline
    func reserve(_ count: Int) throws(NetlinkError) {
        // With the padding that will follow, also where a payload is built of pieces that are not aligned.
        guard netlinkAligned(storage.count &+ count) <= limit else { throw NetlinkError(.noSpace, at: storage.count) }
    }

    /// Makes sure that an attribute of `length` bytes, its header included, can be written and padded.
    /// - Returns: the bytes of padding.
    @usableFromInline
    func reserve(attribute type: UInt16, length: Int) throws(NetlinkError) -> Int {
        guard length <= Int(UInt16.max) else {
            throw NetlinkError(.attributeTooLong, at: storage.count, attribute: type & Attribute.typeMask)
        }
        try reserve(length)
        let end = storage.count &+ length
        return netlinkAligned(end) &- end
    }

    private mutating func header(_ type: UInt16, payload: Int) throws(NetlinkError) {
        let length = Attribute.headerSize + payload
        _ = try reserve(attribute: type, length: length)
        storage.append(addingCapacity: Attribute.headerSize) { output in
            output.append(host: UInt16(truncatingIfNeeded: length))
            output.append(host: type)
        }
    }

    private mutating func store(_ payload: RawSpan) {
        unsafe payload.withUnsafeBytes { unsafe storage.append(contentsOf: $0) }
    }

    private mutating func set<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
        unsafe storage.withUnsafeMutableBytes { buffer in
            guard offset >= 0, offset + MemoryLayout<T>.size <= buffer.count else { return }
            unsafe buffer.storeBytes(of: value, toByteOffset: offset, as: T.self)
        }
    }
}

extension OutputSpan<UInt8> {
    /// The bytes of an integer in host byte order.
    @inlinable
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func append<T: FixedWidthInteger & BitwiseCopyable>(host value: T) {
        // In memory an integer in host byte order begins with the lowest byte of its little-endian form.
        let ordered = value.littleEndian
        for index in 0..<MemoryLayout<T>.size { append(UInt8(truncatingIfNeeded: ordered &>> T(index &* 8))) }
    }

    @_lifetime(self: copy self)
    fileprivate mutating func append(_ header: MessageHeader) {
        append(host: header.length)
        append(host: header.type.rawValue)
        append(host: header.flags.rawValue)
        append(host: header.sequence)
        append(host: header.portID)
    }
}
