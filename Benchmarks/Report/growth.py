"""How costs grow with masks and flows, one's own and others': look-ups, memory, rates of puts, deletes and dumps.

Prints a table; draws nothing. Usage: scripts/growth [--json FILE]
"""

import argparse
import json
import subprocess
import sys

import machine
from machine import number

# The tables: how each column is headed, and which figure it has.
COLUMNS = {
    "masks": {"masks": "masks", "ns per look-up": "nanoseconds"},
    "order": {"masks": "masks", "ns per look-up": "nanoseconds", "in the order of use": "ordered"},
    "neighbour": {"masks of port 1": "masks", "ns per look-up of port 2": "nanoseconds", "port 2 by turns, packets/s": "inTurn",
                  "by shares, packets/s": "shared", "port 1 by shares, packets/s": "attacker"},
    "lookups": {"flows, one mask": "flows", "ns per look-up": "nanoseconds"},
    "flows": {"flows": "flows", "MiB resident": "resident", "bytes per flow": "bytesPerFlow", "puts/s": "putsPerSecond",
              "deletes/s": "deletesPerSecond", "dumped/s": "dumpedPerSecond"},
    "churn": {"beside": "name", "flows": "flows", "flows/s": "rate", "ns per packet": "nanoseconds",
              "longest batch, ms": "longest", "in processor time, ms": "longestWork"},
}


def measure(program, what):
    """Lines of JSON, as they come."""
    with subprocess.Popen([program, what], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode != 0:
        sys.exit(process.returncode)


def cell(figure, point):
    value = point.get(figure)
    if figure == "name":
        return value
    if figure in ("masks", "flows"):
        return f"{value:,.0f}"
    if figure == "resident":
        return f"{value / 2**20:,.0f}"
    # What happens beside nothing has no rate.
    return "-" if figure == "rate" and not value else number(value)


def cells(what, point):
    """A line of a table."""
    return [cell(figure, point) for figure in COLUMNS[what].values()]


def aligned(cells, heads):
    """A line for a terminal; words stand left, numbers right."""
    return "".join(f"{text:<42}" if head == "beside" else f"{text:>{max(len(head), 9) + 3}}" for text, head in zip(cells, heads))


def main():
    parser = argparse.ArgumentParser(prog="growth", description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write every figure to a file")
    options = parser.parse_args()
    program = machine.build("Growth")
    results = {}
    for what, columns in COLUMNS.items():
        print(aligned(columns, columns))
        for point in measure(program, what):
            results.setdefault(what, []).append(point)
            print(aligned(cells(what, point), columns), flush=True)
        print()
    if options.json:
        machine.write(options.json, results)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
