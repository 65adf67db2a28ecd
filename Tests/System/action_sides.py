"""Two datapaths with the same ports, side by side: Martlet, and Open vSwitch's own in user space (`netdev`).

Flows are installed as text; frames are sent into port 1, and what the ports send is read from their cables.
"""

import os
import re
import select

from hosts import World
from openvswitch import OpenvSwitch, launch

PORTS = (1, 2, 3, 4)
SENTINEL = bytes.fromhex("06ffffffffff06ffffffffff88b6")
SENTINEL_RULE = "dl_src=06:ff:ff:ff:ff:ff,dl_type=0x88b6 actions=in_port,output:p2,output:p3,output:p4"


class Side:
    """A datapath with four ports on cables."""

    def __init__(self, name, world, ovs, datapath, wires):
        self.name, self.world, self.ovs, self.datapath, self.wires = name, world, ovs, datapath, wires
        self.sent = 0
        show = ovs.dpctl("show", datapath).stdout
        # Which number a port has in the datapath.
        self.numbers = {number: int(re.search(rf"port (\d+): p{number}\b", show)[1]) for number in PORTS}

    def start(self):
        """After this the datapath takes flows, and keeps them."""
        everywhere = ",".join(str(self.numbers[number]) for number in PORTS)
        self.sentinel = (f"recirc_id(0),in_port({self.numbers[1]}),eth(src=06:ff:ff:ff:ff:ff),eth_type(0x88b6) "
                         + everywhere)
        self.add_flows([self.sentinel])
        self.play()

    def add_flows(self, lines):
        """Installs flows, each a key and actions; fails if one is refused."""
        path = os.path.join(self.world.directory, "flows")
        with open(path, "w") as file:
            file.writelines(line + "\n" for line in lines)
        result = self.ovs.dpctl("add-flows", self.datapath, path, check=False)
        if result.returncode or result.stdout or result.stderr:
            raise AssertionError(f"{self.name} refuses flows: {result.stdout}{result.stderr}")

    def delete_flows(self):
        self.ovs.dpctl("del-flows", self.datapath)
        self.add_flows([self.sentinel])

    def missed(self):
        """How many packets no flow matched."""
        return int(re.search(r"missed:(\d+)", self.ovs.dpctl("show", self.datapath).stdout)[1])

    def play(self, *frames):
        """Sends frames, and a sentinel behind them; returns what each port sent up to the sentinel."""
        self.sent += 1
        sentinel = SENTINEL + self.sent.to_bytes(46, "big")
        self.wires[1].send(*frames, sentinel)
        received = {number: [] for number in PORTS}
        waiting = {self.wires[number].socket: number for number in PORTS}
        while waiting:
            readable, _, _ = select.select(list(waiting), [], [], 5)
            if not readable:
                raise AssertionError(f"{self.name}: ports {list(waiting.values())} sent no sentinel within 5 s")
            for socket in readable:
                number = waiting[socket]
                data = self.wires[number].receive(0)
                if data == sentinel:
                    del waiting[socket]
                elif data is not None:
                    received[number].append(data)
        return received


def theirs(add_cleanup):
    """Open vSwitch's own datapath. Nothing but this test makes its flows, and nothing takes them away."""
    world, ovs = launch(add_cleanup, netdev=True)
    wires = {number: ovs.wire(number) for number in PORTS}
    ovs.vsctl("set", "Open_vSwitch", ".", "other_config:vlan-limit=2", "other_config:max-idle=3600000",
              "other_config:max-revalidator=3600000")
    ovs.add_bridge("br0", fail_mode="secure")
    for number in PORTS:
        # One after the other: ports that are added together get numbers in any order.
        ovs.add_port("br0", f"p{number}")
    return Side("Open vSwitch", world, ovs, "netdev@ovs-netdev", wires)


def ours(add_cleanup, numbers):
    """Martlet with the same port numbers."""
    world = World()
    add_cleanup(world.close)
    ovs = OpenvSwitch(world, netdev=False)
    add_cleanup(ovs.close)
    ovs.quieten("sw")
    wires = {number: ovs.wire(number) for number in PORTS}
    world.daemon("run")
    ovs.dpctl("add-dp", "dp0", *(f"p{number},port_no={numbers[number]}" for number in PORTS))
    return Side("Martlet", world, ovs, "dp0", wires)
