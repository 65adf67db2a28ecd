import CCounters
import Glibc

/// Measures parts of Martlet by themselves and prints a line of JSON for each case; scripts/micro makes a table of them.
///
/// Usage: `Micro [--packets] [--quick] [--rounds N] [--instructions] [NAME]`. With `--packets` only what is on a packet's
/// way; with `--quick` nothing that takes seconds to make; with NAME only the cases whose names contain it. With
/// `--instructions`, under callgrind, it counts these in the quick cases, and nothing else: for each case callgrind writes a
/// file whose description is `OPERATIONS NAME`.
@main struct Micro {
    static func main() {
        var arguments = Array(CommandLine.arguments.dropFirst())
        let packets = take("--packets", &arguments)
        let instructions = take("--instructions", &arguments)
        let quick = take("--quick", &arguments) || instructions
        var rounds = 9
        if let index = arguments.firstIndex(of: "--rounds"), index + 1 < arguments.count {
            rounds = max(Int(arguments[index + 1]) ?? rounds, 1)
            arguments.removeSubrange(index...(index + 1))
        }
        let wanted = arguments.first ?? ""
        let cases = Case.all.filter { each in
            (wanted.isEmpty || each.name.contains(wanted)) && (each.group.isPackets || !packets)
                && (each.isQuick || !quick)
        }
        guard !cases.isEmpty else { fail("no case has \(wanted) in its name") }
        if instructions {
            guard counters_have_instructions() else {
                fail(
                    "instructions are counted under callgrind only, by a program that was built where valgrind is",
                    status: 2)
            }
        } else {
            Measurement.proveThatCountersCount()
        }
        for each in cases {
            do {
                if instructions {
                    try Measurement.countInstructions(each)
                } else {
                    print(try Measurement(each, rounds: rounds).json)
                }
            } catch { fail("\(each.name): \(error)") }
            fflush(nil)
        }
    }

    private static func take(_ option: String, _ arguments: inout [String]) -> Bool {
        guard let index = arguments.firstIndex(of: option) else { return false }
        arguments.remove(at: index)
        return true
    }

    static func fail(_ text: String, status: Int32 = 1) -> Never {
        let line = Array("micro: \(text)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
        exit(status)
    }
}
