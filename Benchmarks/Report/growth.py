"""How costs grow with masks and flows: look-ups, memory, rates of puts, deletes and dumps.

Prints a table; draws nothing. Usage: scripts/growth [--json FILE]
"""

import argparse
import json
import subprocess
import sys

import machine
from machine import number

HEADS = {
    "masks": ("masks", "ns per look-up"),
    "lookups": ("flows, one mask", "ns per look-up"),
    "flows": ("flows", "MiB resident", "bytes per flow", "puts/s", "deletes/s", "dumped/s"),
}


def measure(program, what):
    """Lines of JSON, as they come."""
    with subprocess.Popen([program, what], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode != 0:
        sys.exit(process.returncode)


def cells(what, point):
    """A line of a table."""
    if what == "flows":
        return (f"{point['flows']:,.0f}", f"{point['resident'] / 2**20:,.0f}",
                *(number(point.get(each)) for each in ("bytesPerFlow", "putsPerSecond", "deletesPerSecond", "dumpedPerSecond")))
    return f"{point['masks' if what == 'masks' else 'flows']:,.0f}", number(point["nanoseconds"])


def main():
    parser = argparse.ArgumentParser(prog="growth", description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write every figure to a file")
    options = parser.parse_args()
    program = machine.build("Growth")
    results = {}
    for what, heads in HEADS.items():
        print("".join(f"{head:>18}" for head in heads))
        for point in measure(program, what):
            results.setdefault(what, []).append(point)
            print("".join(f"{cell:>18}" for cell in cells(what, point)), flush=True)
        print()
    if options.json:
        machine.write(options.json, results)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
