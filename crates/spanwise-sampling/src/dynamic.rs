//! A sampler that can be exchanged while spans are being started.

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

/// Holds the sampler in force. Clones share it: [`set`](Self::set) on one changes all.
///
/// # Cost
/// [`quick`](Self::quick) is one plain load, whatever was set; to ask the sampler adds some 10 ns.
#[derive(Clone)]
pub struct DynamicSampler {
    shared: Arc<Shared>,
}

struct Shared {
    /// The sampler in one word, for as many samplers as fit one.
    quick: AtomicU64,
    sampler: ArcSwap<Sampler>,
    /// Held while both are exchanged, so that they belong together.
    setting: Mutex<()>,
}

/// What one word says about a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FastDecision {
    /// Kept; the trace state is passed on.
    Keep,
    /// Dropped; the trace state is passed on.
    Drop,
    /// Kept if the randomness reaches the threshold, which is then written.
    Threshold(Threshold),
    /// The sampler itself has to be asked: [`DynamicSampler::load`].
    Ask,
}

impl DynamicSampler {
    /// With `sampler` in force.
    pub fn new(sampler: impl Into<Sampler>) -> Self {
        let sampler = sampler.into();
        let quick = AtomicU64::new(encode(&sampler));
        let (sampler, setting) = (ArcSwap::from_pointee(sampler), Mutex::new(()));
        Self { shared: Arc::new(Shared { quick, sampler, setting }) }
    }

    /// Puts `sampler` in force. Spans started from now on are decided by it.
    pub fn set(&self, sampler: impl Into<Sampler>) {
        let sampler = sampler.into();
        let quick = encode(&sampler);
        let before = {
            let _alone = self.shared.setting.lock().unwrap_or_else(PoisonError::into_inner);
            let before = self.shared.sampler.swap(Arc::new(sampler));
            // ORDER: Release, so that who reads "ask" also finds the sampler; pairs with `quick`.
            self.shared.quick.store(quick, Release);
            before
        };
        // Outside of the lock: its drop may be the user's, and panic, block or come back here.
        let _ = catch_panic(|| drop(before));
    }

    /// The sampler in force.
    ///
    /// # Cost
    /// Two shared atomic writes, one of them when the sampler is dropped.
    /// [`should_sample`](Self::should_sample) and [`tick`](Self::tick) write nothing shared.
    pub fn load(&self) -> Arc<Sampler> {
        self.shared.sampler.load_full()
    }

    /// The decision, where one word is enough for it: on a root, or below a parent that is sampled
    /// or not. Whether the parent's trace state goes on as it is is another matter if it has an `ot`
    /// member: with the feature `opentelemetry`, `passes_trace_state` says; or
    /// [`load`](Self::load) the sampler for each such parent.
    #[inline(always)]
    pub fn quick(&self, parent: Option<bool>) -> FastDecision {
        let place = match parent {
            None => ROOT,
            Some(true) => BELOW_SAMPLED,
            Some(false) => BELOW_UNSAMPLED,
        };
        // ORDER: Acquire; pairs with `set`.
        let word = self.shared.quick.load(Acquire);
        match (word >> place) & VERDICT {
            KEEP => FastDecision::Keep,
            DROP => FastDecision::Drop,
            CHANCE => FastDecision::Threshold(
                Threshold::new(word >> THRESHOLD).unwrap_or(Threshold::KEEP_ALL),
            ),
            _ => FastDecision::Ask,
        }
    }

    /// Whether a word is enough to say that children go with their parents.
    #[cfg(feature = "opentelemetry")]
    pub(crate) fn is_followed(&self) -> bool {
        // ORDER: Acquire; pairs with `set`.
        let word = self.shared.quick.load(Acquire);
        (word >> BELOW_SAMPLED) & VERDICT == KEEP && (word >> BELOW_UNSAMPLED) & VERDICT == DROP
    }

    /// Tells the sampler in force what time it is.
    pub fn tick(&self, tick: &Tick) {
        self.using(|sampler| sampler.tick(tick));
    }

    /// Calls `then` with the decision about `offer`, which borrows from the sampler in force.
    pub fn should_sample<T>(
        &self,
        params: &SamplingParameters<'_>,
        then: impl FnOnce(SamplingDecision<'_>) -> T,
    ) -> T {
        self.using(|sampler| then(sampler.should_sample(params)))
    }

    /// Runs `act` on the sampler in force. Should that be exchanged meanwhile, this is its last
    /// owner: a panic in its drop must not take the result along, nor meet another panic.
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

/// The sampler as a word: a verdict for each of three places, and the threshold above them.
fn encode(sampler: &Sampler) -> u64 {
    let alike = |choice| {
        let (verdict, threshold) = verdict(choice);
        let all = verdict << ROOT | verdict << BELOW_SAMPLED | verdict << BELOW_UNSAMPLED;
        all | threshold << THRESHOLD
    };
    match &sampler.choice {
        Choice::ParentBased(parent_based) => match parent_based.plain_root() {
            Some(root) => {
                let (verdict, threshold) = verdict(root);
                let below = KEEP << BELOW_SAMPLED | DROP << BELOW_UNSAMPLED;
                verdict << ROOT | below | threshold << THRESHOLD
            }
            None => alike(&sampler.choice),
        },
        choice => alike(choice),
    }
}

fn verdict(choice: &Choice) -> (u64, u64) {
    match choice {
        Choice::On => (KEEP, 0),
        Choice::Off => (DROP, 0),
        Choice::Probability(threshold) => (CHANCE, threshold.value()),
        Choice::Ratio(_) | Choice::ParentBased(_) | Choice::Other(_) => (ASK, 0),
    }
}

// What two bits say.
const VERDICT: u64 = 0b11;
const ASK: u64 = 0;
const KEEP: u64 = 1;
const DROP: u64 = 2;
const CHANCE: u64 = 3;
// Where they say it.
const ROOT: u32 = 0;
const BELOW_SAMPLED: u32 = 2;
const BELOW_UNSAMPLED: u32 = 4;
const THRESHOLD: u32 = 8;
