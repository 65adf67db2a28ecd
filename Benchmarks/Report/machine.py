"""What measurements were made on, and how lines are printed."""

import datetime
import json
import os
import platform
import re
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PACKAGE = os.path.join(ROOT, "Benchmarks")


def fail(text):
    print(f"martlet: {text}", file=sys.stderr)
    sys.exit(1)


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "none"


def swift_version():
    found = re.search(r"Swift version ([\d.]+)", first_line("swift", "--version"))
    return found.group(1) if found else "unknown"


def describe():
    """The machine and the programs that count, for people and for comparing figures."""
    model = "unknown"
    with open("/proc/cpuinfo") as file:
        found = re.search(r"^(?:model name|Model|CPU part)\s*:\s*(.*)$", file.read(), re.MULTILINE)
        if found:
            model = found.group(1).strip()
    if "family" not in model:
        with open("/proc/cpuinfo") as file:
            text = file.read()
        numbers = [re.search(rf"^{name}\s*:\s*(\d+)$", text, re.MULTILINE) for name in ("cpu family", "model")]
        if all(numbers):
            model += f" (family {numbers[0].group(1)}, model {numbers[1].group(1)})"
    virtual = first_line("systemd-detect-virt", "--vm")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    commit = first_line("git", "-C", ROOT, "rev-parse", "--short=12", "HEAD")
    return {
        "processor": model, "processors": os.cpu_count(), "memory": f"{memory:.1f} GiB",
        "virtual": "" if virtual in ("none", "") else virtual, "kernel": platform.release(),
        "architecture": platform.machine(), "swift": swift_version(),
        "openvswitch": first_line("ovs-vswitchd", "--version"), "commit": commit,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "load": round(os.getloadavg()[0], 2),
    }


def build(product):
    """Builds a program of the benchmark package and tells its path."""
    subprocess.run(["swift", "build", "-c", "release", "--product", product], cwd=PACKAGE, stdout=sys.stderr, check=True)
    path = subprocess.run(["swift", "build", "-c", "release", "--show-bin-path"], cwd=PACKAGE, capture_output=True,
                          text=True, check=True).stdout.strip()
    return os.path.join(path, product)


def number(value):
    """Three figures that count."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.2f} M"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def write(path, figures):
    """Writes figures to a file, and what they were measured on."""
    with open(path, "w") as file:
        json.dump({"machine": describe(), **figures}, file, indent=1)
        file.write("\n")
