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

/// A decision, with the trace state the new span gets.
pub(crate) enum Decision {
    Keep(TraceState),
    Drop(TraceState),
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

    #[inline(always)]
    pub(crate) fn decide(&self, parent: Option<&SpanContext>, trace_id: u128) -> Decision {
        match parent {
            None => match &self.choice {
                Choice::On => Decision::Keep(TraceState::NONE),
                _ => self.decide_rare(None, trace_id),
            },
            Some(parent) if self.parent_based => {
                if parent.is_sampled() {
                    Decision::Keep(parent.trace_state().clone())
                } else {
                    Decision::Drop(parent.trace_state().clone())
                }
            }
            Some(parent) => self.decide_rare(Some(parent), trace_id),
        }
    }

    fn decide_rare(&self, parent: Option<&SpanContext>, trace_id: u128) -> Decision {
        let inherited = parent.map_or(&TraceState::NONE, |parent| parent.trace_state());
        match &self.choice {
            Choice::On => Decision::Keep(inherited.clone()),
            Choice::Off => Decision::Drop(inherited.clone()),
            Choice::Probability(threshold) => {
                let randomness =
                    trace_state::randomness(inherited).unwrap_or(trace_id as u64 & RANDOM_BITS);
                if threshold.keeps(randomness) {
                    Decision::Keep(trace_state::with_threshold(inherited, Some(threshold)))
                } else {
                    Decision::Drop(trace_state::with_threshold(inherited, None))
                }
            }
        }
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
        let (was_kept, trace_state) = match sampler.decide(parent, id) {
            Decision::Keep(trace_state) => (true, trace_state),
            Decision::Drop(trace_state) => (false, trace_state),
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
            let kept =
                rates.each_ref().map(|rate| matches!(rate.decide(None, id), Decision::Keep(_)));
            assert!(kept[5]);
            assert!(kept.is_sorted(), "{id:x}: {kept:?}");
        }
        for id in [0, u128::MAX] {
            assert!(matches!(rates[5].decide(None, id), Decision::Keep(_)));
        }
    }
}
