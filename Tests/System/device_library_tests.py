"""The device for C programs: what `make install` puts where, the library's own tests, and the examples in C and Python."""

import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile

from hosts import ROOT, run, wait_until
from system_tests import SystemTest
from wire import Wire

# An EtherType for experiments, and frames of it.
EXPERIMENTAL = b"\x88\xb5"


def frame(length, protocol=EXPERIMENTAL):
    return b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x01" + protocol + bytes(length - 14)


class InstalledLibrary(SystemTest):
    """A world, and the library as `make install` puts it."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="martlet-library-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        os.chmod(cls.directory, 0o755)
        cls.destination = os.path.join(cls.directory, "root")
        run("make", "-C", ROOT, "install-device-library", f"DESTDIR={cls.destination}", "PREFIX=/usr/local")
        cls.prefix = os.path.join(cls.destination, "usr/local")
        cls.libraries = os.path.join(cls.prefix, "lib")
        cls.environment = {
            **os.environ, "PKG_CONFIG_PATH": os.path.join(cls.libraries, "pkgconfig"),
            "PKG_CONFIG_SYSROOT_DIR": cls.destination,
        }

    @classmethod
    def package(cls, *options):
        return run("pkg-config", *options, "martlet-device", env=cls.environment).stdout.split()

    @classmethod
    def build_example(cls):
        """The installed example, built as a reader does, and with the static library. Returns the two programs."""
        directory = os.path.join(cls.directory, "example")
        if not os.path.isdir(directory):
            shutil.copytree(os.path.join(cls.prefix, "share/doc/martlet/examples/c"), directory)
            run("make", "-C", directory, "CFLAGS=-O1 -g -Wall -Wextra -Werror -pedantic", env=cls.environment)
            run("cc", "-Wall", "-Wextra", "-Werror", *cls.package("--cflags"), "-o", os.path.join(directory, "static"),
                os.path.join(directory, "watch.c"), os.path.join(cls.libraries, "libmartlet-device.a"), "-pthread")
        return os.path.join(directory, "watch"), os.path.join(directory, "static")


class DeviceLibrary(InstalledLibrary):
    def functions(self):
        with open(os.path.join(self.prefix, "include/martlet/device.h")) as header:
            return set(re.findall(r"^MARTLET_API .*?(martlet_\w+)\(", header.read(), re.M))

    def test_what_is_installed(self):
        found = {os.path.relpath(os.path.join(folder, name), self.prefix)
                 for folder, _, names in os.walk(self.destination) for name in names}
        self.assertEqual(found, {
            "include/martlet/device.h", "include/martlet/device-numbers.h", "lib/libmartlet-device.so",
            "lib/libmartlet-device.so.1", "lib/libmartlet-device.a", "lib/pkgconfig/martlet-device.pc",
            "share/man/man3/martlet-device.3", "share/doc/martlet/device.md",
            "share/doc/martlet/examples/c/watch.c", "share/doc/martlet/examples/c/Makefile",
            "share/doc/martlet/examples/python/watch.py"})
        self.assertEqual(os.readlink(os.path.join(self.libraries, "libmartlet-device.so")), "libmartlet-device.so.1")
        self.assertRegex(self.package("--modversion")[0], r"^\d+\.\d+\.\d+$")
        self.assertIn(f"-I{self.prefix}/include", self.package("--cflags"))
        self.assertEqual(self.package("--libs"), [f"-L{self.libraries}", "-lmartlet-device"])
        self.package("--validate")

    def test_only_the_interface_is_exported(self):
        functions = self.functions()
        self.assertEqual(len(functions), 13)
        for options, name in ((["-D"], "libmartlet-device.so.1"), (["-g"], "libmartlet-device.a")):
            listing = run("nm", *options, "--defined-only", os.path.join(self.libraries, name)).stdout
            self.assertEqual(set(re.findall(r"^[0-9a-f]+ \w (\w+)$", listing, re.M)), functions, name)

    def test_needs_only_the_c_library(self):
        sections = run("objdump", "-p", os.path.join(self.libraries, "libmartlet-device.so.1")).stdout
        self.assertIn("libmartlet-device.so.1", re.findall(r"SONAME +(\S+)", sections))
        needed = re.findall(r"NEEDED +(\S+)", sections)
        self.assertIn("libc.so.6", needed)
        # The loader is part of the C library.
        self.assertEqual([name for name in needed if not re.match(r"(libc|ld-linux[-\w]*)\.so\.\d+$", name)], [])

    def test_header_in_strict_c_and_in_cpp(self):
        source = '#include <martlet/device.h>\n' \
            'int main(void) { return martlet_device_access(0) == 0 && MARTLET_CTL_CODE(0x802, 0, 1) == MARTLET_IOCTL_PEND' \
            ' && sizeof(struct martlet_message) == 24 ? 0 : 1; }\n'
        strict = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
        program = os.path.join(self.directory, "strict")
        for compiler, language, standard in (
                ("cc", "c", "c99"), ("cc", "c", "c11"), ("clang", "c", "c99"), ("g++", "c++", "c++11"),
                ("g++", "c++", "c++20"), ("clang++", "c++", "c++17")):
            if shutil.which(compiler) is None and compiler.startswith("clang"):
                continue
            # clang++ of Swift's toolchain may lack a standard library for C++; the header needs none.
            run(compiler, f"-std={standard}", *strict, "-x", language, *self.package("--cflags"), "-c", "-o",
                program + ".o", "-", input=source)
            run("cc", "-o", program, program + ".o", *self.package("--libs"))
            run(program, env={**os.environ, "LD_LIBRARY_PATH": self.libraries})

    def test_manual_page(self):
        page = os.path.join(self.prefix, "share/man/man3/martlet-device.3")
        result = run("groff", "-ww", "-man", "-Tutf8", "-P-cbou", page)
        self.assertEqual(result.stderr, "")
        for function in self.functions():
            self.assertIn(function, result.stdout)

    def test_right_and_wrong_devices_with_sanitizers(self):
        out = run(os.path.join(ROOT, "scripts/test-device-library"), timeout=600).stdout
        self.assertEqual(len(re.findall(r"^==== sanitizers: \S+$", out, re.M)), 3)
        self.assertEqual(len(re.findall(": passed$", out, re.M)), 3 * 26, out)

    def test_threads_with_a_datapath(self):
        program = os.path.join(self.directory, "tests")
        run("cc", "-std=gnu11", "-O1", "-g", "-pthread", "-fsanitize=thread", f"-I{ROOT}/Sources/CDevice/include",
            "-o", program, *glob.glob(os.path.join(ROOT, "Tests/DeviceLibrary/*.c")),
            *glob.glob(os.path.join(ROOT, "Sources/CDevice/*.c")))
        self.world.daemon("run")
        self.world.inside("sw", "env", f"MARTLET_SOCKET={self.world.socket}", program, "real_device", timeout=120)


class DeviceExamples(InstalledLibrary):
    """`watch`, in C with the shared and the static library, and in Python."""

    def setUp(self):
        super().setUp()
        shared, static = self.build_example()
        script = os.path.join(self.prefix, "share/doc/martlet/examples/python/watch.py")
        self.commands = [[shared], [static], [script]]

    def watch(self, command, *arguments):
        """Starts one and waits until it has dumped what there is."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", f"{self.world.id}-sw", "env", f"MARTLET_SOCKET={self.world.socket}",
             f"LD_LIBRARY_PATH={self.libraries}", *command, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.world.processes.append(process)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line == "watching\n":
                break
        return process, "".join(lines)

    def interrupt(self, process):
        """Ctrl-C. Returns what it has printed since."""
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        self.assertIn(process.returncode, (0, -signal.SIGINT), out)
        self.assertNotIn("Traceback", out)
        return out

    def test_ports_flows_events_and_misses(self):
        world = self.world
        for number in (1, 2):
            world.plug(f"h{number}", number)
        world.daemon("run")
        world.dpctl("add-dp", "dp0")
        world.dpctl("add-if", "dp0", "p1")
        world.dpctl("add-flow", "dp0", "in_port(1),eth(),eth_type(0x88b5)", "0")
        wire = Wire(f"{world.id}-h1", "eth0")
        self.addCleanup(wire.close)
        wire.send(*[frame(100)] * 3)
        wait_until("the flow has three packets", lambda: "packets:3" in world.dpctl("dump-flows", "dp0").stdout)
        watching = [self.watch(command) for command in self.commands]
        for _, first in watching:
            self.assertRegex(first, r"^dp0\n  port 0: dp0\n  port 1: p1\n"
                             r"  flow: key of \d+ bytes, actions of 8, 3 packets, 300 bytes\nwatching\n$")
        world.dpctl("add-if", "dp0", "p2")
        wire.send(frame(77, b"\x88\xb6"))
        world.dpctl("del-if", "dp0", "p2")
        for process, _ in watching:
            lines = []
            # The host's own packets are misses as well.
            while not lines or not {"gone  port 2: p2", "miss  port 1: 77 bytes"} <= set(lines):
                lines.append(process.stdout.readline().rstrip("\n"))
                self.assertNotEqual(lines[-1], "", lines)
            self.assertLess(lines.index("new  port 2: p2"), lines.index("gone  port 2: p2"))
            for line in lines:
                self.assertRegex(line, r"^((new|gone)  port 2: p2|miss  port [12]: \d+ bytes)$")
            self.interrupt(process)

    def test_ends_after_so_many_lines(self):
        world = self.world
        world.plug("h1", 1)
        world.daemon("run")
        world.dpctl("add-dp", "dp0")
        watching = [self.watch(command, "--count", "2") for command in self.commands]
        for verb in ("add-if", "del-if", "add-if", "del-if"):
            world.dpctl(verb, "dp0", "p1")
        for process, _ in watching:
            out, _ = process.communicate(timeout=20)
            self.assertEqual((process.returncode, len(out.splitlines())), (0, 2), out)

    def test_a_switch_is_not_disturbed(self):
        world = self.world
        for number in (1, 2):
            world.plug(f"h{number}", number)
        world.daemon("up", "br0", "p1", "p2")
        watching = [self.watch(command) for command in self.commands]
        world.ping("h1", "10.78.0.2", 100)
        for process, first in watching:
            self.assertIn("br0\n", first)
            # The bridge has got its misses, and these a copy.
            self.assertIn("miss  port ", self.interrupt(process))

    def test_says_what_is_wrong(self):
        world = self.world
        _, first = self.watch(self.commands[0])
        self.assertIn(f"no datapath is running at {world.socket}: start one with `martlet run`", first)
        daemon = world.daemon("run")
        for command in self.commands[:2]:
            process, first = self.watch(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command])
            self.assertIn(f"permission to use the device at {world.socket} denied: run this as root", first)
            self.assertEqual(process.wait(timeout=20), 1)
        watching = [self.watch(command)[0] for command in self.commands]
        daemon.kill()
        for process, words in zip(watching, ("has gone away", "has gone away", "has ended")):
            out, _ = process.communicate(timeout=20)
            self.assertIn(words, out)
            self.assertEqual(process.returncode, 1)
