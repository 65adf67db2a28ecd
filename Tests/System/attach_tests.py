"""The library that `martlet attach` loads, with programs in C and of Open vSwitch that do not know of it."""

import glob
import os
import shutil
import socket
import subprocess
import tempfile

from hosts import MARTLET, ROOT, run
from system_tests import SystemTest

LIBRARY = os.path.join(os.path.dirname(MARTLET), "libmartlet-attach.so")

# What holds for every socket, the kernel's own and those of the library; what only Martlet answers.
SOCKETS = """addresses binding transactions errors several_messages peeking_and_truncation small_pieces batches waiting
    dumps memberships""".split()
DESCRIPTORS = """duplicates replacing ranges fork fork_of_fork bare_clone vfork spawn threads_with_sockets_of_their_own
    threads_with_one_socket closing_meanwhile cancelling private_numbers""".split()
DATAPATH = """families long_dump dump_with_a_small_queue busy transaction_during_a_dump lost_reply lost_events events
    events_after_fork upcall upcalls_together upcalls_among_others upcalls_of_threads upcalls_after_fork
    lost_upcalls foreign_group taken_port_id""".split()


class AttachTest(SystemTest):
    """A world with the test program in it."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="martlet-attach-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        os.chmod(cls.directory, 0o755)
        cls.program = os.path.join(cls.directory, "attach-test")
        run("cc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread",
            "-o", cls.program, *glob.glob(os.path.join(ROOT, "Tests/Attach/*.c")))
        if not os.path.exists(LIBRARY):
            run(os.path.join(ROOT, "scripts/build-attach"), os.path.dirname(LIBRARY))

    @property
    def variables(self):
        return "env", f"LD_PRELOAD={LIBRARY}", f"MARTLET_SOCKET={self.world.socket}"

    def attached(self, *command, host="sw", **options):
        """Runs a program with the library and returns what it printed."""
        return self.world.inside(host, *self.variables, *command, **options)

    def begin(self, *names):
        """Starts the test program; it can be talked to."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", f"{self.world.id}-sw", *self.variables, self.program, *names],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.world.processes.append(process)
        self.addCleanup(process.stdin.close)
        return process

    def kill(self, daemon):
        daemon.kill()
        daemon.wait(timeout=20)
        daemon.stdout.close()


class AttachLibrary(AttachTest):
    """What the library is made of."""

    def test_needs_libc_alone_and_exports_what_it_intercepts(self):
        needed = [line for line in run("readelf", "-d", LIBRARY).stdout.splitlines() if "NEEDED" in line]
        self.assertEqual(len(needed), 1, needed)
        self.assertIn("[libc.so.6]", needed[0])
        exported = {line.split()[-1] for line in run("nm", "-D", "--defined-only", LIBRARY).stdout.splitlines()}
        self.assertEqual(exported, set("""socket bind connect getpeername setsockopt getsockopt
            send sendto sendmsg sendmmsg write writev recv recvfrom recvmsg recvmmsg read readv
            __recv_chk __recvfrom_chk __read_chk close close_range closefrom dup dup2 dup3 fcntl fcntl64""".split()))


class AttachSockets(AttachTest):
    """Attached sockets are used as any others are, and cannot be told from the kernel's."""

    def test_1_the_kernels_own(self):
        self.world.inside("sw", self.program, *SOCKETS, *DESCRIPTORS, timeout=300)

    def test_2_attached(self):
        self.world.daemon("run")
        self.attached(self.program, *SOCKETS, *DESCRIPTORS, timeout=300)

    def test_3_loaded_without_a_datapath(self):
        result = self.attached(self.program, *SOCKETS, *DESCRIPTORS, timeout=300)
        self.assertIn("nobody listens", result.stderr)


class AttachDatapath(AttachTest):
    """What Martlet answers."""

    def test_everything(self):
        self.world.daemon("run")
        self.attached(self.program, *DATAPATH, timeout=300)
        # Nothing of it stays.
        self.assertEqual(self.world.dpctl("dump-dps").stdout, "")


class AttachLife(AttachTest):
    """Martlet is there, or not, or not any more."""

    def family(self, host="sw", **options):
        result = self.attached(self.program, "family", host=host, **options)
        return result.stdout.splitlines(), result.stderr.splitlines()

    def test_without_martlet_there_is_one_line_and_no_family(self):
        found, said = self.family()
        self.assertEqual(found, ["No such file or directory"] * 3)
        self.assertEqual(len(said), 1, said)
        self.assertIn(self.world.socket, said[0])
        self.assertIn("martlet run", said[0])
        self.world.daemon("run")
        self.assertEqual(self.family(), (["found"] * 3, []))

    def test_in_another_namespace_there_is_one_line_and_no_family(self):
        self.world.daemon("run")
        self.world.add("other")
        found, said = self.family(host="other")
        self.assertEqual(found, ["No such file or directory"] * 3)
        self.assertEqual(len(said), 1, said)
        self.assertIn("another network namespace", said[0])

    def test_without_permission_there_is_one_line_and_no_family(self):
        daemon = self.world.daemon("run")
        as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        result = self.attached(*as_nobody, self.program, "family")
        self.assertEqual(result.stdout.splitlines(), ["No such file or directory"] * 3)
        said = result.stderr.splitlines()
        self.assertEqual(len(said), 1, said)
        self.assertIn("root", said[0])
        self.world.end(daemon)
        # Who may look finds it.
        self.world.daemon("run", "--open-reading")
        result = self.attached(*as_nobody, self.program, "family")
        self.assertEqual((result.stdout.splitlines(), result.stderr), (["found"] * 3, ""))

    def test_who_is_no_martlet(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(self.world.socket)
            listener.listen()
            program = self.begin("family")
            for _ in range(3):
                connection, _ = listener.accept()
                connection.send(b"HELLO" * 20)
                connection.close()
            out, said = program.communicate(timeout=20)
            self.assertEqual(out.splitlines(), ["No such file or directory"] * 3)
            self.assertEqual(len(said.splitlines()), 1, said)
            self.assertIn("no netlink door", said)

    def test_martlet_ends_and_comes_back(self):
        daemon = self.world.daemon("run")
        program = self.begin("outages")

        def step(expected):
            self.assertEqual(program.stdout.readline().strip(), expected)

        def proceed():
            program.stdin.write("\n")
            program.stdin.flush()

        step("found?")
        self.kill(daemon)
        proceed()
        step("missing?")
        proceed()
        step("missing?")
        daemon = self.world.daemon("run")
        proceed()
        step("found?")
        # Without a request in between the client does not notice that it is another.
        self.kill(daemon)
        self.world.daemon("run")
        proceed()
        step("found?")
        out, said = program.communicate("\n\n", timeout=20)
        self.assertEqual(program.returncode, 0, said)
        self.assertEqual(len(said.splitlines()), 1, said)
        self.assertIn("has ended", said)

    def test_a_dump_whose_other_side_ends_fails(self):
        daemon = self.world.daemon("run")
        program = self.begin("broken_dump")
        self.assertEqual(program.stdout.readline(), "begun?\n")
        self.kill(daemon)
        program.stdin.write("\n")
        program.stdin.flush()
        self.assertEqual(program.stdout.readline(), "error 104\n")
        self.assertEqual(program.stdout.readline(), "again?\n")
        self.world.daemon("run")
        out, said = program.communicate("\n", timeout=20)
        self.assertEqual((program.returncode, out), (0, "done\n"), said)

    def test_martlet_is_killed_while_many_ask(self):
        for _ in range(3):
            daemon = self.world.daemon("run")
            programs = [self.begin("storm") for _ in range(4)]
            for program in programs:
                self.assertEqual(program.stdout.readline(), "asking\n")
            self.kill(daemon)
            for program in programs:
                out, said = program.communicate(timeout=20)
                self.assertEqual((program.returncode, out), (0, "No such file or directory\n"), said)


class AttachOpenvSwitch(AttachTest):
    """Debian's ovs-dpctl."""

    def ovs_dpctl(self, *arguments, **options):
        return self.attached("ovs-dpctl", *arguments, **options)

    def test_a_switch_by_hand(self):
        world = self.world
        world.plug("h1", 1)
        world.plug("h2", 2)
        world.daemon("run")
        self.ovs_dpctl("add-dp", "dp0", "p1")
        self.ovs_dpctl("add-if", "dp0", "p2")
        self.assertEqual(self.ovs_dpctl("dump-dps").stdout, "system@dp0\n")
        show = self.ovs_dpctl("show").stdout
        self.assertIn("port 0: dp0 (internal)", show)
        self.assertIn("port 2: p2", show)
        for source, destination in ("12", "21"):
            for kind, key in (("0x0806", "arp()"), ("0x0800", "ipv4(frag=no)")):
                self.ovs_dpctl("add-flow", "dp0", f"in_port({source}),eth(),eth_type({kind}),{key}", destination)
        world.ping("h1", "10.78.0.2", 50)
        flows = self.ovs_dpctl("-m", "dump-flows", "dp0").stdout.splitlines()
        self.assertEqual(len(flows), 4)
        self.assertEqual(sum("packets:0" in flow for flow in flows), 0, flows)
        self.ovs_dpctl("del-flow", "dp0", "in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)")
        self.assertEqual(world.ping("h1", "10.78.0.2", 2, check=False), 2)
        missing = self.ovs_dpctl("add-if", "dp0", "nowhere0", check=False)
        self.assertEqual(missing.returncode, 1)
        self.assertIn("No such device", missing.stderr)
        self.ovs_dpctl("del-flows", "dp0")
        self.ovs_dpctl("del-if", "dp0", "p2")
        self.ovs_dpctl("del-dp", "dp0")
        self.assertEqual(world.dpctl("dump-dps").stdout, "")

    def test_many_flows(self):
        self.world.daemon("run")
        self.ovs_dpctl("add-dp", "dp0")
        with open(os.path.join(self.directory, "flows"), "w") as flows:
            for number in range(5000):
                mac = ":".join(f"{byte:02x}" for byte in (2, 0, 0, 0, number >> 8, number & 255))
                flows.write(f"in_port(0),eth(src={mac}),eth_type(0x88b5) 0\n")
        self.ovs_dpctl("add-flows", "dp0", flows.name)
        self.assertEqual(len(self.ovs_dpctl("dump-flows", "dp0").stdout.splitlines()), 5000)
        self.ovs_dpctl("del-flows", "dp0")
        self.assertEqual(self.ovs_dpctl("dump-flows", "dp0").stdout, "")

    def test_without_martlet(self):
        result = self.ovs_dpctl("show", check=False)
        self.assertEqual(result.stderr.count("martlet: "), 1, result.stderr)
