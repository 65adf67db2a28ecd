import CLinux

/// Memory in large blocks, such as the queues of handles.
public enum LargeBlocks {
    /// Lets blocks of a mebibyte and more go back to the system when they are freed, in the whole process.
    ///
    /// Left to itself the C library keeps them after the first has been freed, and a process that has served a thousand
    /// clients once holds their queues for ever.
    public static func returnToSystem() { _ = clinux_return_large_blocks(1 << 20) }
}
