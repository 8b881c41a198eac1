//! A sampler that can be exchanged while spans are being started.

use crate::intent::Decision;
use crate::offer::Offer;
use crate::sampler::{Choice, Sampler};
use crate::threshold::Threshold;
use crate::tick::Tick;
use arc_swap::{ArcSwap, Guard};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

/// Holds the sampler in force. Clones share it: [`set`](Self::set) on one changes all.
///
/// # Cost
/// [`quick`](Self::quick) is one plain load, whatever was set; [`load`](Self::load) some 10 ns.
#[derive(Clone)]
pub struct Live {
    shared: Arc<Shared>,
}

struct Shared {
    /// The sampler in one word, for as many samplers as fit one.
    quick: AtomicU64,
    sampler: ArcSwap<Sampler>,
}

/// What one word says about a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quick {
    /// Kept; the trace state is passed on.
    Keep,
    /// Dropped; the trace state is passed on.
    Drop,
    /// Kept if the randomness reaches the threshold, which is then written.
    Chance(Threshold),
    /// The sampler itself has to be asked: [`Live::load`].
    Ask,
}

impl Live {
    /// With `sampler` in force.
    pub fn new(sampler: impl Into<Sampler>) -> Self {
        let sampler = sampler.into();
        let quick = AtomicU64::new(encode(&sampler));
        Self { shared: Arc::new(Shared { quick, sampler: ArcSwap::from_pointee(sampler) }) }
    }

    /// Puts `sampler` in force. Spans started from now on are decided by it.
    pub fn set(&self, sampler: impl Into<Sampler>) {
        let sampler = sampler.into();
        let quick = encode(&sampler);
        self.shared.sampler.store(Arc::new(sampler));
        // ORDER: Release, so that who reads "ask" also finds the sampler; pairs with `quick`.
        self.shared.quick.store(quick, Release);
    }

    /// The sampler in force.
    pub fn load(&self) -> Guard<Arc<Sampler>> {
        self.shared.sampler.load()
    }

    /// The decision, where one word is enough for it. `parent` is whether the parent is sampled;
    /// `told` whether it lives in another process and brought a trace state, whose threshold has
    /// to be checked first.
    #[inline(always)]
    pub fn quick(&self, parent: Option<bool>, told: bool) -> Quick {
        // ORDER: Acquire; pairs with `set`.
        let word = self.shared.quick.load(Acquire);
        match parent {
            Some(sampled) if word & PARENT_BASED != 0 => match sampled {
                _ if told => Quick::Ask,
                true => Quick::Keep,
                false => Quick::Drop,
            },
            _ => match word & CHOICE {
                CHANCE => Quick::Chance(Threshold::new(word >> 8).unwrap_or(Threshold::KEEP_ALL)),
                ON if !told => Quick::Keep,
                OFF if !told => Quick::Drop,
                _ => Quick::Ask,
            },
        }
    }

    /// Tells the sampler in force what time it is.
    pub fn tick(&self, tick: &Tick) {
        self.load().tick(tick);
    }

    /// Calls `then` with the decision about `offer`, which borrows from the sampler in force.
    pub fn decide<T>(&self, offer: &Offer<'_>, then: impl FnOnce(Decision<'_>) -> T) -> T {
        then(self.load().decide(offer))
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Live").field(&format_args!("{}", **self.load())).finish()
    }
}

impl fmt::Display for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self.load(), f)
    }
}

/// The sampler as a word: what it does with roots, whether children go with their parents, and
/// the threshold above that.
fn encode(sampler: &Sampler) -> u64 {
    match &sampler.choice {
        Choice::ParentBased(parent_based) => {
            parent_based.plain_root().map_or(ASK, |root| encode_root(root) | PARENT_BASED)
        }
        choice => encode_root(choice),
    }
}

fn encode_root(choice: &Choice) -> u64 {
    match choice {
        Choice::On => ON,
        Choice::Off => OFF,
        Choice::Probability(threshold) => CHANCE | threshold.value() << 8,
        Choice::Ratio(_) | Choice::ParentBased(_) | Choice::Other(_) => ASK,
    }
}

const CHOICE: u64 = 0b11;
const ASK: u64 = 0;
const ON: u64 = 1;
const OFF: u64 = 2;
const CHANCE: u64 = 3;
const PARENT_BASED: u64 = 0b100;
