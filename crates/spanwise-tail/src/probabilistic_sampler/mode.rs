//! The decision about one span.

use spanwise_sampling::trace_state::OtMember;
use spanwise_sampling::{Randomness, Threshold};
use spanwise_wire::read::{SpanView, ValueView};

use super::config::{MIN_PROBABILITY, ProbabilisticSamplerConfig, SamplerMode};
use super::counts::Origin;

/// A mode with its numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// A percentage that is or rounds to 0.
    Never,
    HashSeed {
        seed: u32,
        threshold: Threshold,
    },
    Proportional {
        ratio: f64,
        digits: u32,
    },
    Equalizing(Threshold),
}

/// The decision about a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanDecision<'a> {
    pub(crate) is_sampled: bool,
    pub(crate) origin: Origin,
    /// Neither randomness nor threshold could be used: `fail_closed` decided.
    pub(crate) has_failed: bool,
    /// The member `ot` and the threshold to be written; `None` for a trace state that stays.
    pub(crate) member: Option<(OtMember<'a>, Option<Threshold>)>,
}

/// The randomness of a span and its member `ot`.
struct Facts<'a> {
    randomness: Randomness,
    origin: Origin,
    member: Option<OtMember<'a>>,
    is_usable: bool,
}

impl Mode {
    pub(crate) fn new(config: &ProbabilisticSamplerConfig) -> Self {
        let percentage = config.sampling_percentage.min(100.0);
        if percentage == 0.0 {
            return Self::Never;
        }
        let ratio = (f64::from(percentage) / 100.0).clamp(MIN_PROBABILITY, 1.0);
        let digits = config.sampling_precision;
        match config.mode {
            SamplerMode::Proportional => Self::Proportional { ratio, digits },
            SamplerMode::Equalizing => match Threshold::with_digits(ratio, digits) {
                Ok(Some(threshold)) => Self::Equalizing(threshold),
                Ok(None) | Err(_) => Self::Never,
            },
            SamplerMode::HashSeed => {
                // In 32 bits and truncated, as the Collector computes it.
                let buckets = (percentage * (BUCKETS as f32 / 100.0)) as u64;
                let rejected = BUCKETS.saturating_sub(buckets) << BUCKET_SHIFT;
                match Threshold::new(rejected) {
                    Some(threshold) => Self::HashSeed { seed: config.hash_seed, threshold },
                    None => Self::Never,
                }
            }
        }
    }

    pub(crate) fn decide<'a>(&self, span: &SpanView<'a>, fail_closed: bool) -> SpanDecision<'a> {
        let Facts { randomness, mut origin, mut member, is_usable } = self.facts(span);
        let mut is_usable = is_usable && origin != Origin::Missing;
        if is_usable
            && let Some(known) = &mut member
            && known.th.is_some_and(|threshold| !threshold.keeps(randomness))
        {
            // The sender should not have sampled the span: its threshold is not its probability.
            known.th = None;
            is_usable = false;
        }
        let mut threshold = match is_usable {
            true => self.threshold(member.as_ref()),
            false => (!fail_closed).then_some(Threshold::KEEP_ALL),
        };
        match priority(span) {
            Some(true) => threshold = Some(Threshold::KEEP_ALL),
            Some(false) => threshold = None,
            None => {}
        }
        if priority(span).is_some() {
            origin = Origin::Priority;
        }
        let is_sampled = threshold.is_some_and(|threshold| threshold.keeps(randomness));
        let member = member.filter(|_| is_sampled).map(|member| {
            let th = member.th.into_iter().chain(threshold).max();
            (member, th)
        });
        SpanDecision { is_sampled, origin, has_failed: !is_usable, member }
    }

    /// The threshold of a span; `None` samples none.
    fn threshold(&self, member: Option<&OtMember<'_>>) -> Option<Threshold> {
        let incoming = member.and_then(|member| member.th);
        match self {
            Self::Never => None,
            Self::HashSeed { threshold, .. } => Some(*threshold),
            Self::Equalizing(threshold) => {
                Some(incoming.map_or(*threshold, |th| th.max(*threshold)))
            }
            Self::Proportional { ratio, digits } => {
                let before = incoming.map_or(1.0, Threshold::probability);
                // A product below the least probability is not sampled.
                Threshold::with_digits(before * ratio, *digits).ok().flatten()
            }
        }
    }

    fn facts<'a>(&self, span: &SpanView<'a>) -> Facts<'a> {
        let trace_id = span.trace_id().filter(|id| *id != [0; 16]);
        let parsed = span.trace_state().ok().and_then(|header| OtMember::of_header(header).ok());
        let mut member = parsed.map(Option::unwrap_or_default);
        let mut is_usable = member.is_some();
        let explicit = member.and_then(|member| member.rv);
        let (randomness, origin) = match (self, explicit, trace_id) {
            (Self::Never, ..) => (all_ones(), Origin::Priority),
            (Self::HashSeed { seed, .. }, _, Some(id)) => (hashed(id, *seed), Origin::TraceIdHash),
            (Self::HashSeed { .. }, _, None) => (all_ones(), Origin::Missing),
            (_, Some(explicit), _) => (explicit, Origin::Explicit),
            (_, None, Some(id)) => (Randomness::of_trace(u128::from_be_bytes(id)), Origin::TraceId),
            (_, None, None) => (all_ones(), Origin::Missing),
        };
        if let Self::HashSeed { .. } = self {
            match &mut member {
                // The mode neither respects nor changes what another sampler wrote.
                Some(known) if known.rv.is_some() || known.th.is_some() => {
                    is_usable = false;
                    member = None;
                }
                Some(known) if origin == Origin::TraceIdHash => known.rv = Some(randomness),
                _ => {}
            }
        }
        Facts { randomness, origin, member, is_usable }
    }
}

/// The attribute `sampling.priority`, as OpenTracing defines it: above 0 a span is sampled, at 0 it is not.
fn priority(span: &SpanView<'_>) -> Option<bool> {
    let number = match span.attribute("sampling.priority")? {
        ValueView::I64(number) => number as f64,
        ValueView::F64(number) => number,
        ValueView::Str(text) => text.parse().ok()?,
        _ => return None,
    };
    (number >= 0.0).then_some(number > 0.0)
}

/// The randomness that every threshold keeps.
fn all_ones() -> Randomness {
    Randomness::of_number(u64::MAX)
}

/// The Collector's hash of 14 bits as randomness: the bits in the order of thresholds, then the rest of the hash.
fn hashed(trace_id: [u8; 16], seed: u32) -> Randomness {
    let bytes = seed.to_le_bytes().into_iter().chain(trace_id);
    let hash =
        bytes.fold(FNV_OFFSET, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(FNV_PRIME));
    let bucket = u64::from(hash) & (BUCKETS - 1);
    let unused = u64::from(hash >> (32 - 14));
    let mixed = unused ^ unused << 10;
    Randomness::of_number((BUCKETS - 1 - bucket) << BUCKET_SHIFT | mixed << 14 | bucket)
}

const BUCKETS: u64 = 1 << 14;
/// 56 bits less the 14 of a bucket.
const BUCKET_SHIFT: u32 = 42;
/// FNV-1a with 32 bits.
const FNV_OFFSET: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;
