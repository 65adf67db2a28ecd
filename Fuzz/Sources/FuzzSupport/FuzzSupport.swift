import CLibFuzzer
import Netlink

/// A fuzzer: a program that is run on input after input. A trap, a failed `require` or a report of the address sanitizer
/// is a find.
public protocol Fuzzer {
    /// Runs one input.
    static func run(_ bytes: RawSpan)
}

extension Fuzzer {
    /// Hands the process over to libFuzzer.
    ///
    /// - Parameter callback: must call `call`. It is a parameter because C cannot call a method of a protocol.
    public static func main(_ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt) {
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv
        // The arguments live as long as the process.
        _ = unsafe LLVMFuzzerRunDriver(&count, &arguments, callback)
    }

    /// Gives an input to `run` as a span that ends exactly where the input ends, so that the address sanitizer sees every
    /// byte that is read behind it.
    public static func call(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
        guard let data = unsafe data, count > 0 else {
            run([UInt8]().rawSpan)
            return 0
        }
        // libFuzzer keeps the `count` bytes at `data` until this returns.
        unsafe run(RawSpan(_unsafeStart: data, byteCount: count))
        return 0
    }
}

/// Ends the fuzzer with a crash if a property does not hold.
@inline(__always)
public func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition { fatalError(message()) }
}

/// Takes an input apart from its front. Behind its end there are zeros.
public struct Input: ~Escapable {
    public private(set) var rest: RawSpan

    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) { rest = bytes }

    public var isEmpty: Bool { rest.byteCount == 0 }

    /// The next byte.
    @_lifetime(self: copy self)
    public mutating func byte() -> UInt8 {
        let value: UInt8 = rest.load(at: 0) ?? 0
        rest = rest.clamped(1..<max(rest.byteCount, 1))
        return value
    }

    /// The next integer, in host byte order.
    @_lifetime(self: copy self)
    public mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type = T.self) -> T {
        let value: T = rest.load(at: 0) ?? 0
        rest = rest.clamped(MemoryLayout<T>.size..<max(rest.byteCount, MemoryLayout<T>.size))
        return value
    }

    /// The next bytes, at most `count` of them.
    @_lifetime(copy self)
    public mutating func bytes(_ count: Int) -> RawSpan {
        let all = rest
        let length = min(max(count, 0), all.byteCount)
        rest = all.clamped(length..<all.byteCount)
        return all.clamped(0..<length)
    }
}
