"""What each part costs by itself: nanoseconds, instructions, allocations, and retains and releases for one operation.

Prints a table. Limits are committed in Benchmarks/thresholds.json: of counts, never of times.

Usage: scripts/micro [--check | --update] [--packets] [--quick] [--no-instructions] [--rounds N] [--json FILE] [NAME]
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

import machine
from machine import fail, number

THRESHOLDS = os.path.join(machine.PACKAGE, "thresholds.json")
TOLERANCE = 0.05
# What a batch of 32 packets may count in references, for one packet.
PACKET_REFERENCES = 4 / 32
COUNTS = ("instructions", "allocations", "references")
# How the program ends that cannot count instructions.
NO_HEADERS = 2
# The C library has its functions in several variants and takes that for the processor it runs on: the plainest is to be
# had everywhere. Swift's dictionaries are to have the same order every time.
DETERMINISTIC = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM",
    "SWIFT_DETERMINISTIC_HASHING": "1",
}


def measure(program, arguments):
    """The results of the cases, one by one as they come."""
    environment = os.environ | {"SWIFT_DETERMINISTIC_HASHING": "1"}
    with subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            result = json.loads(line)
            times = result["nanoseconds"]
            yield result | {"median": statistics.median(times), "best": min(times)}
    if process.returncode != 0:
        sys.exit(process.returncode)


def count_instructions(program, arguments, is_rebuilt=False):
    """By case: instructions, and calls of the runtime's retain and release, for one operation."""
    if not shutil.which("valgrind"):
        fail("instructions are counted with valgrind: install it, or say --no-instructions")
    with tempfile.TemporaryDirectory() as directory:
        # Valgrind stumbles over the compiler's notes for debuggers. The names of functions stay.
        bare = os.path.join(directory, "Micro")
        subprocess.run(["strip", "--strip-debug", "-o", bare, program], check=True)
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--compress-pos=no",
                   f"--callgrind-out-file={directory}/out", bare, "--instructions", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | DETERMINISTIC)
        if done.returncode == NO_HEADERS and not is_rebuilt:
            # It was built before valgrind was there, which the build does not see.
            os.utime(os.path.join(machine.PACKAGE, "Sources", "CCounters", "counters.c"))
            return count_instructions(machine.build("Micro"), arguments, is_rebuilt=True)
        if done.returncode != 0:
            fail("the instructions were not counted:\n" + done.stderr[-2000:])
        counts = {}
        for name in os.listdir(directory):
            if not name.startswith("out"):
                continue
            with open(os.path.join(directory, name)) as file:
                found = read_profile(file.read())
            if found:
                counts[found[0]] = found[1]
        return counts


REFERENCES = re.compile(r"swift_(?:nonatomic_)?(?:retain|release)(?:_n)?$")


def read_profile(text):
    """The case that a file of callgrind is of and its counts for one operation; nil if it is of none."""
    request = re.search(r"^desc: Trigger: Client Request: (\d+) (.*)$", text, re.MULTILINE)
    totals = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
    if not request or not totals:
        return None
    operations = int(request.group(1))
    references = 0
    names = {}
    # A name is written once with a number, later the number alone.
    for kind, key, name, calls in re.findall(r"^(c?fn)=\((\d+)\)(?: (.*))?$(?:\n(?!calls=).*$)*?(?:\ncalls=(\d+))?", text,
                                             re.MULTILINE):
        if name:
            names[key] = name
        if kind == "cfn" and calls and REFERENCES.match(names.get(key, "")):
            references += int(calls)
    return request.group(2), {"instructions": round(int(totals.group(1)) / operations, 1),
                              "references": round(references / operations, 2)}


def verdict(result):
    """Whether the aim is met, for the table. The best round counts: the aim is of the code, not of what else ran."""
    if "aim" not in result:
        return ""
    met = "met" if result["best"] <= result["aim"] else "missed"
    return f"{met} (at most {result['aim']:g} ns: {result['best'] / result['aim']:.2f})"


def faults(results, thresholds, has_instructions, is_whole):
    """Sentences: which case costs more than its limit says."""
    limits = thresholds.get("cases", {})
    compares = (thresholds.get("swift"), thresholds.get("architecture")) == (
        machine.swift_version(), os.uname().machine)
    if has_instructions and not compares:
        print("Instructions are not compared: the limits are those of Swift "
              f"{thresholds.get('swift')} on {thresholds.get('architecture')}.")
    found = []
    for name, result in results.items():
        if result["packets"] and result["allocations"] > 0:
            found.append(f"“{name}” is on a packet's way, where nothing may be allocated: "
                         f"found {result['allocations']:g} allocations for each packet")
        if result["packets"] and (result["references"] or 0) > PACKET_REFERENCES:
            found.append(f"“{name}” is on a packet's way, where no references may be counted: "
                         f"found {result['references']:g} retains and releases for each packet")
        if name not in limits:
            found.append(f"“{name}” has no limits yet: run scripts/micro --update")
            continue
        for count in COUNTS:
            limit, value = limits[name].get(count), result.get(count)
            if limit is None or value is None or count == "instructions" and not compares:
                continue
            if value > limit * (1 + TOLERANCE) + 0.005:
                found.append(f"“{name}” takes {number(value)} {count} for each operation, {value / limit - 1:.0%} more "
                             f"than its limit of {number(limit)} ({TOLERANCE:.0%} more would pass)"
                             if limit else f"“{name}” takes {number(value)} {count} for each operation; its limit is 0")
            elif value < limit * (1 - TOLERANCE) - 0.005:
                print(f"“{name}” takes {number(value)} {count} now, where {number(limit)} are allowed: "
                      "scripts/micro --update makes that the limit")
    if is_whole:
        found += [f"“{name}” has limits, and is no case" for name in limits if name not in results]
    return found


def update(results):
    cases = {}
    for name, result in results.items():
        cases[name] = {count: round(result[count], 4)
                       for count in COUNTS if result.get(count) is not None}
    # One line for each case.
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(cases[name])}" for name in cases)
    with open(THRESHOLDS, "w") as file:
        file.write('{"swift": %s, "architecture": %s, "cases": {\n%s\n}}\n' % (
            json.dumps(machine.swift_version()), json.dumps(os.uname().machine), lines))


def main():
    parser = argparse.ArgumentParser(prog="micro", description=__doc__.split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="fail if a count is above its limit")
    parser.add_argument("--update", action="store_true", help="make the counts found the limits")
    parser.add_argument("--packets", action="store_true", help="only what is on a packet's way")
    parser.add_argument("--quick", action="store_true", help="nothing that takes seconds to make")
    parser.add_argument("--no-instructions", action="store_true", help="do not count instructions")
    parser.add_argument("--rounds", type=int, default=9, help="how often each case is timed (9)")
    parser.add_argument("--json", metavar="FILE", help="write every figure to a file")
    parser.add_argument("name", nargs="?", metavar="NAME", help="only cases whose names contain it")
    options = parser.parse_args()
    is_whole = not (options.packets or options.quick or options.name)
    if options.update and (not is_whole or options.no_instructions):
        parser.error("--update takes all cases")

    program = machine.build("Micro")
    arguments = [option for option in ("--packets", "--quick") if getattr(options, option[2:])]
    arguments += [options.name] if options.name else []
    counts = {}
    if not options.no_instructions:
        print("Counting instructions …", file=sys.stderr, flush=True)
        counts = count_instructions(program, arguments)
        if not counts:
            fail("no instructions were counted")

    results, group = {}, None
    for result in measure(program, ["--rounds", str(options.rounds), *arguments]):
        found = counts.get(result["case"], {})
        if result["references"] is None:
            result["references"] = found.get("references")
        result["instructions"] = found.get("instructions")
        results[result["case"]] = result
        if result["group"] != group:
            group = result["group"]
            print(f"{'' if len(results) == 1 else chr(10)}{group:<42}{'ns':>9}{'best':>9}{'instructions':>14}"
                  f"{'allocations':>13}{'references':>12}")
        line = f"{result['case']:<42}{number(result['median']):>9}{number(result['best']):>9}" + "".join(
            f"{number(result[count]):>{width}}" for count, width in zip(COUNTS, (14, 13, 12)))
        aim = verdict(result)
        print(line + (f"   {aim}" if aim else ""), flush=True)
    if options.json:
        machine.write(options.json, {"cases": list(results.values())})
    if options.update:
        update(results)
    if options.check:
        if not os.path.exists(THRESHOLDS):
            fail("there are no limits yet: run scripts/micro --update")
        with open(THRESHOLDS) as file:
            found = faults(results, json.load(file), bool(counts), is_whole)
        print()
        for each in found:
            print(f"micro: {each}")
        if found:
            sys.exit(1)
        print(f"{len(results)} cases are within their limits.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
