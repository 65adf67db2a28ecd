"""Open vSwitch: samples of the traffic, as sFlow and as IPFIX."""

import struct

import frames
from collectors import IPFIX, SFlow
from openvswitch import OVSTest

# Information elements (IANA).
PACKETS, SOURCE_PORT, SOURCE, DESTINATION_PORT, DESTINATION, OBSERVATION_POINT = 2, 7, 8, 11, 12, 138


class OVSSampling(OVSTest):
    def setUp(self):
        super().setUp()
        self.source, self.sink = self.ovs.wire(1), self.ovs.wire(2)
        self.ovs.add_bridge("br0", "p1", "p2", fail_mode="secure")
        self.ovs.set_flows("br0", "in_port=1,actions=output:2")

    def collector(self, kind):
        collector = kind(self.ovs)
        self.addCleanup(collector.close)
        return collector

    def pass_through(self, *sent):
        """Sends frames, not more at once than queues hold; all come out. The order is kept only within a flow."""
        for first in range(0, len(sent), 50):
            some = sent[first:first + 50]
            self.source.send(*some)
            self.assertEqual(sorted(self.sink.take(len(some))), sorted(some))

    def sflow(self, collector, sampling):
        self.ovs.vsctl("--", "--id=@s", "create", "sFlow", "agent=lo", f'targets="{collector.target}"', "header=128",
                       f"sampling={sampling}", "polling=0", "--", "set", "Bridge", "br0", "sflow=@s")
        self.ovs.purge()

    def test_sflow_of_every_packet(self):
        collector = self.collector(SFlow)
        self.sflow(collector, 1)
        sent = [frames.build(tp_src=1000 + count, payload=bytes(count)) for count in range(1, 101)]
        self.pass_through(*sent)
        samples = collector.collect(lambda samples: len(samples) >= len(sent))
        self.assertEqual(len(samples), len(sent))
        # The order is that of the handlers. Of a long frame there is the beginning.
        self.assertEqual(sorted(sample["header"] for sample in samples), sorted(frame[:128] for frame in sent))
        for sample in samples:
            # Of the length the frame check sequence, which nobody sees, is a part.
            self.assertIn(sample["length"] - 4, map(len, sent))
            self.assertEqual((sample["rate"], sample["drops"]), (1, 0))
        ports = {name: int(self.ovs.get("Interface", name, "ifindex")) for name in ("p1", "p2")}
        self.assertEqual({(sample["input"], sample["output"]) for sample in samples}, {(ports["p1"], ports["p2"])})

    def test_sflow_of_some_packets(self):
        collector = self.collector(SFlow)
        self.sflow(collector, 10)
        sent = [frames.build()] * 2000
        self.pass_through(*sent)
        samples = collector.collect_all()
        # Five standard deviations of a binomial distribution.
        self.assertAlmostEqual(len(samples), 200, delta=67)
        self.assertTrue(any("sample(sample=10.0%" in line for line in self.ovs.datapath_flows()))

    def test_ipfix_of_a_bridge(self):
        collector = self.collector(IPFIX)
        self.ovs.vsctl("--", "--id=@i", "create", "IPFIX", f'targets="{collector.target}"', "obs_domain_id=123",
                       "obs_point_id=456", "sampling=1", "--", "set", "Bridge", "br0", "ipfix=@i")
        self.ovs.purge()
        sent = [frames.build(tp_src=1000 + count, ip_src="10.5.0.7") for count in range(50)] * 2
        self.pass_through(*sent)

        def seen(records):
            # One record for a packet that comes in and one for the same packet when it goes out.
            ports = [struct.unpack(">H", record[SOURCE_PORT])[0] for record in records if SOURCE_PORT in record]
            return sorted(set(ports)) == list(range(1000, 1050)) and len(ports) >= len(sent)

        for record in collector.collect(seen):
            if SOURCE in record:
                self.assertEqual((frames.ip_text(record[SOURCE]), frames.ip_text(record[DESTINATION]), record["domain"],
                                  int.from_bytes(record[OBSERVATION_POINT], "big")), ("10.5.0.7", "10.1.0.2", 123, 456))
        flows = self.ovs.datapath_flows()
        self.assertTrue(any("ipfix(output_port=" in line for line in flows), flows)

    def test_ipfix_of_flows(self):
        collector = self.collector(IPFIX)
        self.ovs.vsctl("--", "--id=@b", "get", "Bridge", "br0", "--", "--id=@i", "create", "IPFIX",
                       f'targets="{collector.target}"', "--", "create", "Flow_Sample_Collector_Set", "id=1",
                       "bridge=@b", "ipfix=@i")
        sample = "sample(probability=65535,collector_set_id=1,obs_domain_id=77,obs_point_id=88)"
        self.ovs.set_flows("br0", f"priority=2,in_port=1,udp,tp_dst=5,actions={sample},output:2",
                           "priority=1,in_port=1,udp,actions=output:2")
        sampled = [frames.build(tp_src=1000 + count, tp_dst=5) for count in range(40)]
        others = [frames.build(tp_src=2000 + count, tp_dst=6) for count in range(40)]
        self.pass_through(*[frame for pair in zip(sampled, others) for frame in pair])
        records = collector.collect(lambda records: sum(SOURCE_PORT in record for record in records) >= len(sampled))
        records = [record for record in records if SOURCE_PORT in record]
        self.assertEqual(sorted(struct.unpack(">H", record[SOURCE_PORT])[0] for record in records),
                         list(range(1000, 1040)))
        self.assertEqual({(record["domain"], int.from_bytes(record[OBSERVATION_POINT], "big"),
                           int.from_bytes(record[PACKETS], "big")) for record in records}, {(77, 88, 1)})
        flows = self.ovs.datapath_flows()
        self.assertTrue(any("flow_sample(probability=65535,collector_set_id=1,obs_domain_id=77,obs_point_id=88" in line
                            for line in flows), flows)
