//! Bugs that a simulator plants, one at a time, to prove that it finds them.
//!
//! Each bug is one `if planted(TailBug::…)` at the place that it breaks. The feature `planted-bugs` compiles them in; without a call
//! of [`plant`], nothing changes.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailBug {
    /// The first span of a sampled trace is in no account.
    SpanLost,
    /// The first span of a sampled trace is counted and does not leave.
    TornTrace,
    /// The decision about an evicted trace is not remembered.
    EvictionForgotten,
    /// Policies do not see the first span of a trace.
    FirstSpanIgnored,
    /// Spans are stored beyond the budget of memory.
    BudgetIgnored,
    /// A root span does not hasten the decision.
    RootIgnored,
    /// The next tick is reported one tick late.
    LateTick,
    /// Traces are decided one tick early.
    EarlyDecision,
    /// A remembered decision is replaced in the order of insertion.
    CacheByInsertion,
    /// A request may be larger than its limit.
    RequestLimitIgnored,
    /// A span leaves in the scope of the span before it.
    ScopesMixed,
    /// Stress relief does not end.
    StressNeverEnds,
}

impl TailBug {
    /// Every bug, in the order of declaration.
    pub const ALL: [Self; 12] = [
        Self::SpanLost,
        Self::TornTrace,
        Self::EvictionForgotten,
        Self::FirstSpanIgnored,
        Self::BudgetIgnored,
        Self::RootIgnored,
        Self::LateTick,
        Self::EarlyDecision,
        Self::CacheByInsertion,
        Self::RequestLimitIgnored,
        Self::ScopesMixed,
        Self::StressNeverEnds,
    ];
}

/// Plants `bug` in the whole process, in place of the one before; `None` plants none.
pub fn plant(bug: Option<TailBug>) {
    PLANTED.store(bug.map_or(NONE, |bug| bug as u8), Relaxed);
}

/// Whether `bug` is planted.
pub(crate) fn planted(bug: TailBug) -> bool {
    PLANTED.load(Relaxed) == bug as u8
}

const NONE: u8 = u8::MAX;
static PLANTED: AtomicU8 = AtomicU8::new(NONE);
