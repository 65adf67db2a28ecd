"""Switches side by side: Martlet, Open vSwitch's user-space datapath, the kernel's bridge; the same hosts and cables.

The sides take turns, A B C A B C, so that what else the machine does meets all of them. Prints a table of medians and writes
every figure as JSON.

Usage: scripts/side-by-side [--rounds N] [--seconds S] [--json FILE] [--only SIDE,…] [--measure NAME,…]
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Tests", "System"))

import sides  # noqa: E402
from hosts import run, wait_until  # noqa: E402


class Bench:
    """Measurements of one side."""

    def __init__(self, side, generator, seconds):
        self.side, self.generator, self.seconds = side, generator, seconds

    def received(self):
        """Packets that h2's interface has received."""
        out = self.side.world.inside("h2", "cat", "/sys/class/net/eth0/statistics/rx_packets").stdout
        return int(out)

    def tcp(self, streams):
        report = self.side.world.tcp("h1", "h2", "10.78.0.2", "-t", str(self.seconds), "-P", str(streams))
        return report["end"]["sum_received"]["bits_per_second"] / 1e9

    def send(self, size, flows, seconds, rate=0):
        """What the generator did: frames sent, frames that arrived, seconds."""
        before = self.received()
        out = self.side.world.inside("h1", "taskset", "-c", "0", self.generator, "eth0", self.side.address, str(size),
                                     str(flows), str(seconds), str(rate)).stdout.split()
        time.sleep(0.2)
        return int(out[0]), self.received() - before, float(out[1])

    def udp(self, size, flows):
        """Millions of packets a second that arrive, and the seconds of a processor that the switch takes for a million."""
        self.send(size, flows, 1, 20_000)  # the flows are there
        processor = self.side.processor_seconds()
        _, arrived, seconds = self.send(size, flows, self.seconds)
        processor = self.side.processor_seconds() - processor
        return arrived / seconds / 1e6, processor / max(arrived, 1) * 1e6

    def ping(self, loaded):
        """Median and 99th percentile of round trips, in microseconds."""
        load = None
        if loaded:
            world = self.side.world
            load = subprocess.Popen(["ip", "netns", "exec", f"{world.id}-h1", "taskset", "-c", "0", self.generator, "eth0",
                                     self.side.address, "1500", "1", str(self.seconds + 2), "20000"],
                                    stdout=subprocess.DEVNULL)
            time.sleep(0.3)
        try:
            count = self.seconds * 100
            out = self.side.world.inside("h1", "ping", "-c", str(count), "-i", "0.01", "-W", "1", "10.78.0.2",
                                         check=False).stdout
        finally:
            if load:
                load.kill()
                load.wait()
        times = sorted(float(each) * 1000 for each in re.findall(r"time=([\d.]+) ms", out))
        if not times:
            return float("nan"), float("nan")
        return times[len(times) // 2], times[min(len(times) * 99 // 100, len(times) - 1)]

    def setups(self):
        """New flows a second, each with one packet; what arrives is counted."""
        _, arrived, seconds = self.send(64, 0, self.seconds, 100_000)
        return arrived / seconds

    MEASURES = {
        "tcp-1": ("TCP, one stream", "Gbit/s", lambda self: {"": self.tcp(1)}),
        "tcp-8": ("TCP, eight streams", "Gbit/s", lambda self: {"": self.tcp(8)}),
        "udp-64-1": ("UDP 64 B, one flow", "Mpps", lambda self: Bench.pair(self.udp(64, 1))),
        "udp-64-10k": ("UDP 64 B, 10,000 flows", "Mpps", lambda self: Bench.pair(self.udp(64, 10_000))),
        "udp-1500-1": ("UDP 1500 B, one flow", "Mpps", lambda self: Bench.pair(self.udp(1500, 1))),
        "udp-1500-10k": ("UDP 1500 B, 10,000 flows", "Mpps", lambda self: Bench.pair(self.udp(1500, 10_000))),
        "ping-idle": ("ping, idle, median", "µs", lambda self: Bench.tail(self.ping(False))),
        "ping-loaded": ("ping beside 20,000 packets/s, median", "µs", lambda self: Bench.tail(self.ping(True))),
        "setups": ("flows set up by ovs-vswitchd", "1/s", lambda self: {"": self.setups()}),
    }

    @staticmethod
    def pair(values):
        return {"": values[0], "processor": values[1]}

    @staticmethod
    def tail(values):
        return {"": values[0], "p99": values[1]}

    def measure(self, name):
        return self.MEASURES[name][2](self)


def build_generator(directory):
    program = os.path.join(directory, "generate")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "generate.c")
    run("cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source)
    return program


def table(results, names, measures):
    """Lines: a measure, its unit, each side's median, and each side's ratio to the first."""
    width = max(len(Bench.MEASURES[name][0]) for name in measures) + 2
    head = f"{'':{width}}{'':8}" + "".join(f"{name:>12}" for name in names)
    if len(names) > 1:
        head += "   " + names[0] + " against " + ", ".join(names[1:])
    lines = [head]
    for measure in measures:
        title, unit, _ = Bench.MEASURES[measure]
        medians = []
        for name in names:
            values = [each[""] for each in results[name].get(measure, [])]
            medians.append(statistics.median(values) if values else None)
        line = f"{title:{width}}{unit:8}" + "".join(
            f"{'-':>12}" if value is None else f"{value:>12.3f}" if value < 100 else f"{value:>12.0f}" for value in medians)
        if medians[0] is not None:
            line += "   " + ", ".join("-" if value in (None, 0) else f"{medians[0] / value:.2f}" for value in medians[1:])
        lines.append(line)
    return lines


def main():
    parser = argparse.ArgumentParser(prog="side-by-side", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each side has its turn (3)")
    parser.add_argument("--seconds", type=int, default=4, help="how long each measurement takes (4)")
    parser.add_argument("--json", metavar="FILE", help="write every figure to a file")
    parser.add_argument("--only", metavar="SIDE,…", help="sides: " + ", ".join(side.name for side in sides.ALL))
    parser.add_argument("--measure", metavar="NAME,…", help="measurements: " + ", ".join(Bench.MEASURES))
    options = parser.parse_args()

    def chosen(text, there):
        wanted = text.split(",") if text else list(there)
        for name in wanted:
            if name not in there:
                parser.error(f"there is no {name}; there are: {', '.join(there)}")
        return wanted

    classes = {side.name: side for side in sides.ALL}
    names = chosen(options.only, classes)
    measures = chosen(options.measure, Bench.MEASURES)
    results = {name: {} for name in names}
    for turn in range(options.rounds):
        for name in names:
            side = classes[name]()
            try:
                bench = Bench(side, build_generator(side.world.directory), options.seconds)
                for measure in measures:
                    if measure == "setups" and name == "bridge":
                        continue
                    print(f"round {turn + 1} of {options.rounds}: {name}: {Bench.MEASURES[measure][0]} …", end=" ",
                          file=sys.stderr, flush=True)
                    value = bench.measure(measure)
                    results[name].setdefault(measure, []).append(value)
                    print(", ".join(f"{part + ' ' if part else ''}{number:.3f}" for part, number in value.items()),
                          file=sys.stderr, flush=True)
            finally:
                side.close()
    print("\n".join(table(results, names, measures)))
    if options.json:
        document = {"machine": {"processors": os.cpu_count(), "kernel": platform.release()},
                    "openvswitch": run("ovs-vswitchd", "--version").stdout.splitlines()[0],
                    "rounds": options.rounds, "seconds": options.seconds, "results": results}
        with open(options.json, "w") as file:
            json.dump(document, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
