/// Why a text is not the flow key, mask or action list it should be.
public struct FlowTextError: Error, Equatable, Hashable, Sendable {
    /// What was expected and what stood there instead; a clause that can be shown at a terminal.
    public let message: String
    /// UTF-8 offset of the fault from the start of the text.
    public let position: Int

    public init(_ message: String, at position: Int) {
        self.message = message
        self.position = position
    }
}

extension FlowTextError: CustomStringConvertible {
    public var description: String { "\(message), at position \(position)" }
}
