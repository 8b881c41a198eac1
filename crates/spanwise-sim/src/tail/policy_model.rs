//! Policies, and what each decides by the facts of a trace: written from the documentation, apart from the code under test.

use super::made_span::Facts;
use crate::random::Random;
use spanwise_tail::{
    BooleanAttributePolicy, CompositePolicy, Decision, LatencyPolicy, NumericAttributePolicy,
    OttlConditionPolicy, Policy, PolicyKind, ProbabilisticPolicy, RateLimitingPolicy,
    SpanCountPolicy, StringAttributePolicy,
};
use spanwise_wire::StatusCode;

/// A policy whose decision the model predicts, but for those that hash or count.
#[derive(Debug, Clone)]
pub(crate) enum PolicyModel {
    Always,
    Never,
    Status(u8),
    Slow(u64),
    Between(u64, u64),
    Count(usize, usize),
    Key(u8),
    Number(i64, i64),
    Flag(bool),
    Ottl(u8),
    Ratio(u64),
    Rate(i64),
    Composite(i64),
    And(Vec<PolicyModel>),
    Not(Box<PolicyModel>),
    Drop(Vec<PolicyModel>),
}

use PolicyModel::*;

impl PolicyModel {
    /// Draws policies, at least one; none that counts traces with `span-ingest`.
    pub(crate) fn draw_all(random: &mut Random, by_ingest: bool) -> Vec<Self> {
        let count = random.between(1, 5);
        (0..count)
            .map(|_| match random.below(if by_ingest { 7 } else { 9 }) {
                0 => And(Self::parts(random, by_ingest)),
                1 => Not(Box::new(Self::simple(random, by_ingest))),
                2 => Drop(Self::parts(random, by_ingest)),
                7 => Rate(random.scaled(1, 1_000) as i64),
                8 => Composite(random.scaled(1, 1_000) as i64),
                _ => Self::simple(random, by_ingest),
            })
            .collect()
    }

    fn parts(random: &mut Random, by_ingest: bool) -> Vec<Self> {
        let count = random.between(1, 3);
        (0..count)
            .map(|_| match random.one_in(5) {
                true => Not(Box::new(Self::simple(random, by_ingest))),
                false => Self::simple(random, by_ingest),
            })
            .collect()
    }

    /// `span-ingest` accepts no upper bounds.
    fn simple(random: &mut Random, by_ingest: bool) -> Self {
        match random.below(12) {
            0 => Always,
            1 => Never,
            2 | 3 => Status(random.below(3) as u8),
            4 => Slow(random.pick(&[(1, 10), (1, 500), (1, 1_500)])),
            5 if !by_ingest => Between(random.below(500), random.between(501, 3_000)),
            6 if by_ingest => Count(random.between(1, 6) as usize, 0),
            6 => Count(random.between(1, 6) as usize, random.pick(&[(1, 0), (1, 6), (1, 20)])),
            7 => Key(random.below(4) as u8),
            8 => Number(random.below(60) as i64 - 20, random.between(41, 90) as i64),
            9 => Flag(random.one_in(2)),
            10 => Ottl(random.below(4) as u8),
            _ => Ratio(random.between(1, 99)),
        }
    }

    pub(crate) fn kind(&self) -> PolicyKind {
        let all = |policies: &[Self]| {
            let named =
                |(index, policy): (usize, &Self)| Policy::new(index.to_string(), policy.kind());
            policies.iter().enumerate().map(named).collect()
        };
        match self {
            Always => PolicyKind::AlwaysSample,
            Never => ProbabilisticPolicy::new(0.0).into(),
            Status(0) => PolicyKind::StatusCode(vec![StatusCode::Unset]),
            Status(1) => PolicyKind::StatusCode(vec![StatusCode::Ok]),
            Status(_) => PolicyKind::StatusCode(vec![StatusCode::Error]),
            Slow(millis) => LatencyPolicy::above(*millis as i64).into(),
            Between(low, high) => {
                LatencyPolicy::above(*low as i64).with_upper_threshold_ms(*high as i64).into()
            }
            Count(least, most) => {
                SpanCountPolicy::at_least(*least as i32).with_max_spans(*most as i32).into()
            }
            Key(value) => StringAttributePolicy::new("key", [format!("value {value}")]).into(),
            Number(low, high) => NumericAttributePolicy::new("number", *low, *high).into(),
            Flag(value) => BooleanAttributePolicy::new("flag", *value).into(),
            Ottl(value) => {
                let condition =
                    format!(r#"attributes["key"] == "value {value}" and status.code != 2"#);
                OttlConditionPolicy::span([condition]).into()
            }
            Ratio(percent) => ProbabilisticPolicy::new(*percent as f64).into(),
            Rate(spans) => RateLimitingPolicy::new(*spans).into(),
            Composite(spans) => {
                let sub = Policy::new("sub", PolicyKind::AlwaysSample);
                CompositePolicy::new(*spans, vec![sub]).into()
            }
            And(policies) => PolicyKind::And(all(policies)),
            Drop(policies) => PolicyKind::Drop(all(policies)),
            Not(policy) => PolicyKind::Not(Box::new(Policy::new("not", policy.kind()))),
        }
    }

    /// Whether the policy matches; `None` if it hashes or counts.
    fn matches(&self, trace: &[Facts], spans: usize) -> Option<bool> {
        let all = |policies: &[Self]| {
            let votes = || policies.iter().map(|policy| policy.matches(trace, spans));
            match votes().any(|vote| vote == Some(false)) {
                true => Some(false),
                false if votes().any(|vote| vote.is_none()) => None,
                false => Some(true),
            }
        };
        let any = |is_match: &dyn Fn(&Facts) -> bool| Some(trace.iter().any(is_match));
        match self {
            Always => Some(true),
            Never => Some(false),
            Status(code) => any(&|span| span.status == *code),
            Slow(millis) => Some(durations(trace).last().is_some_and(|it| it > *millis)),
            Between(low, high) => Some(durations(trace).any(|it| *low < it && it <= *high)),
            Count(least, most) => Some(spans >= *least && (*most == 0 || spans <= *most)),
            Key(value) => any(&|span| span.key == Some(*value)),
            Number(low, high) => {
                // A bound of 0 is none.
                let low = if *low == 0 { i64::MIN } else { *low };
                any(&|span| span.number.is_some_and(|number| (low..=*high).contains(&number)))
            }
            Flag(value) => any(&|span| span.flag == Some(*value)),
            Ottl(value) => any(&|span| span.key == Some(*value) && span.status != 2),
            Ratio(_) | Rate(_) | Composite(_) => None,
            And(policies) | Drop(policies) => all(policies),
            Not(policy) => policy.matches(trace, spans).map(|matches| !matches),
        }
    }
}

/// The duration of the trace after each span, as the Collector adds them.
fn durations(trace: &[Facts]) -> impl Iterator<Item = u64> {
    let (mut start, mut end) = (u64::MAX, 0);
    trace.iter().map(move |span| {
        (start, end) = (start.min(span.start_ms), end.max(span.end_ms));
        end - start
    })
}

/// The prediction for a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Predicted {
    /// `None` if a policy that hashes or counts makes the difference.
    pub(crate) decision: Option<Decision>,
    /// The index of the policy that decides, where no policy before it hashes or counts.
    pub(crate) policy: Option<usize>,
    /// Whether a `drop` policy did not match: it may match later.
    pub(crate) may_drop_later: bool,
}

impl Predicted {
    pub(crate) const UNKNOWN: Self = Self { decision: None, policy: None, may_drop_later: true };

    /// Of all policies together: a match of a `drop` policy outweighs the others.
    ///
    /// `spans` is the number of spans of the trace, of which `span-ingest` evaluates those of one resource alone.
    pub(crate) fn of(policies: &[PolicyModel], trace: &[Facts], spans: usize) -> Self {
        let is_drop = |policy: &PolicyModel| matches!(policy, Drop(_));
        let drops = || policies.iter().enumerate().filter(|(_, policy)| is_drop(policy));
        let others = || policies.iter().enumerate().filter(|(_, policy)| !is_drop(policy));
        let first = |votes: &mut dyn Iterator<Item = (usize, &PolicyModel)>| {
            let mut is_unsure = false;
            for (index, policy) in votes {
                match policy.matches(trace, spans) {
                    Some(true) => return (Some(true), (!is_unsure).then_some(index)),
                    Some(false) => {}
                    None => is_unsure = true,
                }
            }
            ((!is_unsure).then_some(false), None)
        };
        let may_drop_later = drops().next().is_some();
        let (decision, policy) = match first(&mut drops()) {
            (Some(true), policy) => (Some(Decision::Dropped), policy),
            (None, _) => (None, None),
            (Some(false), _) => match first(&mut others()) {
                (Some(true), policy) => (Some(Decision::Sampled), policy),
                (Some(false), _) => (Some(Decision::NotSampled), None),
                (None, _) => (None, None),
            },
        };
        Self { decision, policy, may_drop_later }
    }
}
