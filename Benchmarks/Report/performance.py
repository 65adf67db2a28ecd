"""Writes the figures of a run into docs/performance.md, between its markers, and draws its plots.

Parts for which there are no figures stay as they are; each says what it was measured on. The aims need the figures of all.

Usage: scripts/performance [--from DIRECTORY]
"""

import json
import os
import re
import sys

import growth
import machine
import micro
import plot
import reference
from machine import fail, number

sys.path.insert(0, os.path.join(machine.PACKAGE, "SideBySide"))

import table  # noqa: E402

DOCUMENT = os.path.join(machine.ROOT, "docs", "performance.md")
PLOTS = os.path.join(machine.ROOT, "docs", "performance")
GIBIBYTE = 2**30
PARTS = ("micro", "reference", "growth", "side-by-side")
# What Open vSwitch's C code took, in nanoseconds, on the machine for which the aims of these cases were set.
REFERENCE = {"extract TCP over IPv4, 64 B": 23, "key from Netlink": 84}


def read(directory):
    """The figures that are there, by part."""
    documents = {}
    for name in PARTS:
        path = os.path.join(directory, name + ".json")
        if os.path.exists(path):
            with open(path) as file:
                documents[name] = json.load(file)
    if not documents:
        fail(f"there are no figures in {directory}; scripts/bench makes them")
    return documents


def markdown(heads, rows):
    return ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)] + [
        "| " + " | ".join(row) + " |" for row in rows]


def machine_text(documents):
    """What figures are of. The documents may be of several days, and are of one machine."""
    here = documents[-1]["machine"]
    dates = sorted({each["machine"]["date"] for each in documents})
    commits = sorted({each["machine"]["commit"] for each in documents})
    virtual = f", a virtual machine ({here['virtual']})" if here["virtual"] else ""
    return [f"{here['processor']}, {here['processors']} processors, {here['memory']}{virtual}; Linux {here['kernel']}; "
            f"Swift {here['swift']}; {here['openvswitch']}; {' and '.join(dates)}; commit {' and '.join(commits)}."]


def micro_text(document):
    lines, group = [], None
    for case in document["cases"]:
        if case["group"] != group:
            group = case["group"]
            lines += ["", f"**{group}**", "",
                      *markdown(["", "ns", "best", "instructions", "allocations", "references", "aim"], [])]
        lines.append("| " + " | ".join([
            case["case"], number(case["median"]), number(case["best"]),
            *(number(case[count]) for count in micro.COUNTS), micro.verdict(case)]) + " |")
    return lines[1:]


def reference_text(document):
    return markdown(reference.HEADS, [reference.cells(case) for case in document["cases"]])


def aims_text(micro_document, reference_document, growth_document, side_document):
    """All aims, each with what became of it. Where there is a figure in C of the same machine, an aim in nanoseconds is a ratio."""
    rows = []
    ratios = {case["case"]: case["ratio"] for case in reference_document["cases"]}
    for case in micro_document["cases"]:
        if "aim" not in case:
            continue
        name, found, aim = case["case"], case["best"], case["aim"]
        words = (f"at most {aim:g} ns", f"{number(found)} ns")
        if name in REFERENCE:
            found, aim = ratios[name], aim / REFERENCE[name]
            words = (f"at most {aim:.2f} × C", f"{found:.2f} ×")
        rows.append((name, *words, "met" if found <= aim else "**missed**"))
    packets = [case for case in micro_document["cases"] if case["packets"]]
    worst = max(case["allocations"] for case in packets)
    rows.append((f"allocations on a packet's way, {len(packets)} cases", "0", number(worst),
                 "met" if worst == 0 else "**missed**"))
    million = [point for point in growth_document["flows"] if point["flows"] == 1_000_000]
    for point in million:
        rows.append(("a million flows", "under 1 GiB", f"{point['resident'] / GIBIBYTE:.2f} GiB",
                     "met" if point["resident"] < GIBIBYTE else "**missed**"))
    results = side_document["results"]
    for line in table.lines(results, list(results)):
        for other, aim in line.row.aims.items():
            if other not in results or line.cells[0] is None:
                continue
            cell = line.cells[list(results).index(other)]
            if cell is None:
                continue
            ratio = line.cells[0].median / cell.median
            rows.append((line.row.title, f"at least {aim:g} × {other}", f"{ratio:.2f} ×",
                         "met" if ratio >= aim else "**missed**"))
    return markdown(["", "aim", "found", ""], rows)


def side_text(document):
    results = document["results"]
    lines = table.markdown(results, list(results))
    lines += ["", f"{document['rounds']} rounds of {document['seconds']} s for each figure: medians, and below them the least and "
              "the most. `*`: generator-bound, the switch may do more."]
    if document.get("generator"):
        limit = {int(size): rate for size, rate in document["generator"].items()}
        lines.append(f"The generator offers {limit[64]:.2f} Mpps of 64 B and {limit[1500]:.2f} Mpps of 1500 B to a cable whose "
                     "other end drops them at once.")
    return lines


def growth_text(document, what):
    return markdown(list(growth.COLUMNS[what]), [growth.cells(what, point) for point in document[what]])


def draw(document):
    def curve(what, x, y):
        return [(point[x], point[y]) for point in document[what] if point[x] and y in point]

    plots = {
        "masks": plot.draw("A look-up behind the exact-match cache", "masks (half of them are tried)", "ns",
                           [("", curve("masks", "masks", "nanoseconds"))]),
        "lookups": plot.draw("A look-up behind the exact-match cache, one mask", "flows", "ns",
                             [("", curve("lookups", "flows", "nanoseconds"))], logarithmic=False),
        "memory": plot.draw("Memory of the whole process", "flows", "bytes",
                            [("", curve("flows", "flows", "resident"))], limit=(GIBIBYTE, "1 GiB")),
        "rates": plot.draw("Flows put, deleted and dumped", "flows that are there", "flows/s", [
            ("put", curve("flows", "flows", "putsPerSecond")), ("deleted", curve("flows", "flows", "deletesPerSecond")),
            ("dumped", curve("flows", "flows", "dumpedPerSecond"))], logarithmic=False),
    }
    os.makedirs(PLOTS, exist_ok=True)
    for name, text in plots.items():
        with open(os.path.join(PLOTS, name + ".svg"), "w") as file:
            file.write(text)


def replace(text, name, lines):
    pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    if not pattern.search(text):
        fail(f"docs/performance.md has no markers for {name}")
    return pattern.sub(lambda found: found.group(1) + "\n".join(lines) + "\n" + found.group(2), text)


def main():
    documents = read(sys.argv[1])
    with open(DOCUMENT) as file:
        text = file.read()
    for name in documents:
        text = replace(text, f"{name} machine", machine_text([documents[name]]))
    if "micro" in documents:
        text = replace(text, "micro", micro_text(documents["micro"]))
    if "reference" in documents:
        text = replace(text, "reference", reference_text(documents["reference"]))
    if "growth" in documents:
        for what in growth.COLUMNS:
            text = replace(text, what, growth_text(documents["growth"], what))
        draw(documents["growth"])
    if "side-by-side" in documents:
        text = replace(text, "side-by-side", side_text(documents["side-by-side"]))
    if len(documents) == len(PARTS):
        text = replace(text, "aims", aims_text(*documents.values()) + ["", *machine_text(list(documents.values()))])
    with open(DOCUMENT, "w") as file:
        file.write(text)
    print(f"In docs/performance.md these parts are renewed: {', '.join(documents)}.")


if __name__ == "__main__":
    main()
