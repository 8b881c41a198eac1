//! Any sampler: the simple ones by name, all others behind one trait.

use crate::intent::{SamplingDecision, SamplingIntent};
use crate::limits::DESCRIPTION_BYTES;
use crate::parameters::SamplingParameters;
use crate::parent::ParentBased;
use crate::ratio::TraceIdRatioBased;
use crate::threshold::{ProbabilityError, Threshold};
use crate::tick::Tick;
use spanwise_worker::sanitize;
use std::fmt;
use std::sync::Arc;

/// Says with which threshold a span is kept (specification, *ComposableSampler*).
///
/// Implement it to plug in a sampler of your own. `sampling_intent` is called on the thread that starts the
/// span, before anything is recorded: it must not wait, and should neither allocate nor write
/// memory that other threads write too.
///
/// It is asked about children as well. One that decides by time or by what it has seen tears traces
/// unless children go with their parent: put it below [`Sampler::parent_based`].
pub trait ComposableSampler: fmt::Debug + Send + Sync {
    /// What is wanted for `offer`.
    fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s>;

    /// Called now and then; pass it on to samplers inside.
    fn tick(&self, _tick: &Tick) {}

    /// The sampler's name and settings (specification, *GetDescription*).
    fn description(&self) -> String;
}

/// A sampler of any kind. Cheap to clone; clones share what they have learnt.
///
/// ```
/// # mod spanwise { pub mod sampling { pub use spanwise_sampling::*; } }
/// use spanwise::sampling::Sampler;
///
/// fn main() -> Result<(), spanwise::sampling::ProbabilityError> {
///     let sampler = Sampler::probability(0.1)?.parent_based();
///     assert_eq!(sampler.to_string(), "ParentBased{root=ProbabilitySampler{0.1}}");
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Sampler {
    pub(crate) choice: Choice,
}

/// Matched, not called through a table: the first three are decided in a few instructions.
#[derive(Debug, Clone)]
pub(crate) enum Choice {
    On,
    Off,
    Probability(Threshold),
    Ratio(TraceIdRatioBased),
    ParentBased(Arc<ParentBased>),
    Other(Arc<dyn ComposableSampler>),
}

impl Sampler {
    /// Keeps every span, and says nothing about it: what is kept counts once, and no trace state
    /// is written to say so. For an explicit `th:0` take a probability of 1.
    pub fn always_on() -> Self {
        Self { choice: Choice::On }
    }

    /// Keeps none.
    pub fn always_off() -> Self {
        Self { choice: Choice::Off }
    }

    /// Keeps traces with `probability`, 0 to 1: the same ones in every service that does so
    /// (specification, *ProbabilitySampler*).
    ///
    /// # Errors
    /// Not a number, outside 0 to 1, or above 0 but below 2⁻⁵⁶.
    pub fn probability(probability: f64) -> Result<Self, ProbabilityError> {
        Ok(match Threshold::from_probability(probability)? {
            Some(threshold) => Self { choice: Choice::Probability(threshold) },
            None => Self::always_off(),
        })
    }

    /// Decides roots only; children go with their parent. For other branches see [`ParentBased`].
    #[must_use]
    pub fn parent_based(self) -> Self {
        ParentBased::new(self).into()
    }

    /// What is wanted for `offer`.
    #[inline(always)]
    pub fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        match &self.choice {
            Choice::On => SamplingIntent::keep_without_threshold(),
            Choice::Off => SamplingIntent::DROP,
            Choice::Probability(threshold) => SamplingIntent::keep(*threshold),
            Choice::Ratio(ratio) => ratio.sampling_intent(params),
            Choice::ParentBased(parent_based) => parent_based.sampling_intent(params),
            Choice::Other(sampler) => sampler.sampling_intent(params),
        }
    }

    /// Keep or drop, and what to write.
    ///
    /// # Cost
    /// A few nanoseconds for the simple samplers, on and below a local parent; no allocation.
    #[inline]
    pub fn should_sample<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingDecision<'s> {
        self.sampling_intent(params).decide(params)
    }

    /// Tells samplers inside what time it is.
    pub fn tick(&self, tick: &Tick) {
        match &self.choice {
            Choice::On | Choice::Off | Choice::Probability(_) | Choice::Ratio(_) => {}
            Choice::ParentBased(parent_based) => parent_based.tick(tick),
            Choice::Other(sampler) => sampler.tick(tick),
        }
    }
}

impl Default for Sampler {
    /// `parentbased_always_on`, the specification's default.
    fn default() -> Self {
        Self::always_on().parent_based()
    }
}

impl<S: ComposableSampler + 'static> From<S> for Sampler {
    fn from(sampler: S) -> Self {
        Self { choice: Choice::Other(Arc::new(sampler)) }
    }
}

impl From<ParentBased> for Sampler {
    fn from(parent_based: ParentBased) -> Self {
        Self { choice: Choice::ParentBased(Arc::new(parent_based)) }
    }
}

impl From<TraceIdRatioBased> for Sampler {
    fn from(ratio: TraceIdRatioBased) -> Self {
        Self { choice: Choice::Ratio(ratio) }
    }
}

impl fmt::Display for Sampler {
    /// The sampler's description (specification, *GetDescription*). A probability is shown with as
    /// many digits as tell it from others: samplers that read the same keep the same traces. Of a
    /// [`ComposableSampler`] at most 256 bytes, control characters escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.choice {
            Choice::On => f.write_str("AlwaysOnSampler"),
            Choice::Off => f.write_str("AlwaysOffSampler"),
            Choice::Probability(threshold) => {
                write!(f, "ProbabilitySampler{{{}}}", threshold.shortest_probability())
            }
            Choice::Ratio(ratio) => f.write_str(&ratio.description()),
            Choice::ParentBased(parent_based) => f.write_str(&parent_based.description()),
            Choice::Other(sampler) => {
                f.write_str(&sanitize(&sampler.description(), DESCRIPTION_BYTES))
            }
        }
    }
}
