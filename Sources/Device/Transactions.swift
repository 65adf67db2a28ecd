import Datapath
public import Netlink
import OpenvSwitch

/// Transactions of a handle between which the device does nothing else.
public struct Transactions: ~Copyable {
    private let handle: Handle
    private let control: SwitchControl

    fileprivate init(_ handle: Handle, _ control: SwitchControl) {
        self.handle = handle
        self.control = control
    }

    /// As the I/O control `transact`.
    public func transact(_ input: RawSpan, _ output: inout MessageWriter) -> IOResult {
        handle.transact(input, &output, control)
    }
}

extension Handle {
    /// Runs `body`, which makes transactions, as one: the switch is entered once, and packets that are executed are
    /// transmitted together, when it ends at the latest. Within it only they may come to the device.
    public func withTransactions(_ body: (borrowing Transactions) -> Void) {
        device.control.withControl { control in
            control.tend()
            control.gatheringExecutions { body(Transactions(self, control)) }
        }
    }

    fileprivate func transact(_ input: RawSpan, _ output: inout MessageWriter, _ control: SwitchControl) -> IOResult {
        let start = output.count
        let result = device.transact(input, &output, self, control)
        return finish(.transact, input, &output, from: start, result)
    }
}
