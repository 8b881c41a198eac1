//! The clock and the random generator of samplers.

/// The clock and the random generator that a sampler calls, if it needs them.
pub trait SamplerContext: Sync {
    /// The time in nanoseconds since a fixed instant; it should not decrease.
    fn now(&self) -> u64;

    /// 64 random bits, independent at each call.
    fn random(&self) -> u64;
}
