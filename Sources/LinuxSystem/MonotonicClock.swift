import Glibc

/// The clock that never goes back (`CLOCK_MONOTONIC`).
public enum MonotonicClock {
    public static var nanoseconds: UInt64 {
        var time = timespec()
        // The structure is written during the call, which cannot fail with this clock.
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    public static var milliseconds: UInt64 { nanoseconds / 1_000_000 }
}
