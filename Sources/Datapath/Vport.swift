public import OpenvSwitch

/// A port of a datapath as the control thread knows it.
@safe
public final class Vport {
    /// 0 for the LOCAL port, else 1…65534.
    public let number: UInt16
    /// That of its interface, which it follows (`SwitchControl.rename`).
    public internal(set) var name: String
    public let type: VportType
    public let device: PortDevice
    /// Who gets the misses of packets that come in here.
    public internal(set) var upcallPortIDs: [UInt32]
    let entry: UnsafeMutablePointer<PortEntry>

    init(
        number: UInt16, name: String, type: VportType, device: PortDevice, upcallPortIDs: [UInt32],
        entry: UnsafeMutablePointer<PortEntry>
    ) {
        self.number = number
        self.name = name
        self.type = type
        self.device = device
        self.upcallPortIDs = upcallPortIDs
        unsafe self.entry = entry
    }

    /// Upcalls made for packets from this port.
    public var upcallStatistics: UpcallStatistics {
        unsafe UpcallStatistics(
            success: sum { unsafe $0.pointee.upcallSuccess.current },
            fail: unsafe sum { unsafe $0.pointee.upcallFail.current })
    }

    /// Packets that the switch dropped on their way to this port's device.
    public var transmitDropped: UInt64 { unsafe sum { unsafe $0.pointee.transmitDropped.current } }

    /// Packets from this port that were dropped because a header was not there.
    public var errors: UInt64 { unsafe sum { unsafe $0.pointee.errors.current } }

    private func sum(_ counter: (UnsafeMutablePointer<PortCounters>) -> UInt64) -> UInt64 {
        var total: UInt64 = 0
        for reader in 0..<(unsafe entry.pointee.readerCount) {
            total &+= unsafe counter(entry.pointee.counters + reader)
        }
        return total
    }
}
