"""What is compared: switches between the same two hosts, each in a world of its own."""

import os
import re

from hosts import World, run, wait_until
from openvswitch import OpenvSwitch

# Every packet of another UDP flow needs a flow of its own in the datapath.
RULES = ["priority=10,in_port=1,udp,actions=move:NXM_OF_UDP_SRC[]->NXM_NX_REG0[0..15],"
         "move:NXM_OF_UDP_DST[]->NXM_NX_REG0[16..31],output:2",
         "priority=0,actions=NORMAL"]

# More flows than any measurement makes.
FLOW_LIMIT = 2_000_000


class Side:
    """A switch with two hosts, h1 and h2."""

    name = ""
    processes = ()

    def __init__(self):
        self.world = World()
        try:
            self.make()
            self.address = self.world.mac("h2")
            self.world.ping("h1", "10.78.0.2", 5)
        except BaseException:
            self.close()
            raise

    def plug(self):
        for number in (1, 2):
            self.world.inside("sw", "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
            self.world.plug(f"h{number}", number)

    def close(self):
        self.world.close()

    def rules(self, *rules):
        """OpenFlow rules, where there is OpenFlow."""

    def processor_seconds(self):
        """Seconds of the processor that each of the switch's processes has taken."""
        seconds = []
        for pid in self.processes:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            seconds.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
        return seconds


class Bridge(Side):
    """The kernel's bridge: the limit of what can be had between these cables."""

    name = "bridge"

    def make(self):
        self.plug()
        inside = self.world.inside
        inside("sw", "ip", "link", "add", "br0", "type", "bridge")
        for number in (1, 2):
            inside("sw", "ip", "link", "set", f"p{number}", "master", "br0")
        inside("sw", "ip", "link", "set", "br0", "up")


class OpenvSwitchSide(Side):
    """ovs-vswitchd on a datapath."""

    netdev = True
    settings = ()
    arguments = ()

    def make(self):
        self.ovs = OpenvSwitch(self.world, netdev=self.netdev, arguments=self.arguments)
        self.ovs.start()
        for setting in self.settings:
            self.ovs.vsctl("set", "Open_vSwitch", ".", setting)
        if self.settings:
            # It reads them when it starts.
            self.ovs.stop_vswitchd()
            self.ovs.start_vswitchd()
        # As it comes: the tests turn it off, to see each line, and a line for each flow costs as much as the flow.
        self.ovs.appctl("vlog/enable-rate-limit")
        self.plug()
        if self.netdev and not self.settings:
            # Its packet sockets have no virtio-net header then: the sender has to finish checksums.
            for host in ("h1", "h2"):
                self.world.inside(host, "ethtool", "-K", "eth0", "tx", "off")
        self.ovs.add_bridge("br0", "p1", "p2")
        self.ovs.vsctl("set", "Bridge", "br0", "other_config:mac-aging-time=3600")
        self.rules(*RULES)
        # By itself it begins with 10,000 flows and gives way to more by a thousand now and then. What is beyond goes
        # through ovs-vswitchd packet by packet, so that figures would tell how long it has been running.
        self.ovs.vsctl("set", "Open_vSwitch", ".", f"other_config:flow-limit={FLOW_LIMIT}")
        self.ovs.appctl("upcall/set-flow-limit", str(FLOW_LIMIT))
        pids = [self.ovs.vswitchd.pid]
        if self.ovs.martlet:
            pids.append(self.daemon())
        self.processes = tuple(pids)

    def daemon(self):
        return int(run("pgrep", "-P", str(self.ovs.martlet.pid), check=False).stdout or self.ovs.martlet.pid)

    def rules(self, *rules):
        self.ovs.ofctl("replace-flows", "br0", "-", input="".join(rule + "\n" for rule in rules))

    def forget_flows(self):
        """ovs-vswitchd deletes all flows of the datapath."""
        self.ovs.appctl("revalidator/purge")

    def flows(self):
        """Flows in the datapath."""
        return int(re.search(r"^  flows: (\d+)", self.ovs.dpctl("show").stdout, re.MULTILINE)[1])

    def close(self):
        if hasattr(self, "ovs"):
            self.ovs.close()
        super().close()


class Martlet(OpenvSwitchSide):
    """Martlet with packet sockets, below ovs-vswitchd."""

    name = "martlet"
    netdev = False


class MartletXDP(Martlet):
    """Martlet with AF_XDP ports, below ovs-vswitchd."""

    name = "martlet-xdp"
    arguments = ("--xdp", "p*")


class OVSDefault(OpenvSwitchSide):
    """Open vSwitch's own user-space datapath as it comes."""

    name = "ovs"


class OVSSegments(OpenvSwitchSide):
    """The same with TCP segmentation offload."""

    name = "ovs-tso"
    settings = ("other_config:userspace-tso-enable=true",)


ALL = [Martlet, MartletXDP, OVSDefault, OVSSegments, Bridge]
__all__ = ["ALL", "Side", "wait_until"]
