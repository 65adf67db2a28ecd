"""What Open vSwitch's own C code takes for three of the cases of scripts/micro, by turns with Martlet's.

Usage: scripts/reference [--json FILE]
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys

import machine
from machine import fail, number

ARCHIVE = "/usr/src/openvswitch/openvswitch.tar.gz"
SOURCE = os.path.join(machine.PACKAGE, "Reference", "reference.c")
DIRECTORY = os.path.join(machine.ROOT, ".build", "reference")
TURNS = 15
LIBRARIES = ["openvswitch", "openvswitchavx512", "sflow"]


def run(*command, text=None):
    """Runs a step of the building; what it prints is shown if it fails."""
    result = subprocess.run(command, cwd=DIRECTORY, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        print(result.stdout[-4000:], file=sys.stderr)
        fail(f"{' '.join(command[:3])} … failed in {DIRECTORY}")
    return result.stdout


def library(name):
    return f"lib/.libs/lib{name}.a"


def build():
    """Builds the library of Open vSwitch, if it is not there yet, and the program, and tells its path."""
    os.makedirs(DIRECTORY, exist_ok=True)
    jobs = f"-j{os.cpu_count()}"
    if not all(os.path.exists(os.path.join(DIRECTORY, library(name))) for name in LIBRARIES):
        print("Building Open vSwitch's library (the first time takes some minutes) …", file=sys.stderr, flush=True)
        run("tar", "-xzf", ARCHIVE)
        run("openvswitch/configure", "--disable-ssl", "--disable-libcapng", "CFLAGS=-O2")
        # Its makefile makes these first only with everything else.
        run("make", "-s", jobs, "-f", "-", "built", text="include Makefile\nbuilt: $(BUILT_SOURCES)\n")
        run("make", "-s", jobs, *(f"lib/lib{name}.la" for name in LIBRARIES))
    with open(os.path.join(DIRECTORY, "Makefile")) as file:
        needed = re.search(r"^LIBS = (.*)$", file.read(), re.MULTILINE).group(1).split()
    run("gcc", "-O2", "-DHAVE_CONFIG_H", *(f"-I{each}" for each in (
        ".", "include", "lib", "openvswitch", "openvswitch/include", "openvswitch/lib")),
        "-o", "reference", SOURCE, *map(library, LIBRARIES), *needed, "-lpthread", "-lm")
    return os.path.join(DIRECTORY, "reference")


def lines(*command):
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def measure():
    """The cases, each with the least that either side took, and the median of the turns' ratios."""
    theirs, ours, turns = build(), machine.build("Micro"), {}
    for _ in range(TURNS):
        for case in lines(theirs):
            name = case["case"]
            # It measures all whose names contain this one.
            mine = next(each for each in lines(ours, "--quick", "--rounds", "3", name) if each["case"] == name)
            turns.setdefault(name, []).append((min(mine["nanoseconds"]), case["best"]))
    return [{"case": name, "martlet": min(mine for mine, _ in pairs), "c": min(c for _, c in pairs),
             "ratio": statistics.median(mine / c for mine, c in pairs)} for name, pairs in turns.items()]


def cells(case):
    """A line of a table."""
    return [case["case"], number(case["martlet"]), number(case["c"]), f"{case['ratio']:.2f}"]


HEADS = ["", "Martlet, least ns", "C, least ns", "ratio, median of turns"]


def main():
    parser = argparse.ArgumentParser(prog="reference", description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write every figure to a file")
    options = parser.parse_args()
    cases = measure()
    for line in [HEADS, *map(cells, cases)]:
        print(f"{line[0]:32}" + "".join(f"{text:>{len(head) + 3}}" for text, head in zip(line[1:], HEADS[1:])))
    if options.json:
        machine.write(options.json, {"cases": cases})


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
