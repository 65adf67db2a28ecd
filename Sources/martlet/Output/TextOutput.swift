/// Where a command's text goes.
protocol TextOutput: Sendable {
    /// Writes a text at once, whole.
    /// - Throws: `OutputClosed` if nobody reads any more.
    func write(_ text: String) throws(OutputClosed)
}

/// The reader of the output has gone (`EPIPE`). A command then ends without a word and without a fault.
struct OutputClosed: Error {}

extension TextOutput {
    /// Writes a text and the end of the line.
    func writeLine(_ text: String) throws(OutputClosed) { try write(text + "\n") }

    /// Writes one JSON document and the end of the line.
    func writeLine(_ json: JSON) throws(OutputClosed) { try writeLine(json.text) }
}
