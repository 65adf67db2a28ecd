/// A pattern for names, as shells write them.
///
/// `*` stands for any run of characters, `?` for any one, `[a-z]` for one of a set, `[!a-z]` for one outside it, and a
/// backslash takes the meaning from the character behind it. A `[` that nothing closes stands for itself. The whole
/// name must match.
public struct NamePattern: Hashable, Sendable {
    /// The pattern as it was written.
    public let text: String
    private let elements: [Element]

    private enum Element: Hashable {
        case literal(Unicode.Scalar)
        case any
        case run
        case set([ClosedRange<Unicode.Scalar>], isNegated: Bool)

        /// Whether the element stands for one such character; `run` is not asked.
        func matches(_ scalar: Unicode.Scalar) -> Bool {
            switch self {
            case .literal(let own): own == scalar
            case .any: true
            case .run: false
            case .set(let ranges, let isNegated): ranges.contains { $0.contains(scalar) } != isNegated
            }
        }
    }

    /// Any text is a pattern.
    public init(_ text: String) {
        self.text = text
        let scalars = Array(text.unicodeScalars)
        var elements: [Element] = []
        var index = 0
        while index < scalars.count {
            switch scalars[index] {
            case "*":
                // One run is as good as several.
                if elements.last != .run { elements.append(.run) }
            case "?": elements.append(.any)
            case "\\" where index + 1 < scalars.count:
                index += 1
                elements.append(.literal(scalars[index]))
            case "[":
                if let (set, end) = Self.set(scalars, from: index + 1) {
                    elements.append(set)
                    index = end
                } else {
                    elements.append(.literal("["))
                }
            default: elements.append(.literal(scalars[index]))
            }
            index += 1
        }
        self.elements = elements
    }

    /// Reads a set.
    /// - Parameter start: the place behind the opening bracket.
    /// - Returns: the set and the place of its closing bracket; nil if there is none.
    private static func set(_ scalars: [Unicode.Scalar], from start: Int) -> (Element, Int)? {
        var index = start
        let isNegated = index < scalars.count && (scalars[index] == "!" || scalars[index] == "^")
        if isNegated { index += 1 }
        let first = index
        var ranges: [ClosedRange<Unicode.Scalar>] = []
        while index < scalars.count {
            // A bracket that comes first belongs to the set.
            if scalars[index] == "]", index > first { return (.set(ranges, isNegated: isNegated), index) }
            let lower = scalars[index]
            if index + 2 < scalars.count, scalars[index + 1] == "-", scalars[index + 2] != "]" {
                let upper = scalars[index + 2]
                if lower <= upper { ranges.append(lower...upper) }
                index += 3
            } else {
                ranges.append(lower...lower)
                index += 1
            }
        }
        return nil
    }

    /// Whether the whole name matches. Takes at most the product of the two lengths, whatever the pattern.
    public func matches(_ name: String) -> Bool {
        let scalars = Array(name.unicodeScalars)
        var (element, scalar) = (0, 0)
        // The last run met, and where the name went on behind what it has swallowed so far.
        var run: (element: Int, scalar: Int)?
        while scalar < scalars.count {
            if element < elements.count, elements[element] == .run {
                run = (element, scalar)
                element += 1
            } else if element < elements.count, elements[element].matches(scalars[scalar]) {
                element += 1
                scalar += 1
            } else if let last = run {
                // The run takes one character more.
                run = (last.element, last.scalar + 1)
                element = last.element + 1
                scalar = last.scalar + 1
            } else {
                return false
            }
        }
        while element < elements.count, elements[element] == .run { element += 1 }
        return element == elements.count
    }
}

extension NamePattern: ExpressibleByStringLiteral, CustomStringConvertible {
    public init(stringLiteral text: String) { self.init(text) }
    public var description: String { text }
}
