import Packets

// The ten bytes of the legacy virtio-net header (`struct virtio_net_hdr`), in host byte order, as packet sockets and
// TAP devices put them in front of a frame.

extension Offload {
    /// The longest header length that is told to the kernel. It only says how much of a frame to keep in one piece; the
    /// kernel pulls more where it needs more, and a whole frame in one piece is slow.
    private static let longestHeader: UInt16 = 256

    /// Reads a header.
    /// - Parameter header: `wireSize` readable bytes.
    @inline(__always)
    init(virtioNetHeader header: UnsafeRawPointer) {
        self.init()
        // The caller vouches for ten bytes, and every bit pattern is a value of these types.
        flags = unsafe header.load(as: UInt8.self)
        segmentation = unsafe header.load(fromByteOffset: 1, as: UInt8.self)
        headerLength = unsafe header.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
        segmentSize = unsafe header.loadUnaligned(fromByteOffset: 4, as: UInt16.self)
        checksumStart = unsafe header.loadUnaligned(fromByteOffset: 6, as: UInt16.self)
        checksumOffset = unsafe header.loadUnaligned(fromByteOffset: 8, as: UInt16.self)
    }

    /// Writes the header for a frame that is handed to the kernel.
    /// - Parameter header: `wireSize` writable bytes.
    @inline(__always)
    func storeVirtioNetHeader(at header: UnsafeMutableRawPointer) {
        // The caller vouches for ten bytes. What a flag does not announce is written as zero.
        unsafe header.storeBytes(of: flags & Self.needsChecksum, as: UInt8.self)
        unsafe header.storeBytes(of: segmentation, toByteOffset: 1, as: UInt8.self)
        unsafe header.storeBytes(of: min(headerLength, Self.longestHeader), toByteOffset: 2, as: UInt16.self)
        unsafe header.storeBytes(of: isSegmented ? segmentSize : 0, toByteOffset: 4, as: UInt16.self)
        unsafe header.storeBytes(of: isChecksumPartial ? checksumStart : 0, toByteOffset: 6, as: UInt16.self)
        unsafe header.storeBytes(of: isChecksumPartial ? checksumOffset : 0, toByteOffset: 8, as: UInt16.self)
    }
}
