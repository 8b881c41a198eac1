//! Keep or drop, decided before anything is recorded.

mod threshold;
mod trace_state;

use opentelemetry::trace::{SpanContext, TraceState};
use std::fmt;
pub use threshold::RatioError;
use threshold::Threshold;

/// Decides which traces are kept.
///
/// Ratios are consistent probability sampling (specification, *TraceState: Probability
/// Sampling*): a trace is kept when the random part of its id is at least a threshold, so that
/// every service that keeps a tenth of the traces keeps the same tenth, and the threshold travels
/// in the trace state (`ot=th:…`), so that counts can be scaled back up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampler {
    choice: Choice,
    /// A sampled parent's children are kept and an unsampled one's are not; only roots are
    /// decided here.
    parent_based: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    On,
    Off,
    Probability(Threshold),
}

/// What a sampler says without looking at the span: all that the usual ones need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Recorded, with the parent's trace state.
    Keep,
    /// Not recorded, with the parent's trace state.
    Drop,
    /// Not known before [`Sampler::decide`] has been asked.
    Ask,
}

/// The verdicts on the three kinds of span there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdicts {
    pub(crate) root: Verdict,
    pub(crate) below_sampled: Verdict,
    pub(crate) below_unsampled: Verdict,
}

impl Verdicts {
    #[inline(always)]
    pub(crate) fn on(&self, parent: Option<&SpanContext>) -> Verdict {
        match parent {
            None => self.root,
            Some(parent) if parent.is_sampled() => self.below_sampled,
            Some(_) => self.below_unsampled,
        }
    }
}

/// A decision, and the trace state the new span gets.
pub(crate) enum Decision {
    /// Recorded, with the parent's trace state.
    Keep,
    /// Not recorded, with the parent's trace state.
    Drop,
    /// Recorded, with a trace state of the sampler's making.
    KeepWith(Box<TraceState>),
    /// Not recorded, with a trace state of the sampler's making.
    DropWith(Box<TraceState>),
}

impl Sampler {
    /// Keeps every span.
    pub fn always_on() -> Self {
        Self { choice: Choice::On, parent_based: false }
    }

    /// Keeps none.
    pub fn always_off() -> Self {
        Self { choice: Choice::Off, parent_based: false }
    }

    /// Keeps traces with probability `ratio`, 0 to 1.
    ///
    /// # Errors
    /// Not a number, outside 0 to 1, or above 0 but below 2⁻⁵⁶, the least there is.
    pub fn ratio(ratio: f64) -> Result<Self, RatioError> {
        let choice = match Threshold::from_ratio(ratio)? {
            Some(threshold) => Choice::Probability(threshold),
            None => Choice::Off,
        };
        Ok(Self { choice, parent_based: false })
    }

    /// Decides roots only; children go with their parent. Default: `always_on().parent_based()`.
    pub fn parent_based(mut self) -> Self {
        self.parent_based = true;
        self
    }

    /// What is decided already.
    pub(crate) fn verdicts(&self) -> Verdicts {
        let root = match self.choice {
            Choice::On => Verdict::Keep,
            Choice::Off => Verdict::Drop,
            Choice::Probability(_) => Verdict::Ask,
        };
        match self.parent_based {
            true => Verdicts { root, below_sampled: Verdict::Keep, below_unsampled: Verdict::Drop },
            false => Verdicts { root, below_sampled: root, below_unsampled: root },
        }
    }

    pub(crate) fn decide(&self, parent: Option<&SpanContext>, trace_id: u128) -> Decision {
        let keep = match (parent, &self.choice) {
            (Some(parent), _) if self.parent_based => parent.is_sampled(),
            (_, Choice::On) => true,
            (_, Choice::Off) => false,
            (_, Choice::Probability(threshold)) => return by_chance(threshold, parent, trace_id),
        };
        if keep { Decision::Keep } else { Decision::Drop }
    }
}

fn by_chance(threshold: &Threshold, parent: Option<&SpanContext>, trace_id: u128) -> Decision {
    let inherited = parent.map_or(&TraceState::NONE, |parent| parent.trace_state());
    let randomness = trace_state::randomness(inherited).unwrap_or(trace_id as u64 & RANDOM_BITS);
    if threshold.keeps(randomness) {
        Decision::KeepWith(Box::new(trace_state::with_threshold(inherited, Some(threshold))))
    } else if inherited.into_iter().len() == 0 {
        Decision::Drop
    } else {
        Decision::DropWith(Box::new(trace_state::with_threshold(inherited, None)))
    }
}

impl Default for Sampler {
    fn default() -> Self {
        Self::always_on().parent_based()
    }
}

impl fmt::Display for Sampler {
    /// The sampler's description (specification, *GetDescription*).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = match &self.choice {
            Choice::On => "AlwaysOnSampler".to_owned(),
            Choice::Off => "AlwaysOffSampler".to_owned(),
            Choice::Probability(threshold) => format!("ProbabilitySampler{{{threshold}}}"),
        };
        if self.parent_based { write!(f, "ParentBased{{root={root}}}") } else { f.write_str(&root) }
    }
}

/// The random part of a trace id.
const RANDOM_BITS: u64 = (1 << 56) - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TraceFlags;
    use std::str::FromStr;

    fn parent(flags: TraceFlags, trace_state: &str) -> SpanContext {
        let trace_state = TraceState::from_str(trace_state).unwrap();
        SpanContext::new(7u128.into(), 9u64.into(), flags, true, trace_state)
    }

    fn check(sampler: &Sampler, parent: Option<&SpanContext>, id: u128, kept: bool, state: &str) {
        let inherited = || parent.map_or(TraceState::NONE, |parent| parent.trace_state().clone());
        let (was_kept, trace_state) = match sampler.decide(parent, id) {
            Decision::Keep => (true, inherited()),
            Decision::Drop => (false, inherited()),
            Decision::KeepWith(trace_state) => (true, *trace_state),
            Decision::DropWith(trace_state) => (false, *trace_state),
        };
        assert_eq!((was_kept, trace_state.header().as_str()), (kept, state), "{sampler}");
    }

    #[test]
    fn decisions() {
        let half = Sampler::ratio(0.5).unwrap();
        let (low, high) = (0x7f_ffff_ffff_ffff_u128, 0x80_0000_0000_0000_u128);
        check(&Sampler::always_on(), None, 0, true, "");
        check(&Sampler::always_off(), None, u128::MAX, false, "");
        check(&half, None, high, true, "ot=th:8");
        check(&half, None, low, false, "");
        // Only the low 56 bits are random.
        check(&half, None, low | 0xff << 56, false, "");
        // Explicit randomness stands above the id; other members and sub-keys stay.
        let told = parent(TraceFlags::SAMPLED, "a=b,ot=rv:ffffffffffffff;th:c;x:1");
        check(&half, Some(&told), 0, true, "ot=th:8;rv:ffffffffffffff;x:1,a=b");
        let told = parent(TraceFlags::SAMPLED, "ot=rv:00000000000000;th:c");
        check(&half, Some(&told), u128::MAX, false, "ot=rv:00000000000000");
        // A parent decides for a parent based sampler.
        let based = Sampler::ratio(0.5).unwrap().parent_based();
        check(&based, Some(&parent(TraceFlags::SAMPLED, "ot=th:c")), 0, true, "ot=th:c");
        check(&based, Some(&parent(TraceFlags::default(), "a=b")), u128::MAX, false, "a=b");
        check(&based, None, low, false, "");
    }

    #[test]
    fn rate_one_keeps_every_id_and_rates_nest() {
        let rates = [1e-9, 0.01, 0.1, 0.5, 0.9, 1.0].map(|ratio| Sampler::ratio(ratio).unwrap());
        for _ in 0..100_000 {
            let (id, _) = crate::ids::trace_and_span_id();
            let keeps = |rate: &Sampler| matches!(rate.decide(None, id), Decision::KeepWith(_));
            let kept = rates.each_ref().map(keeps);
            assert!(kept[5]);
            assert!(kept.is_sorted(), "{id:x}: {kept:?}");
        }
        for id in [0, u128::MAX] {
            assert!(matches!(rates[5].decide(None, id), Decision::KeepWith(_)));
        }
    }
}
