"""Switches side by side: Martlet, Open vSwitch's user-space datapath, the kernel's bridge; the same hosts and cables.

The sides take turns, A B C A B C, so that what else the machine does meets all of them. Prints a table of medians, with what
was least and most, with ratios and aims, and writes every figure as JSON.

Of packets it prints what the generator offered. CPU seconds for a gigabyte or a million packets are those of the switch's
processes, and those of the whole machine, generator and hosts included: what the kernel does for a switch in interrupts is
nobody's process.

Usage: scripts/side-by-side [--rounds N] [--seconds S] [--json FILE] [--only SIDE,…] [--measure NAME,…]
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "Tests", "System"))
sys.path.insert(0, os.path.join(HERE, "..", "Report"))

import machine  # noqa: E402
import sides  # noqa: E402
import table  # noqa: E402
from hosts import World, run  # noqa: E402


class Bench:
    """Measurements of one side."""

    def __init__(self, side, generator, seconds):
        self.side, self.generator, self.seconds = side, generator, seconds

    def received(self):
        """Packets that h2's interface has received."""
        out = self.side.world.inside("h2", "cat", "/sys/class/net/eth0/statistics/rx_packets").stdout
        return int(out)

    def clocks(self):
        """Seconds that the processors have worked: for each of the switch's processes, and all together."""
        return self.side.processor_seconds(), machine_seconds()

    def worked(self, since, amount):
        """Seconds that they have worked since then, for each unit of an amount."""
        processes, machine_ = ([after - before for before, after in zip(since[0], self.side.processor_seconds())],
                               machine_seconds() - since[1])
        values = {"machine": machine_ / amount}
        if processes:
            values["processor"] = sum(processes) / amount
        if len(processes) > 1:
            values["vswitchd"] = processes[0] / amount
        return values

    def tcp(self, streams):
        """Gbit/s that arrive, and seconds of processors for a gigabyte."""
        since = self.clocks()
        report = self.side.world.tcp("h1", "h2", "10.78.0.2", "-t", str(self.seconds), "-P", str(streams))
        received = report["end"]["sum_received"]
        return {"": received["bits_per_second"] / 1e9, **self.worked(since, max(received["bytes"], 1) / 1e9)}

    def send(self, size, flows, seconds, rate=0):
        """What the generator did: frames sent, frames that arrived, seconds."""
        before = self.received()
        out = self.side.world.inside("h1", "taskset", "-c", "0", self.generator, "eth0", self.side.address, str(size),
                                     str(flows), str(seconds), str(rate)).stdout.split()
        time.sleep(0.2)
        return int(out[0]), self.received() - before, float(out[1])

    def udp(self, size, flows):
        """Millions of packets a second that arrive and that were offered, and seconds of processors for a million."""
        # The host would answer each with an ICMP error, on the processors that the switch needs.
        with dropping(self.side.world, "h2", "eth0"):
            self.send(size, flows, 1, 20_000)  # the flows are there
            since = self.clocks()
            sent, arrived, seconds = self.send(size, flows, self.seconds)
            work = self.worked(since, max(arrived, 1) / 1e6)
        return {"": arrived / seconds / 1e6, "offered": sent / seconds / 1e6, **work}

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
            return {"": float("nan"), "p99": float("nan")}
        return {"": times[len(times) // 2], "p99": times[min(len(times) * 99 // 100, len(times) - 1)]}

    def setups(self, rate):
        """Flows a second that are then in the datapath, where each packet is of a new one; packets a second that arrive;
        seconds of processors for a million flows."""
        self.side.forget_flows()
        before = self.side.flows()
        since = self.clocks()
        with dropping(self.side.world, "h2", "eth0"):
            _, arrived, seconds = self.send(64, 0, self.seconds, rate)
            # None of them has gone yet: ovs-vswitchd keeps a flow for ten seconds.
            flows = self.side.flows() - before
            work = self.worked(since, max(flows, 1) / 1e6)
        return {"": flows / seconds, "arrived": arrived / seconds, **work}

    MEASURES = {
        "tcp-1": lambda self: self.tcp(1),
        "tcp-8": lambda self: self.tcp(8),
        "udp-64-1": lambda self: self.udp(64, 1),
        "udp-64-10k": lambda self: self.udp(64, 10_000),
        "udp-1500-1": lambda self: self.udp(1500, 1),
        "udp-1500-10k": lambda self: self.udp(1500, 10_000),
        "ping-idle": lambda self: self.ping(False),
        "ping-loaded": lambda self: self.ping(True),
        "setups-20k": lambda self: self.setups(20_000),
        "setups": lambda self: self.setups(100_000),
    }

    def measure(self, name):
        return self.MEASURES[name](self)


def machine_seconds():
    """Seconds that all processors together have worked, whoever for."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, interrupts, soft = map(int, file.readline().split()[1:8])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def build_generator(directory):
    program = os.path.join(directory, "generate")
    run("cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, os.path.join(HERE, "generate.c"))
    return program


@contextlib.contextmanager
def dropping(world, host, interface):
    """All that an interface receives is counted, and dropped before the host sees it."""
    process = subprocess.Popen(["ip", "netns", "exec", f"{world.id}-{host}", sys.executable, "-B",
                                os.path.join(HERE, "drop.py"), interface], stdout=subprocess.PIPE)
    try:
        if process.stdout.readline() != b"ready\n":
            raise AssertionError(f"the frames that {interface} receives cannot be dropped")
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def generator_limit(seconds):
    """Millions of packets a second that the generator sends into a cable whose other end drops them at once, by size."""
    world = World()
    try:
        world.plug("h1", 1)
        generator = build_generator(world.directory)
        limit = {}
        with dropping(world, "sw", "p1"):
            for size in (64, 1500):
                out = world.inside("h1", "taskset", "-c", "0", generator, "eth0", "02:00:00:00:00:99", str(size), "1",
                                   str(seconds)).stdout.split()
                limit[size] = int(out[0]) / float(out[1]) / 1e6
        return limit
    finally:
        world.close()


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
    titles = {row.measure: row.title for row in table.ROWS if row.part == ""}
    limit = {}
    if any(measure.startswith("udp") for measure in measures):
        print("what the generator can offer …", end=" ", file=sys.stderr, flush=True)
        limit = generator_limit(options.seconds)
        print(", ".join(f"{size} B: {rate:.3f} Mpps" for size, rate in limit.items()), file=sys.stderr, flush=True)
    begin = time.monotonic()
    print("this takes about "
          f"{options.rounds * len(names) * (len(measures) * (options.seconds + 1.5) + 8) / 60:.0f} minutes", file=sys.stderr)
    for turn in range(options.rounds):
        for name in names:
            side = classes[name]()
            try:
                bench = Bench(side, build_generator(side.world.directory), options.seconds)
                for measure in measures:
                    if measure.startswith("setups") and name == "bridge":
                        continue
                    passed = time.monotonic() - begin
                    print(f"[{passed // 60:2.0f}:{passed % 60:02.0f}] round {turn + 1} of {options.rounds}: {name}: {titles[measure]} …", end=" ",
                          file=sys.stderr, flush=True)
                    value = bench.measure(measure)
                    results[name].setdefault(measure, []).append(value)
                    print(", ".join(f"{part + ' ' if part else ''}{number:.3f}" for part, number in value.items()),
                          file=sys.stderr, flush=True)
            finally:
                side.close()
    print("\n".join(table.plain(results, names)))
    if limit:
        print(f"The generator offers {limit[64]:.3f} Mpps of 64 B and {limit[1500]:.3f} Mpps of 1500 B to a cable whose other end "
              "drops them at once.")
    if options.json:
        machine.write(options.json, {"rounds": options.rounds, "seconds": options.seconds, "generator": limit,
                                     "results": results})


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
