"""Writes the figures of a run into docs/performance.md, between its markers, and draws its plots.

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
from machine import fail, number

sys.path.insert(0, os.path.join(machine.PACKAGE, "SideBySide"))

import table  # noqa: E402

DOCUMENT = os.path.join(machine.ROOT, "docs", "performance.md")
PLOTS = os.path.join(machine.ROOT, "docs", "performance")
GIBIBYTE = 2**30


def read(directory, name):
    try:
        with open(os.path.join(directory, name + ".json")) as file:
            return json.load(file)
    except OSError as error:
        fail(f"there are no figures: {error}; scripts/bench makes them")


def markdown(heads, rows):
    return ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)] + [
        "| " + " | ".join(row) + " |" for row in rows]


def machine_text(documents):
    """What the figures are of. The documents may be of several days."""
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


def aims_text(micro_document, growth_document, side_document):
    """All aims, each with what became of it."""
    rows = []
    for case in micro_document["cases"]:
        if "aim" in case:
            rows.append((case["case"], f"at most {case['aim']:g} ns", f"{number(case['best'])} ns",
                         "met" if case["best"] <= case["aim"] else "**missed**"))
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
    return markdown(growth.HEADS[what], [growth.cells(what, point) for point in document[what]])


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
    directory = sys.argv[1]
    documents = [read(directory, name) for name in ("micro", "growth", "side-by-side")]
    micro_document, growth_document, side_document = documents
    with open(DOCUMENT) as file:
        text = file.read()
    text = replace(text, "machine", machine_text(documents))
    text = replace(text, "aims", aims_text(*documents))
    text = replace(text, "micro", micro_text(micro_document))
    for what in growth.HEADS:
        text = replace(text, what, growth_text(growth_document, what))
    text = replace(text, "side-by-side", side_text(side_document))
    with open(DOCUMENT, "w") as file:
        file.write(text)
    draw(growth_document)
    print("docs/performance.md and its plots are renewed.")


if __name__ == "__main__":
    main()
