//! A sampler that can be replaced while spans are started.

use crate::intent::SamplingDecision;
use crate::parameters::SamplingParameters;
use crate::sampler::{Choice, Sampler};
use crate::threshold::Threshold;
use crate::tick::Tick;
use arc_swap::ArcSwap;
use spanwise_worker::catch_panic;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, PoisonError};

/// A sampler that can be replaced while threads start spans. Clones share it: [`set`](Self::set) on
/// one changes all.
///
/// # Cost
/// [`fast_decision`](Self::fast_decision) is one plain load for every sampler; evaluating the
/// sampler adds some 10 ns.
#[derive(Clone)]
pub struct DynamicSampler {
    shared: Arc<Shared>,
}

struct Shared {
    /// The decisions of the sampler in one word, where they fit one.
    word: AtomicU64,
    sampler: ArcSwap<Sampler>,
    /// Locked while both are replaced, so that they belong together.
    setting: Mutex<()>,
}

/// A decision made without evaluating the sampler, from one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FastDecision {
    /// The span is sampled; the trace state is propagated.
    Keep,
    /// The span is dropped; the trace state is propagated.
    Drop,
    /// The span is sampled if the randomness reaches the threshold, which is then written.
    Threshold(Threshold),
    /// The sampler must be evaluated: [`DynamicSampler::should_sample`].
    Evaluate,
}

impl DynamicSampler {
    /// Starts with `sampler`.
    pub fn new(sampler: impl Into<Sampler>) -> Self {
        let sampler = sampler.into();
        let word = AtomicU64::new(Word::of(&sampler).0);
        let (sampler, setting) = (ArcSwap::from_pointee(sampler), Mutex::new(()));
        Self { shared: Arc::new(Shared { word, sampler, setting }) }
    }

    /// Replaces the sampler; the new one decides the spans that start from now on.
    pub fn set(&self, sampler: impl Into<Sampler>) {
        let sampler = sampler.into();
        let word = Word::of(&sampler);
        let before = {
            let _alone = self.shared.setting.lock().unwrap_or_else(PoisonError::into_inner);
            let before = self.shared.sampler.swap(Arc::new(sampler));
            // ORDER: Release, so that a thread that reads `EVALUATE` also finds the sampler; pairs with
            // `word`.
            self.shared.word.store(word.0, Release);
            before
        };
        // Outside of the lock: the destructor of a user's sampler may panic, block or call `set`.
        let _ = catch_panic(|| drop(before));
    }

    /// The present sampler.
    ///
    /// # Cost
    /// Two shared atomic writes, the second when the caller drops the sampler.
    /// [`should_sample`](Self::should_sample) and [`tick`](Self::tick) write nothing shared.
    pub fn load(&self) -> Arc<Sampler> {
        self.shared.sampler.load_full()
    }

    /// The decision about a root (`None`), or a child of a parent that is sampled or not, where one
    /// word determines it. The caller then propagates the parent's trace state unchanged, unless it
    /// has an `ot` member: for such a parent call [`should_sample`](Self::should_sample), or
    /// `sampling_result` (feature `opentelemetry`).
    #[inline(always)]
    pub fn fast_decision(&self, parent: Option<bool>) -> FastDecision {
        self.word().decision(parent)
    }

    #[inline(always)]
    pub(crate) fn word(&self) -> Word {
        // ORDER: Acquire; pairs with `set`.
        Word(self.shared.word.load(Acquire))
    }

    /// Passes a tick on to the sampler.
    pub fn tick(&self, tick: &Tick) {
        self.using(|sampler| sampler.tick(tick));
    }

    /// Calls `then` with the decision about a span (specification, *ShouldSample*), which borrows from
    /// the present sampler.
    pub fn should_sample<T>(
        &self,
        params: &SamplingParameters<'_>,
        then: impl FnOnce(SamplingDecision<'_>) -> T,
    ) -> T {
        self.using(|sampler| then(sampler.should_sample(params)))
    }

    /// Runs `act` on the present sampler. If another thread replaces the sampler meanwhile, this
    /// function is its last owner: a panic of its destructor must neither lose the result nor meet
    /// another panic.
    pub(crate) fn using<T>(&self, act: impl FnOnce(&Sampler) -> T) -> T {
        let sampler = self.shared.sampler.load();
        let result = catch_unwind(AssertUnwindSafe(|| act(&sampler)));
        let _ = catch_panic(|| drop(sampler));
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }
}

impl fmt::Debug for DynamicSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DynamicSampler").field(&format_args!("{}", self.load())).finish()
    }
}

impl fmt::Display for DynamicSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.load(), f)
    }
}

/// The sampler as a word: an outcome for each of three places, and the threshold above them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word(u64);

impl Word {
    fn of(sampler: &Sampler) -> Self {
        let alike = |choice| {
            let (outcome, threshold) = outcome(choice);
            let all = outcome << ROOT | outcome << BELOW_SAMPLED | outcome << BELOW_UNSAMPLED;
            Self(all | threshold << THRESHOLD)
        };
        match &sampler.choice {
            Choice::ParentBased(parent_based) => match parent_based.plain_root() {
                Some(root) => {
                    let (outcome, threshold) = outcome(root);
                    let below = KEEP << BELOW_SAMPLED | DROP << BELOW_UNSAMPLED;
                    Self(outcome << ROOT | below | threshold << THRESHOLD)
                }
                None => alike(&sampler.choice),
            },
            choice => alike(choice),
        }
    }

    /// As [`DynamicSampler::fast_decision`].
    #[inline(always)]
    pub(crate) fn decision(self, parent: Option<bool>) -> FastDecision {
        match self.outcome(parent) & OUTCOME {
            KEEP => FastDecision::Keep,
            DROP => FastDecision::Drop,
            BY_THRESHOLD => FastDecision::Threshold(
                Threshold::new(self.0 >> THRESHOLD).unwrap_or(Threshold::KEEP_ALL),
            ),
            _ => FastDecision::Evaluate,
        }
    }

    /// Whether the span is sampled, if that needs no threshold. Tests of single bits: a match of all
    /// decisions becomes a jump through a table.
    #[cfg(feature = "opentelemetry")]
    #[inline(always)]
    pub(crate) fn plain_decision(self, parent: Option<bool>) -> Option<bool> {
        let outcome = self.outcome(parent);
        (outcome & PLAIN != 0).then_some(outcome & SAMPLED != 0)
    }

    /// The outcome, in its lowest bits.
    #[inline(always)]
    fn outcome(self, parent: Option<bool>) -> u64 {
        let place = match parent {
            None => ROOT,
            Some(true) => BELOW_SAMPLED,
            Some(false) => BELOW_UNSAMPLED,
        };
        self.0 >> place
    }

    /// Whether no outcome is `EVALUATE`.
    #[cfg(feature = "opentelemetry")]
    #[inline(always)]
    pub(crate) fn is_fast(self) -> bool {
        let either_bit = self.0 | self.0 >> 1;
        let one_bit_of_each = 1 << ROOT | 1 << BELOW_SAMPLED | 1 << BELOW_UNSAMPLED;
        either_bit & one_bit_of_each == one_bit_of_each
    }

    /// Whether children follow their parents.
    #[cfg(feature = "opentelemetry")]
    pub(crate) fn is_followed(self) -> bool {
        let below = |place: u32| (self.0 >> place) & OUTCOME;
        below(BELOW_SAMPLED) == KEEP && below(BELOW_UNSAMPLED) == DROP
    }
}

fn outcome(choice: &Choice) -> (u64, u64) {
    match choice {
        Choice::On => (KEEP, 0),
        Choice::Off => (DROP, 0),
        Choice::Probability(threshold) => (BY_THRESHOLD, threshold.value()),
        Choice::Ratio(_) | Choice::ParentBased(_) | Choice::Other(_) => (EVALUATE, 0),
    }
}

// The outcomes, in two bits.
const OUTCOME: u64 = 0b11;
const EVALUATE: u64 = 0b00;
const BY_THRESHOLD: u64 = 0b01;
const DROP: u64 = PLAIN;
const KEEP: u64 = PLAIN | SAMPLED;
/// The outcome is a decision, and needs no threshold.
const PLAIN: u64 = 0b10;
/// The bit of a plain decision to sample.
const SAMPLED: u64 = 0b01;
// The places of the outcomes and of the threshold, in bits.
const ROOT: u32 = 0;
const BELOW_SAMPLED: u32 = 2;
const BELOW_UNSAMPLED: u32 = 4;
const THRESHOLD: u32 = 8;
