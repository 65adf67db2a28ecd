import Glibc

/// How many descriptors this process may have open (`RLIMIT_NOFILE`).
public enum DescriptorLimit {
    /// Raises the limit as far as it goes without rights.
    /// - Returns: the limit.
    @discardableResult
    public static func raise() -> Int {
        // What the calls read and write is one structure, during the call.
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = raised.rlim_max
            if unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
        }
        return Int(clamping: limit.rlim_cur)
    }
}
