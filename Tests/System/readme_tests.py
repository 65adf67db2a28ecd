"""The README's commands for Open vSwitch, as they stand there, on a machine that has nothing of it running."""

import os
import re
import subprocess
import tempfile
import unittest

from hosts import ROOT

# Namespaces and empty directories of its own keep the host's programs and files out of it. Everything that the commands
# start is in a process namespace, which ends with its first process.
MACHINE = """
set -eu
mount -t proc proc /proc
for directory in /run /usr/local /etc/openvswitch /etc/systemd/system /var/log/openvswitch; do
    mkdir -p "$directory"
    mount -t tmpfs tmpfs "$directory"
done
# The loader's cache is the host's, and is not to know of what is installed here.
mount --bind /bin/true "$(command -v ldconfig)"
# Of these there may be some in /usr/local.
export PATH="$PATH:$SWIFT"
ip link set lo up
ip link add eth1 type veth peer name cable
ip link set eth1 up
within() {
    for _ in $(seq 200); do "$@" >/dev/null 2>&1 && return; sleep 0.05; done
    echo "not within 10 s: $*" >&2
    return 1
}
set -x
"""


class ReadmeWithOpenVSwitch(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(ROOT, "README.md")) as readme:
            section = re.search(r"^## With Open vSwitch\n(.*?)^## ", readme.read(), re.M | re.S)[1]
        self.blocks = [block.splitlines() for block in re.findall(r"(?:^    .*\n)+", section, re.M)]

    def run_machine(self, script):
        swift = os.path.dirname(subprocess.run(["which", "swift"], capture_output=True, text=True).stdout.strip())
        with tempfile.TemporaryFile("w+") as output:
            status = subprocess.run(
                ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c", MACHINE + script],
                cwd=ROOT, env={**os.environ, "SWIFT": swift}, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, timeout=300).returncode
            output.seek(0)
            text = output.read()
        self.assertEqual(status, 0, text)
        return text

    def test_without_systemd(self):
        install, with_systemd, without_systemd, then = self.blocks
        self.assertIn("systemctl", "".join(with_systemd))
        script = []
        for line in install + without_systemd + then:
            line = line.strip()
            script.append("true" if line.startswith("apt-get") else line)
            if line.endswith("&"):
                script.append("within test -S /run/martlet/device.sock")
        script += [
            "within sh -c 'ovs-appctl dpctl/show | grep -w eth1'",
            "ovs-vsctl show",
            "grep -E 'WARN|ERR' /var/log/openvswitch/ovs-vswitchd.log && exit 1",
            "exit 0",
        ]
        text = self.run_machine("\n".join(script))
        self.assertRegex(text, r"(?m)^system@ovs-system:$")
        self.assertRegex(text, r"(?m)^  port \d+: eth1$")
        self.assertIn("Port eth1", text)

    def test_units_for_systemd(self):
        """Their commands and paths are right; a systemd that would start them is not at hand."""
        text = self.run_machine("make install\nmake install-service\n"
                                "systemd-analyze verify martlet.service ovs-vswitchd.service\n"
                                "cat /etc/systemd/system/martlet.service /etc/systemd/system/*/martlet.conf")
        self.assertIn("ExecStart=/usr/local/bin/martlet run", text)
        self.assertIn("ExecStart=/usr/local/bin/martlet attach -- /usr/sbin/ovs-vswitchd", text)
