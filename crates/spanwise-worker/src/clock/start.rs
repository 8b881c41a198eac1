/// The start time of a span, as [`clock::start`](super::start) read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The second reading of that moment, which measures the duration: ticks of the processor's
    /// counter; with the highest bit set, nanoseconds of the monotonic clock; 0 if neither was read.
    pub ticks: u64,
    /// The start time in nanoseconds since 1970 (`start_time_unix_nano` of OTLP).
    pub unix_nanos: u64,
}
