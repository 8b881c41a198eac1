//! [`ShedController`]: the threshold below which local roots are shed, by the fill of the queue.

#[cfg(feature = "planted-bugs")]
use spanwise_ledger::planted::{Bug, planted};

/// A 56-bit rejection threshold for local roots (specification, *TraceState: Probability Sampling*), or
/// one above all of them, which rejects every trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShedThreshold(u64);

/// Controls the threshold of [`OnFull::ShedByTrace`](crate::OnFull::ShedByTrace): the fill of the queue
/// comes in, the threshold goes out.
///
/// The threshold depends on the fill alone, and not on rates, so that it is right as soon as a producer
/// has opened a chunk, however short the overload is. Up to 50 % it accepts each trace. From there to
/// 92 % the probability with which it accepts a trace falls from 1 to 0, as the fourth power of the part of
/// this range that is left: half of the range is for probabilities below a sixteenth, so that a severe
/// overload still accepts some traces, which stand for the others, and so that a sampler with a ratio of a
/// percent, whose own threshold is high, is met by a higher one. The space above is for the spans of
/// traces that are open.
///
/// The requests that are in flight together free a third of the queue when they end. The threshold
/// therefore falls only once the fill has fallen by 40 % of the space since its last maximum: it is constant
/// while the fill moves by less.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShedController {
    /// The fill that the threshold follows: between the present fill and `FALLS_AFTER` above it.
    level: f64,
}

impl ShedThreshold {
    /// Accepts every trace.
    pub const NONE: Self = Self(0);
    /// Rejects every trace.
    pub const ALL: Self = Self(END);

    /// The threshold with this value, if it is 2⁵⁶ or less.
    #[inline]
    pub(crate) fn new(value: u64) -> Option<Self> {
        (value <= END).then_some(Self(value))
    }

    /// The value, 0 to 2⁵⁶; only [`ALL`](Self::ALL) has the latter.
    #[inline]
    pub fn value(self) -> u64 {
        self.0
    }

    /// The threshold that accepts traces with about this probability. It has at most four hexadecimal
    /// digits, as samplers write it.
    fn of_probability(probability: f64) -> Self {
        let accepted = (probability.clamp(0.0, 1.0) * STEPS as f64).round() as u64;
        Self((STEPS - accepted.min(STEPS)) * (END / STEPS))
    }
}

impl ShedController {
    /// A controller of an empty queue.
    pub const fn new() -> Self {
        Self { level: 0.0 }
    }

    /// Takes the present fill, 0 to 1; 1: no further chunk can be opened.
    pub fn observe(&mut self, fill: f64) -> ShedThreshold {
        // NaN counts as full.
        let fill = if (0.0..1.0).contains(&fill) { fill } else { 1.0 };
        #[cfg(feature = "planted-bugs")]
        if planted(Bug::ThresholdNeverFalls) {
            self.level = self.level.max(fill);
            return self.threshold();
        }
        self.level = self.level.clamp(fill, fill + FALLS_AFTER);
        self.threshold()
    }

    /// A span found no space: no trace is accepted until the fill has fallen.
    pub fn exhausted(&mut self) -> ShedThreshold {
        self.level = 1.0;
        self.threshold()
    }

    /// The present threshold.
    pub fn threshold(&self) -> ShedThreshold {
        let rest = ((HIGH - self.level) / (HIGH - LOW)).clamp(0.0, 1.0);
        ShedThreshold::of_probability(rest.powi(4))
    }

    /// The state as a word, for an atomic.
    pub(crate) fn to_bits(self) -> u64 {
        self.level.to_bits()
    }

    /// The controller with this state.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { level: f64::from_bits(bits) }
    }
}

impl Default for ShedController {
    fn default() -> Self {
        Self::new()
    }
}

/// The fill up to which every trace is accepted.
const LOW: f64 = 0.5;
/// The fill from which no trace is accepted.
const HIGH: f64 = 0.92;
/// The fall of the fill after which the threshold falls.
const FALLS_AFTER: f64 = 0.4;
/// The value above all 56-bit thresholds.
const END: u64 = 1 << 56;
/// Thresholds with four hexadecimal digits.
const STEPS: u64 = 1 << 16;
