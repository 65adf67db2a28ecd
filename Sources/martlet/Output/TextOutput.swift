/// Where a command's text goes.
protocol TextOutput: Sendable {
    /// Writes a text at once, whole.
    /// - Throws: `OutputClosed` if nobody reads any more, or the text cannot be kept.
    func write(_ text: String) throws(OutputClosed)
}

/// Output cannot be written. If its reader has gone (`EPIPE`), a command ends without a word and without a fault.
struct OutputClosed: Error {
    /// The error number of the call.
    let number: Int32
}

extension TextOutput {
    /// Writes a text and the end of the line.
    func writeLine(_ text: String) throws(OutputClosed) { try write(text + "\n") }

    /// Writes one JSON document and the end of the line.
    func writeLine(_ json: JSON) throws(OutputClosed) { try writeLine(json.text) }
}
