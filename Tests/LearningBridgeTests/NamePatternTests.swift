import LearningBridge
import Testing

@Suite struct NamePatternTests {
    @Test(arguments: [
        ("eth0", "eth0", true), ("eth0", "eth1", false), ("eth0", "eth00", false), ("eth0", "", false),
        ("", "", true), ("", "a", false),
        ("*", "", true), ("*", "anything", true),
        ("tap*", "tap", true), ("tap*", "tap12", true), ("tap*", "xtap1", false),
        ("*0", "eth0", true), ("*0", "eth01", false), ("*0", "0", true),
        ("a*b*c", "abc", true), ("a*b*c", "a-b-b-c", true), ("a*b*c", "a-c-b", false), ("a**c", "ac", true),
        ("?", "a", true), ("?", "", false), ("?", "ab", false), ("?", "é", true),
        ("eth?", "eth9", true), ("eth?", "eth10", false), ("?*", "", false), ("?*", "x", true),
        ("vm[0-9]", "vm5", true), ("vm[0-9]", "vmx", false), ("vm[0-9]", "vm55", false),
        ("vm[!0-9]", "vmx", true), ("vm[!0-9]", "vm5", false), ("vm[^0-9]", "vmx", true),
        ("[abc]*", "cat", true), ("[abc]*", "dog", false),
        ("[a-cx-z]", "y", true), ("[a-cx-z]", "m", false),
        ("[a-]", "-", true), ("[a-]", "b", false), ("[]a]", "]", true), ("[]a]", "a", true), ("[!]]", "]", false),
        ("[z-a]", "m", false), ("[z-a]", "z", false),
        ("[abc", "[abc", true), ("[abc", "a", false), ("[", "[", true), ("[]", "[]", true), ("[!", "[!", true),
        ("\\*", "*", true), ("\\*", "x", false), ("a\\", "a\\", true), ("\\[a]", "[a]", true), ("\\\\", "\\", true),
        ("*[0-9]*[!0-9]", "a1b", true), ("*[0-9]*[!0-9]", "a1", false),
    ])
    func matching(_ pattern: String, _ name: String, _ expected: Bool) {
        #expect(NamePattern(pattern).matches(name) == expected)
    }

    /// A pattern that a simple matcher would try for hours.
    @Test(.timeLimit(.minutes(1))) func manyRunsTakeLittleTime() {
        let pattern = NamePattern(String(repeating: "*a", count: 200) + "b")
        #expect(!pattern.matches(String(repeating: "a", count: 5000)))
        #expect(NamePattern(String(repeating: "*a", count: 200)).matches(String(repeating: "a", count: 5000)))
    }

    /// Patterns without sets agree with a plain recursive matcher.
    @Test func agreesWithPlainMatcher() {
        func plain(_ pattern: Substring, _ name: Substring) -> Bool {
            guard let first = pattern.first else { return name.isEmpty }
            if first == "*" {
                return plain(pattern.dropFirst(), name) || !name.isEmpty && plain(pattern, name.dropFirst())
            }
            guard let character = name.first, first == "?" || first == character else { return false }
            return plain(pattern.dropFirst(), name.dropFirst())
        }
        var random = SeededGenerator(seed: 1)
        func text(of characters: String) -> String {
            String((0..<Int.random(in: 0...6, using: &random)).map { _ in characters.randomElement(using: &random)! })
        }
        var matches = 0
        for _ in 0..<5000 {
            let pattern = text(of: "ab*?")
            let name = text(of: "ab")
            let expected = plain(pattern[...], name[...])
            if expected { matches += 1 }
            #expect(NamePattern(pattern).matches(name) == expected, "\(pattern) on \(name)")
        }
        #expect(matches > 500)
    }
}
