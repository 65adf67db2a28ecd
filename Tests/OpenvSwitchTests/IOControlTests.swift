import Netlink
import OpenvSwitch
import Testing

@Suite struct IOControlTests {
    /// The values that clients of the Windows interface were compiled with.
    @Test(arguments: [
        (IOControlCode.getPortID, UInt32(0xafc8_8400), UInt32(0x100)), (.read, 0xafc8_4406, 0x101),
        (.readEvent, 0xafc8_440a, 0x102), (.readPacket, 0xafc8_440e, 0x103), (.write, 0xafc8_4411, 0x104),
        (.transact, 0xafc8_8416, 0x105),
    ]) func codesAreThoseOfTheWindowsInterface(code: IOControlCode, value: UInt32, function: UInt32) {
        #expect(code.rawValue == value)
        #expect(code.function == function)
    }

    @Test func ownCodesLieInTheVendorsRange() {
        let own: [IOControlCode] = [.dump, .subscribe, .pend, .cancel, .getVersion]
        #expect(own.map(\.function) == [0x800, 0x801, 0x802, 0x803, 0x804])
        for code in own { #expect(code.rawValue >> 16 == 45000) }
        #expect(Set(IOControlCode.all).count == 11)
        #expect(Set(IOControlCode.all.map(\.name)).count == 11)
        let netlink: [IOControlCode] = [
            .netlinkOpen, .netlinkBind, .netlinkSend, .netlinkPull, .netlinkForward, .netlinkPack,
        ]
        #expect(
            netlink.map(\.rawValue)
                == [0xafc8_6040, 0xafc8_6044, 0xafc8_6048, 0xafc8_604c, 0xafc8_6050, 0xafc8_6054])
        #expect(IOControlCode.netlink == netlink)
        #expect(Set(netlink.map(\.name)).count == 6)
        #expect(Set(IOControlCode.all).isDisjoint(with: netlink))
        #expect(IOControlCode(rawValue: 0xabc).name == "0xabc")
        #expect(IOControlCode.getStatistics.rawValue == 0xafc8_6080)
        #expect(IOControlCode.getStatistics.name == "getStatistics")
        #expect(IOControlCode.legacy == [.getPortID, .getVersion, .getStatistics])
        #expect(!(IOControlCode.all + IOControlCode.netlink).contains(.getStatistics))
    }

    @Test func statusesAreThoseOfTheWindowsInterface() {
        #expect(IOStatus.success.rawValue == 0)
        #expect(IOStatus.pending.rawValue == 0x103)
        #expect(IOStatus.invalidParameter.rawValue == 0xc000_000d)
        #expect(IOStatus.invalidDeviceRequest.rawValue == 0xc000_0010)
        #expect(IOStatus.accessDenied.rawValue == 0xc000_0022)
        #expect(IOStatus.bufferTooSmall.rawValue == 0xc000_0023)
        #expect(IOStatus.invalidLength.rawValue == 0xc023_0014)
        #expect(IOStatus.insufficientResources.rawValue == 0xc000_009a)
        #expect(IOStatus.deviceBusy.rawValue == 0x8000_0011)
        #expect(IOStatus.cancelled.rawValue == 0xc000_0120)
        #expect(IOStatus.notFound.rawValue == 0xc000_0225)
        #expect(IOStatus(rawValue: 0x99).explanation == "status 0x99")
    }

    @Test func aCursorComesBackAsItWas() {
        var random = SplitMix64(seed: 5)
        for _ in 0..<100 {
            let cursor = DumpCursor(position: random.next(), generation: random.next())
            #expect(cursor.bytes == host(cursor.position) + host(cursor.generation))
            let bytes = cursor.bytes + [1, 2, 3]
            #expect(DumpCursor(bytes.rawSpan) == cursor)
        }
        #expect(DumpCursor.start.bytes == [UInt8](repeating: 0, count: 16))
        #expect(DumpCursor.start.isZero)
        #expect(!DumpCursor(position: 0, generation: 1).isZero)
        let short = [UInt8](repeating: 0, count: 15)
        #expect(DumpCursor(short.rawSpan) == nil)
    }

    @Test func aSubscriptionIsTwelveBytes() {
        for queue in QueueKind.allCases {
            for join in [true, false] {
                let subscription = Subscription(queue, group: .flow, join: join)
                #expect(subscription.bytes == host(queue.rawValue) + host(UInt32(103)) + host(UInt32(join ? 1 : 0)))
                let bytes = subscription.bytes
                #expect(Subscription(bytes.rawSpan) == subscription)
            }
        }
        let good = host(UInt32(0)) + host(UInt32(101)) + host(UInt32(1))
        let bad = [
            Array(good.dropLast()), good + [0], host(UInt32(2)) + good.dropFirst(4), good.dropLast(4) + host(UInt32(2)),
            [],
        ]
        for bytes in bad { #expect(Subscription(bytes.rawSpan) == nil) }
    }

    // MARK: Families

    @Test func familiesHaveTheNumbersOfTheWindowsInterfaceAndThoseBehind() {
        let expected: [(Family, String, UInt16, UInt8, UInt16)] = [
            (.control, "ovs_win_control", 17, 1, 9), (.datapath, "ovs_datapath", 18, 2, 9),
            (.packet, "ovs_packet", 19, 1, 12),
            (.vport, "ovs_vport", 20, 1, 10), (.flow, "ovs_flow", 21, 1, 11), (.netdev, "ovs_win_netdev", 22, 1, 9),
            (.ctLimit, "ovs_ct_limit", 24, 1, 1), (.meter, "ovs_meter", 25, 1, 9),
        ]
        #expect(Family.all == expected.map(\.0))
        for (family, name, id, version, maximum) in expected {
            #expect(family.name == name)
            #expect(family.id == id)
            #expect(family.version == version)
            #expect(family.maximumAttribute == maximum)
            #expect(Family.with(id: id) == family)
            #expect(family.messageType == MessageType(rawValue: id))
        }
        for id in [UInt16(0), 16, 23, 26, .max] { #expect(Family.with(id: id) == nil) }
    }

    @Test func groupsHaveNumbersAndNames() {
        #expect(MulticastGroup.all.map(\.rawValue) == Array(101...108))
        #expect(
            MulticastGroup.all.map(\.name) == [
                "ovs_vport", "ovs_datapath", "ovs_flow", "ovs_packet", "ovs_win_netdev", "trace", "ovs_meter",
                "ovs_ct_limit",
            ])
        #expect(MulticastGroup(rawValue: 7).name == "7")
    }

    @Test func controlCommandsAreThoseOfTheWindowsInterface() {
        #expect(ControlCommand.pendRequest == 0)
        #expect(ControlCommand.pendPacketRequest == 1)
        #expect(ControlCommand.multicastSubscribe == 2)
        #expect(ControlCommand.packetSubscribe == 3)
        #expect(ControlCommand.eventNotify == 4)
        #expect(ControlCommand.readNotify == 5)
        #expect(ControlCommand.socketProperties == 6)
        #expect(NetdevCommand.get == 1)
    }

    // MARK: Errors

    @Test func errorNumbersAreThoseOfLinux() {
        let expected: [(Int32, Int32, String, String)] = [
            (Errno.notPermitted, 1, "EPERM", "Operation not permitted"),
            (Errno.noEntry, 2, "ENOENT", "No such file or directory"),
            (Errno.ioError, 5, "EIO", "Input/output error"),
            (Errno.again, 11, "EAGAIN", "Resource temporarily unavailable"),
            (Errno.noMemory, 12, "ENOMEM", "Cannot allocate memory"),
            (Errno.busy, 16, "EBUSY", "Device or resource busy"),
            (Errno.exists, 17, "EEXIST", "File exists"), (Errno.noDevice, 19, "ENODEV", "No such device"),
            (Errno.invalid, 22, "EINVAL", "Invalid argument"), (Errno.fileTooBig, 27, "EFBIG", "File too large"),
            (Errno.range, 34, "ERANGE", "Numerical result out of range"),
            (Errno.protocol, 71, "EPROTO", "Protocol error"),
            (Errno.overflow, 75, "EOVERFLOW", "Value too large for defined data type"),
            (Errno.messageSize, 90, "EMSGSIZE", "Message too long"),
            (Errno.notSupported, 95, "EOPNOTSUPP", "Operation not supported"),
            (Errno.addressFamilyNotSupported, 97, "EAFNOSUPPORT", "Address family not supported by protocol"),
            (Errno.networkDown, 100, "ENETDOWN", "Network is down"),
            (Errno.noBufferSpace, 105, "ENOBUFS", "No buffer space available"),
            (Errno.notConnected, 107, "ENOTCONN", "Transport endpoint is not connected"),
            (Errno.connectionRefused, 111, "ECONNREFUSED", "Connection refused"),
        ]
        for (number, value, name, text) in expected {
            #expect(number == value)
            #expect(Errno.name(number) == name)
            #expect(Errno.text(number) == text)
        }
        #expect(Errno.name(999) == "errno 999")
        #expect(Errno.text(999) == "Unknown error 999")
    }

    @Test func aFaultInAttributesBecomesAnError() {
        let fault = NetlinkError(.payloadTooShort, at: 24, attribute: 3)
        let range = RequestError(fault)
        #expect(range.errno == Errno.range)
        #expect(range.offset == 24)
        #expect(range.message == fault.description)
        let invalid = RequestError(invalid: fault)
        #expect(invalid.errno == Errno.invalid)
        #expect(invalid.offset == 24)
        #expect(RequestError(Errno.noDevice, "there is no datapath x").description == "there is no datapath x (ENODEV)")
    }
}
