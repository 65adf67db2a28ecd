"""Hosts and switches for the system tests: network namespaces, cables, and Martlet processes.

Everything made here is removed by `World.close`, which also runs when a test fails or is interrupted.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

MARTLET = os.environ["MARTLET"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(*command, check=True, timeout=60, **options):
    """Runs a command and returns what it printed; a failure shows both."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result


def wait_until(what, condition, seconds=20):
    """Waits until a condition holds and returns how many seconds it took."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)
    return time.monotonic() - begin


def answered(output, count):
    """Which of the first `count` packets were answered, as ping printed it."""
    numbers = {int(number) for number in re.findall(r"icmp_seq=(\d+) .*time=", output)}
    return {number for number in numbers if number <= count}


class World:
    """A switch's namespace and hosts around it."""

    count = 0

    def __init__(self):
        World.count += 1
        self.id = f"mts{os.getpid()}x{World.count}"
        self.directory = tempfile.mkdtemp(prefix="martlet-test-")
        os.chmod(self.directory, 0o755)
        self.socket = os.path.join(self.directory, "device.sock")
        self.names = []
        self.processes = []
        self.add("sw")

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    # Namespaces and cables

    def add(self, host):
        name = f"{self.id}-{host}"
        run("ip", "netns", "add", name)
        self.names.append(name)
        self.inside(host, "ip", "link", "set", "lo", "up")

    def remove(self, host):
        """A namespace goes, and its end of every cable."""
        name = f"{self.id}-{host}"
        run("ip", "netns", "del", name)
        self.names.remove(name)

    def inside(self, host, *command, **options):
        return run("ip", "netns", "exec", f"{self.id}-{host}", *command, **options)

    def plug(self, host, number):
        """A host with 10.78.0.NUMBER and fd78::NUMBER, its cable's other end pNUMBER at the switch."""
        self.add(host)
        run("ip", "link", "add", "eth0", "netns", f"{self.id}-{host}", "type", "veth",
            "peer", "name", f"p{number}", "netns", f"{self.id}-sw")
        self.inside(host, "ip", "addr", "add", f"10.78.0.{number}/24", "dev", "eth0")
        self.inside(host, "ip", "addr", "add", f"fd78::{number}/64", "dev", "eth0", "nodad")
        self.inside(host, "ip", "link", "set", "eth0", "up")
        self.inside("sw", "ip", "link", "set", f"p{number}", "up")

    def mac(self, host):
        return json.loads(self.inside(host, "ip", "-j", "link", "show", "eth0").stdout)[0]["address"]

    def ping(self, host, address, count=20, check=True):
        """Pings and returns how many of the first `count` packets were not answered.

        A ping without a deadline gives the last answers no more time than the others took. With one it goes on until
        it has `count` answers.
        """
        out = self.inside(host, "ping", "-c", str(count), "-i", "0.01", "-w", str(1 + count // 50), address,
                          check=False).stdout
        lost = count - len(answered(out, count))
        if check and lost:
            raise AssertionError(f"{host} to {address}: {lost} of {count} lost\n{out}")
        return lost

    def tcp(self, client, server, address, *options):
        """Sends TCP with iperf3 and returns its report."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", f"{self.id}-{server}", "iperf3", "-s", "-1"], stdout=subprocess.DEVNULL)
        self.processes.append(process)
        wait_until("iperf3 listens", lambda: self.inside(server, "ss", "-Hltn", "sport = :5201").stdout.strip() != "")
        report = json.loads(self.inside(client, "iperf3", "-J", "-c", address, *options).stdout)
        process.wait(timeout=20)
        return report

    def links(self):
        return {link["ifname"]: link for link in
                json.loads(self.inside("sw", "ip", "-j", "-d", "link", "show").stdout)}

    # Martlet

    def start(self, *arguments, host="sw", before=(), **options):
        """Starts a Martlet command in a namespace; `before` is a program that starts it, and its options."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", f"{self.id}-{host}", *before, MARTLET, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
        self.processes.append(process)
        return process

    def daemon(self, *arguments, **options):
        """Starts `martlet up` or `martlet run`, as `start` does, and waits until it can be asked."""
        process = self.start(*arguments, "--socket", self.socket, **options)

        def answers():
            if process.poll() is not None:
                raise AssertionError(f"martlet ended: {process.stdout.read()}")
            return self.dpctl("dump-dps", check=False).returncode == 0

        wait_until("martlet answers", answers)
        return process

    def monitor(self, *arguments):
        """Starts `martlet monitor --json` and waits until it watches. `Monitor.events` ends it."""
        return Monitor(self.start("monitor", "--socket", self.socket, "--json", *arguments))

    def dpctl(self, *arguments, check=True, **options):
        return self.inside("sw", MARTLET, "dpctl", "--socket", self.socket, *arguments, check=check, **options)

    def end(self, process, number=signal.SIGINT):
        """Ends a process and returns its exit status and what it printed."""
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
        return process.returncode, out


class Monitor:
    """A `martlet monitor --json`. What it prints is taken at once, as a pipe that nobody reads is full soon."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        # In one pipe with the events, and before them.
        greeting = process.stdout.readline()
        if "watching the datapath" not in greeting:
            raise AssertionError(f"the monitor does not watch: {greeting}{process.stdout.read()}")
        self.reader = threading.Thread(target=lambda: self.lines.extend(process.stdout), daemon=True)
        self.reader.start()

    def events(self):
        """Ends it as Ctrl-C does; returns all that it told."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=20)
        self.reader.join()
        if status != 0:
            raise AssertionError(f"the monitor ended with {status}: {self.lines[-3:]}")
        return [json.loads(line) for line in self.lines]
