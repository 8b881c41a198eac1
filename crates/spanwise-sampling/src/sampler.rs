//! The sampler that a provider holds: the simple kinds as variants, all others behind the trait.

use crate::intent::{SamplingDecision, SamplingIntent};
use crate::parameters::SamplingParameters;
use crate::parent::ParentBased;
use crate::ratio::TraceIdRatioBased;
use crate::sampling_rate::SamplingRate;
use crate::threshold::{ProbabilityError, Threshold};
use crate::tick::Tick;
use spanwise_worker::{MAX_LINE_BYTES, sanitize};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// Determines the threshold with which a span is sampled (specification, *ComposableSampler*).
///
/// Implement this trait to plug in a sampler of your own, and convert it with `Sampler::from` or
/// [`parent_based`](Self::parent_based). The thread that starts a span calls `sampling_intent`
/// before it records anything: the method must not block, and should neither allocate nor write
/// memory that other threads write too.
///
/// The method is also called for child spans. A sampler that decides by time or by its history
/// samples incomplete traces unless children follow their parent: wrap it with
/// [`parent_based`](Self::parent_based).
///
/// ```
/// # mod spanwise { pub mod sampling { pub use spanwise_sampling::*; } }
/// use spanwise::sampling::{ComposableSampler, SamplingIntent, SamplingParameters, Threshold};
///
/// /// Samples the traces of a checkout.
/// #[derive(Debug)]
/// struct Checkouts;
///
/// impl ComposableSampler for Checkouts {
///     fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s> {
///         match params.name {
///             "POST /checkout" => SamplingIntent::keep(Threshold::KEEP_ALL),
///             _ => SamplingIntent::DROP,
///         }
///     }
///
///     fn description(&self) -> String {
///         String::from("Checkouts")
///     }
/// }
///
/// let sampler = Checkouts.parent_based();
/// assert_eq!(sampler.to_string(), "ParentBased{root=Checkouts}");
/// ```
#[doc(alias = "Sampler")]
#[doc(alias = "ShouldSample")]
pub trait ComposableSampler: fmt::Debug + Send + Sync {
    /// The intent for a span with these parameters (specification, *GetSamplingIntent*).
    fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s>;

    /// Called about ten times per second. A sampler that wraps others passes the tick on to them.
    fn tick(&self, _tick: &Tick) {}

    /// The present probability of each key, the busiest first, for operators. Empty unless the sampler adapts by key; one that wraps
    /// others passes theirs on.
    fn rates(&self) -> Vec<SamplingRate> {
        Vec::new()
    }

    /// The name and the settings of the sampler (specification, *GetDescription*).
    fn description(&self) -> String;

    /// A sampler that decides roots by this one; children follow their parent. For other branches
    /// see [`ParentBased`].
    fn parent_based(self) -> Sampler
    where
        Self: Sized + 'static,
    {
        ParentBased::new(self).into()
    }
}

/// A sampler of any kind (specification, *Sampler*). Clones are cheap and share their state.
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

/// A match instead of a virtual call: the first three kinds decide in a few instructions.
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
    /// Samples every span (specification, *AlwaysOn*) and writes no trace state: each span counts
    /// once. For an explicit `th:0` use a probability of 1.
    pub fn always_on() -> Self {
        Self { choice: Choice::On }
    }

    /// Samples no span (specification, *AlwaysOff*).
    pub fn always_off() -> Self {
        Self { choice: Choice::Off }
    }

    /// Samples traces with `probability`, 0 to 1; every service with this sampler selects the same
    /// traces (specification, *ProbabilitySampler*).
    ///
    /// # Errors
    /// Not a number, outside 0 to 1, or above 0 but below 2⁻⁵⁶.
    pub fn probability(probability: f64) -> Result<Self, ProbabilityError> {
        Ok(match Threshold::from_probability(probability)? {
            Some(threshold) => Self { choice: Choice::Probability(threshold) },
            None => Self::always_off(),
        })
    }

    /// Whether both are clones of one sampler, or simple samplers with equal settings. Two samplers of your own
    /// with equal settings are not the same.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.choice, &other.choice) {
            (Choice::On, Choice::On) | (Choice::Off, Choice::Off) => true,
            (Choice::Probability(threshold), Choice::Probability(other)) => threshold == other,
            (Choice::Ratio(ratio), Choice::Ratio(other)) => {
                ratio.description() == other.description()
            }
            (Choice::ParentBased(parent_based), Choice::ParentBased(other)) => {
                Arc::ptr_eq(parent_based, other)
            }
            (Choice::Other(sampler), Choice::Other(other)) => Arc::ptr_eq(sampler, other),
            _ => false,
        }
    }

    /// Whether the settings sample no span that starts a trace: `AlwaysOff`, a ratio that samples none, and a
    /// [`ParentBased`] with such a root. `false` for a sampler that reads more than its settings, as one of your own may.
    pub fn samples_no_root(&self) -> bool {
        match &self.choice {
            Choice::Off => true,
            Choice::Ratio(ratio) => ratio.samples_nothing(),
            Choice::ParentBased(parent_based) => parent_based.root().samples_no_root(),
            Choice::On | Choice::Probability(_) | Choice::Other(_) => false,
        }
    }

    /// Decides roots only; children follow their parent. For other branches see [`ParentBased`].
    #[must_use]
    pub fn parent_based(self) -> Self {
        ParentBased::new(self).into()
    }

    /// The intent for a span with these parameters (specification, *GetSamplingIntent*).
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

    /// The decision about a span with these parameters (specification, *ShouldSample*).
    ///
    /// # Cost
    /// A few nanoseconds for the simple samplers, on and below a local parent; no allocation.
    #[inline]
    pub fn should_sample<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingDecision<'s> {
        self.sampling_intent(params).decide(params)
    }

    /// The present probability of each key, the busiest first: those of an [`Adaptive`](crate::Adaptive) sampler inside.
    pub fn rates(&self) -> Vec<SamplingRate> {
        match &self.choice {
            Choice::On | Choice::Off | Choice::Probability(_) | Choice::Ratio(_) => Vec::new(),
            Choice::ParentBased(parent_based) => parent_based.rates(),
            Choice::Other(sampler) => sampler.rates(),
        }
    }

    /// Passes a tick on to the samplers inside.
    pub fn tick(&self, tick: &Tick) {
        match &self.choice {
            Choice::On | Choice::Off | Choice::Probability(_) | Choice::Ratio(_) => {}
            Choice::ParentBased(parent_based) => parent_based.tick(tick),
            Choice::Other(sampler) => sampler.tick(tick),
        }
    }
}

/// Ticks each sampler. When one panics, the others are still ticked; then the panic resumes.
pub(crate) fn tick_each<'a>(samplers: impl IntoIterator<Item = &'a Sampler>, tick: &Tick) {
    let mut first = None;
    for sampler in samplers {
        match (catch_unwind(AssertUnwindSafe(|| sampler.tick(tick))), &first) {
            (Ok(()), _) => {}
            (Err(panic), None) => first = Some(panic),
            // Its destructor could panic once more.
            (Err(panic), Some(_)) => std::mem::forget(panic),
        }
    }
    if let Some(panic) = first {
        resume_unwind(panic);
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
    /// The description of the sampler (specification, *GetDescription*). A probability is shown with as
    /// many digits as distinguish it from others: samplers with equal text sample the same traces. The
    /// text of a [`ComposableSampler`] has at most 256 bytes, control characters escaped.
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
                f.write_str(&sanitize(&sampler.description(), MAX_LINE_BYTES))
            }
        }
    }
}
