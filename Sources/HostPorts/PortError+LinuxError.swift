public import Datapath
public import LinuxSystem

extension PortError {
    /// The same number, with the whole description as its sentence.
    public init(_ error: LinuxError) { self.init(errno: error.errno, message: error.description) }
}
