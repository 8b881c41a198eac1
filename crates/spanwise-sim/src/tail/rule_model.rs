//! Rules, and what each decides by the facts of a trace: written from the documentation, apart from the code under test.

use super::made_span::Facts;
use super::policy_model::Predicted;
use crate::random::Random;
use spanwise_tail::{
    AdaptiveThroughput, Decision, ProbabilisticPolicy, RateLimitingPolicy, Rule, RuleMatch,
    RuleSampler,
};

/// A rule whose decision the model predicts, but for those that limit a rate.
#[derive(Debug, Clone)]
pub(crate) struct RuleModel {
    conditions: Vec<Condition>,
    is_same_span: bool,
    sampler: Sampler,
}

/// A condition over one span.
#[derive(Debug, Clone, Copy)]
enum Condition {
    Key(u8),
    Status(u8),
    Root,
    NumberAbove(i64),
    /// Fails for every span: it holds for none.
    Failing,
}

#[derive(Debug, Clone, Copy)]
enum Sampler {
    Always,
    Drop,
    Ratio(u64),
    Rate(i64),
    Adaptive(u64),
}

impl RuleModel {
    /// Draws rules, at least one; `has_budget` decides whether the rules have budgets, which take memory.
    pub(crate) fn draw_all(random: &mut Random, has_budget: bool) -> Vec<Self> {
        let count = random.between(1, 5);
        let mut rules: Vec<Self> = (0..count).map(|_| Self::draw(random)).collect();
        if has_budget {
            let spans = random.scaled(1, 1_000) as i64;
            let sampler = Sampler::Rate(spans);
            rules.push(Self { conditions: Vec::new(), is_same_span: false, sampler });
        }
        rules
    }

    fn draw(random: &mut Random) -> Self {
        let conditions = random.below(3);
        Self {
            conditions: (0..conditions)
                .map(|_| match random.below(8) {
                    0 | 1 => Condition::Key(random.below(4) as u8),
                    2 | 3 => Condition::Status(random.below(3) as u8),
                    4 | 5 => Condition::Root,
                    6 => Condition::NumberAbove(random.below(60) as i64),
                    _ => Condition::Failing,
                })
                .collect(),
            is_same_span: random.one_in(2),
            sampler: match random.below(8) {
                0 | 1 => Sampler::Always,
                2 | 3 => Sampler::Drop,
                4..7 => Sampler::Ratio(random.between(1, 99)),
                _ => Sampler::Adaptive(random.scaled(1, 1_000)),
            },
        }
    }

    pub(crate) fn rule(&self, index: usize) -> Rule {
        let sampler = match self.sampler {
            Sampler::Always => RuleSampler::AlwaysSample,
            Sampler::Drop => RuleSampler::Drop,
            Sampler::Ratio(percent) => ProbabilisticPolicy::new(percent as f64).into(),
            Sampler::Rate(spans) => RateLimitingPolicy::new(spans).into(),
            Sampler::Adaptive(spans) => AdaptiveThroughput::new(spans)
                .with_fingerprint_attribute(r#"any.attributes["key"]"#)
                .into(),
        };
        let matching = if self.is_same_span { RuleMatch::SameSpan } else { RuleMatch::AnySpan };
        let rule = Rule::new(index.to_string(), sampler).with_match(matching);
        self.conditions.iter().fold(rule, |rule, condition| rule.with_condition(condition.text()))
    }

    fn matches(&self, trace: &[Facts]) -> bool {
        let holds = |span: &Facts| self.conditions.iter().all(|condition| condition.holds(span));
        let any = |condition: &Condition| trace.iter().any(|span| condition.holds(span));
        match self.is_same_span {
            _ if self.conditions.is_empty() => true,
            true => trace.iter().any(holds),
            false => self.conditions.iter().all(any),
        }
    }

    /// The prediction for a trace: the first rule that matches decides.
    pub(crate) fn predict(rules: &[Self], id: [u8; 16], trace: &[Facts]) -> Predicted {
        let policy = rules.iter().position(|rule| rule.matches(trace));
        let sampler = policy.and_then(|index| rules.get(index)).map(|rule| rule.sampler);
        let decision = match sampler {
            None => Some(Decision::NotSampled),
            Some(Sampler::Always) => Some(Decision::Sampled),
            Some(Sampler::Drop) => Some(Decision::Dropped),
            Some(Sampler::Ratio(percent)) => Some(by_ratio(id, percent as f64)),
            Some(Sampler::Rate(_) | Sampler::Adaptive(_)) => None,
        };
        Predicted { decision, policy, may_drop_later: false }
    }
}

/// The decision by the lowest 56 bits of a trace id.
pub(crate) fn by_ratio(id: [u8; 16], percent: f64) -> Decision {
    let end = 1_u64 << 56;
    let randomness = u128::from_be_bytes(id) as u64 % end;
    match randomness as f64 >= end as f64 * (1.0 - percent / 100.0) {
        true => Decision::Sampled,
        false => Decision::NotSampled,
    }
}

impl Condition {
    fn holds(&self, span: &Facts) -> bool {
        match *self {
            Self::Key(value) => span.key == Some(value),
            Self::Status(code) => span.status == code,
            Self::Root => span.is_root,
            Self::NumberAbove(low) => span.number.is_some_and(|number| number > low),
            Self::Failing => false,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Key(value) => format!(r#"attributes["key"] == "value {value}""#),
            Self::Status(code) => format!("status.code == {code}"),
            Self::Root => "IsRootSpan()".to_owned(),
            Self::NumberAbove(low) => format!(r#"attributes["number"] > {low}"#),
            Self::Failing => r#"Len(attributes["number"]) > 0"#.to_owned(),
        }
    }
}
