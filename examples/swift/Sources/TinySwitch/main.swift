import DPIF
import Datapath
import Device
import OpenvSwitch

let host = MemoryPorts()  // a host that exists only in memory
let sw = Switch(provider: host)
let device = Device(sw)  // the one way to control the switch
host.attach(to: sw)
let (eth0, eth1) = (host.plug("eth0"), host.plug("eth1"))

let dpif = try NetlinkDPIF.create("br0", over: device)
try dpif.addPort("eth0")
try dpif.addPort("eth1")

// What comes in on port 1 with this EtherType goes out on port 2.
let (key, mask) = try FlowText.parseKey("in_port(1),eth(),eth_type(0x88b5)", portNumber: nil)
try dpif.putFlow(FlowPut(key: key, mask: mask, actions: try [Action.output(2)].encoded()))

eth0.send([UInt8](repeating: 0xff, count: 12) + [0x88, 0xb5] + [UInt8](repeating: 0, count: 46))
print("eth1 has got \(eth1.receiveAll().count) frame; hits: \(try dpif.information().stats?.hit ?? 0)")
