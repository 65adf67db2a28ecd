"""From the figures of all rounds to a table: medians, their spread, ratios and aims."""

import statistics
from typing import NamedTuple


class Row(NamedTuple):
    """A line of the table: a part of what a measurement gives."""

    measure: str
    part: str
    title: str
    unit: str
    # At least so many times the other side's figure.
    aims: dict = {}


TCP_AIMS = {"ovs": 10, "ovs-tso": 1.1, "bridge": 0.8}
PACKET_AIMS = {"ovs": 3}


def processor_rows(measure, unit):
    return [Row(measure, "processor", "  CPU of the switch's processes", unit),
            Row(measure, "vswitchd", "  of it ovs-vswitchd's", unit),
            Row(measure, "machine", "  CPU of the whole machine", unit)]


def tcp_rows(measure, title):
    return [Row(measure, "", title, "Gbit/s", TCP_AIMS), *processor_rows(measure, "s/GB")]


def packet_rows(measure, title, aims={}):
    return [Row(measure, "", title, "Mpps", aims), Row(measure, "offered", "  offered by the generator", "Mpps"),
            *processor_rows(measure, "s/Mpkt")]


def setup_rows(measure, title, aims={}):
    return [Row(measure, "", title, "1/s", aims), Row(measure, "arrived", "  packets that arrived", "1/s"),
            *processor_rows(measure, "s/Mflow")]


ROWS = [
    *tcp_rows("tcp-1", "TCP, one stream"),
    *tcp_rows("tcp-8", "TCP, eight streams"),
    *packet_rows("udp-64-1", "UDP 64 B, one flow", PACKET_AIMS),
    *packet_rows("udp-64-10k", "UDP 64 B, 10,000 flows", PACKET_AIMS),
    *packet_rows("udp-1500-1", "UDP 1500 B, one flow"),
    *packet_rows("udp-1500-10k", "UDP 1500 B, 10,000 flows"),
    Row("ping-idle", "", "ping, idle, median", "µs"),
    Row("ping-idle", "p99", "  99th percentile", "µs"),
    Row("ping-loaded", "", "ping beside 20,000 packets/s, median", "µs"),
    Row("ping-loaded", "p99", "  99th percentile", "µs"),
    *setup_rows("setups-20k", "flows set up, 20,000 a second offered"),
    *setup_rows("setups", "flows set up, 100,000 a second offered", {"ovs": 1}),
]

# If so much of what was offered arrives, the switch could perhaps do more.
GENERATOR_BOUND = 0.9


class Cell(NamedTuple):
    median: float
    least: float
    most: float
    is_generator_bound: bool

    def text(self):
        return figure(self.median) + ("*" if self.is_generator_bound else "")

    def spread(self):
        return f"{figure(self.least)}…{figure(self.most)}"


class Line(NamedTuple):
    """A row with its cells, None where a side has none, and what the first side is beside the others."""

    row: Row
    cells: list
    ratios: list


def figure(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3f}"


def lines(results, names):
    """The lines for which there are figures."""
    found = []
    for row in ROWS:
        cells = [cell(results[name], row) for name in names]
        if any(each is not None for each in cells):
            ratios = [] if row.part else [ratio(row, cells[0], name, other)
                                          for name, other in zip(names[1:], cells[1:])]
            found.append(Line(row, cells, [each for each in ratios if each]))
    return found


def cell(measures, row):
    rounds = measures.get(row.measure, [])
    values = [each[row.part] for each in rounds if row.part in each]
    values = [value for value in values if value == value]
    if not values:
        return None
    bound = False
    if row.part == "" and rounds and "offered" in rounds[0]:
        bound = statistics.median(each[""] / each["offered"] for each in rounds) >= GENERATOR_BOUND
    return Cell(statistics.median(values), min(values), max(values), bound)


def ratio(row, first, name, other):
    """Such as `11.2 × ovs (aim 10: met)`, or None."""
    if first is None or other is None or other.median == 0:
        return None
    value = first.median / other.median
    text = f"{value:.2f} × {name}"
    if name in row.aims:
        text += f" (aim {row.aims[name]:g}: {'met' if value >= row.aims[name] else 'missed'})"
    return text


def plain(results, names):
    """For a terminal. Under each median is its spread."""
    found = lines(results, names)
    width = max(len(line.row.title) for line in found) + 2
    head = f"{'':{width}}{'':8}" + "".join(f"{name:>15}" for name in names)
    if len(names) > 1:
        head += f"   {names[0]} is"
    printed = [head]
    for line in found:
        text = f"{line.row.title:{width}}{line.row.unit:8}" + "".join(
            f"{'-' if each is None else each.text():>15}" for each in line.cells)
        printed.append((text + "   " + ", ".join(line.ratios)).rstrip())
        if line.row.part == "":
            printed.append((f"{'  least … most':{width}}{'':8}" + "".join(
                f"{'' if each is None else each.spread():>15}" for each in line.cells)).rstrip())
    if any(each and each.is_generator_bound for line in found for each in line.cells):
        printed.append(f"* generator-bound: {GENERATOR_BOUND:.0%} or more of what was offered arrived; the switch may do more.")
    return printed


def markdown(results, names):
    """For a document. The spread is in the cell."""
    found = lines(results, names)
    printed = ["| | unit | " + " | ".join(names) + f" | {names[0]} is |", "|---|---|" + "---:|" * len(names) + "---|"]
    for line in found:
        cells = []
        for each in line.cells:
            text = "" if each is None else each.text()
            if each is not None and line.row.part == "":
                text += f"<br><sub>{each.spread()}</sub>"
            cells.append(text)
        title = line.row.title.strip()
        printed.append(f"| {title if line.row.part == '' else '… ' + title} | {line.row.unit} | " + " | ".join(cells)
                       + f" | {'<br>'.join(line.ratios)} |")
    return printed
