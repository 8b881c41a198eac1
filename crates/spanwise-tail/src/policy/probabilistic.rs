//! `probabilistic`

use std::time::Duration;

use spanwise_sampling::trace_state::OtMember;
use spanwise_sampling::{Randomness, Threshold};

use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError};
use crate::trace_view::TraceView;

/// Samples a percentage of traces by a hash of the trace id.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct ProbabilisticPolicy {
    /// Collectors in a row need different salts to sample independently (`hash_salt`). Empty means the Collector's own.
    pub hash_salt: String,
    /// 0 or less samples no trace, 100 or more every trace.
    pub sampling_percentage: f64,
}

impl ProbabilisticPolicy {
    /// Samples `sampling_percentage` of the traces.
    pub fn new(sampling_percentage: f64) -> Self {
        Self { hash_salt: String::new(), sampling_percentage }
    }

    /// Salts the hash.
    #[must_use]
    pub fn with_hash_salt(self, hash_salt: impl Into<String>) -> Self {
        Self { hash_salt: hash_salt.into(), ..self }
    }

    /// The threshold of the percentage; the strictest one for 0.
    pub(crate) fn threshold(&self) -> Threshold {
        let ratio = (self.sampling_percentage / 100.0).clamp(0.0, 1.0);
        // Below 2⁻⁵⁶, the least probability there is.
        Threshold::from_probability(ratio).ok().flatten().unwrap_or(Threshold::nearest(ratio))
    }
}

pub(crate) struct Probabilistic {
    /// The state of the hash after the salt.
    salted: u64,
    /// The largest hash that is sampled.
    threshold: u64,
    by_randomness: Option<ByRandomness>,
}

/// The Collector's gate `processor.tailsamplingprocessor.usetracestate`.
enum ByRandomness {
    Never,
    At(Threshold),
}

impl Probabilistic {
    pub(crate) fn new(
        policy: &ProbabilisticPolicy,
        uses_trace_state: bool,
    ) -> Result<Self, String> {
        let percentage = policy.sampling_percentage;
        if percentage.is_nan() {
            return Err("`sampling_percentage` is not a number; accepted is 0 to 100".to_owned());
        }
        let salt = match policy.hash_salt.as_str() {
            "" => DEFAULT_SALT,
            salt => salt,
        };
        let ratio = percentage / 100.0;
        // Below 2⁻⁵⁶, the least probability there is, the Collector samples nothing.
        let has_threshold =
            ratio >= 1.0 || matches!(Threshold::from_probability(ratio), Ok(Some(_)));
        let by_randomness = uses_trace_state.then(|| match has_threshold {
            true => ByRandomness::At(policy.threshold()),
            false => ByRandomness::Never,
        });
        Ok(Self {
            salted: fnv1a(FNV_OFFSET, salt.as_bytes()),
            threshold: largest_hash(ratio),
            by_randomness,
        })
    }

    /// The randomness of the first span with an `rv`, else that of the trace id if any span has a `th`; `None` if no span has either.
    /// Malformed trace states are left out.
    fn randomness(trace: &TraceView<'_>) -> Option<Randomness> {
        let mut has_threshold = false;
        let explicit = trace.find(|span| {
            let header =
                span.trace_state().ok().filter(|header| header.len() <= MAX_HEADER_BYTES)?;
            let member = OtMember::of_header(header).ok()??;
            has_threshold |= member.th.is_some();
            member.rv
        });
        let of_id = || Randomness::of_trace(u128::from_be_bytes(trace.trace_id()));
        explicit.or_else(|| has_threshold.then(of_id))
    }
}

impl Evaluate for Probabilistic {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        _: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        if let Some(by_randomness) = &self.by_randomness
            && let Some(randomness) = Self::randomness(trace)
        {
            return Ok(PolicyDecision::of(match by_randomness {
                ByRandomness::Never => false,
                ByRandomness::At(threshold) => threshold.keeps(randomness),
            }));
        }
        Ok(PolicyDecision::of(fnv1a(self.salted, &trace.trace_id()) <= self.threshold))
    }

    fn number(&self, trace: &TraceView<'_>) -> Option<String> {
        let randomness = self.by_randomness.as_ref().and_then(|_| Self::randomness(trace));
        let percent = match randomness {
            // The traces with the largest numbers are sampled first.
            Some(randomness) => (1.0 - randomness.value() as f64 / (1u64 << 56) as f64) * 100.0,
            None => fnv1a(self.salted, &trace.trace_id()) as f64 / u64::MAX as f64 * 100.0,
        };
        Some(format!("{percent:.4} %"))
    }
}

/// FNV-1a with 64 bits, continued from `hash`.
fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// `ratio` of 2⁶⁴ − 1 as Go's `big.Float` computes it: the product rounded to 64 significant bits, half to even, and truncated
/// to a whole number. An `f64` would lose the low 11 bits, and with them the decisions at the edge.
fn largest_hash(ratio: f64) -> u64 {
    if ratio <= 0.0 {
        return 0;
    }
    if ratio >= 1.0 {
        return u64::MAX;
    }
    // ratio = mantissa · 2^exponent, of which subnormal numbers give 0.
    let bits = ratio.to_bits();
    let exponent = (bits >> 52) as i32 - 1075;
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    let product = u128::from(u64::MAX) * u128::from(mantissa);
    let excess = (128 - product.leading_zeros()).saturating_sub(64);
    let (mut rounded, rest) = (product >> excess, product & ((1u128 << excess) - 1));
    let half = (1u128 << excess) >> 1;
    if rest > half || (rest == half && rounded & 1 == 1) {
        rounded += 1;
    }
    match excess as i32 + exponent {
        shift @ 0.. => u64::try_from(rounded << shift.min(63)).unwrap_or(u64::MAX),
        shift @ -127..0 => u64::try_from(rounded >> -shift).unwrap_or(u64::MAX),
        _ => 0,
    }
}

/// The Collector reads no longer trace state.
const MAX_HEADER_BYTES: usize = 1_024;
/// The Collector's salt.
const DEFAULT_SALT: &str = "default-hash-seed";
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // Vectors of the reference implementation.
        assert_eq!(fnv1a(FNV_OFFSET, b""), 0xcbf29ce484222325);
        assert_eq!(fnv1a(FNV_OFFSET, b"a"), 0xaf63dc4c8601ec8c);
        assert_eq!(fnv1a(FNV_OFFSET, b"foobar"), 0x85944171f73967e8);
    }

    #[test]
    fn thresholds_are_exact() {
        // floor of the product of exact fractions, rounded to 64 bits first.
        for (ratio, expected) in [
            (0.0, 0),
            (-0.5, 0),
            (0.5, 0x7fff_ffff_ffff_ffff),
            (0.25, 0x3fff_ffff_ffff_ffff),
            (1.0, u64::MAX),
            (1.5, u64::MAX),
            (0.1, 1_844_674_407_370_955_263),
            (f64::MIN_POSITIVE, 0),
        ] {
            assert_eq!(largest_hash(ratio), expected, "{ratio}");
        }
    }
}
