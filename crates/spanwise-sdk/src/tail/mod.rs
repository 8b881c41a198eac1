//! Tail sampling in the application: the decider of local traces, from policies or a function.

#[cfg(feature = "tail-sampling")]
mod policies;
mod tail_sampling;

pub use tail_sampling::TailSampling;
