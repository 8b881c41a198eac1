/// The hardware clock that span times are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The processor's time stamp counter, calibrated against the system clock.
    Tsc,
    /// The system's monotonic clock, calibrated against the system clock.
    System,
}
