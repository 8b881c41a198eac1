//! [`TailPolicies`] decides as a sampler does, by a summary and the spans of another holder.

use std::cell::Cell;
use std::error::Error;
use std::time::Duration;

use spanwise_tail::{
    Decision, LatencyPolicy, Policy, PolicyKind, RateLimitingPolicy, Rule, RuleSampler, SpanSource,
    StringAttributePolicy, TailPolicies, TailSamplingConfig, TraceSummary,
};
use spanwise_wire::read::SpanView;
use spanwise_wire::{StatusCode, TraceId};

type Result = std::result::Result<(), Box<dyn Error>>;

struct Spans<'a> {
    views: Vec<SpanView<'a>>,
    reads: Cell<usize>,
}

impl<'a> Spans<'a> {
    fn new(views: Vec<SpanView<'a>>) -> Self {
        Self { views, reads: Cell::new(0) }
    }
}

impl<'a> SpanSource<'a> for Spans<'a> {
    fn len(&self) -> usize {
        self.views.len()
    }

    fn span(&self, index: usize) -> Option<SpanView<'a>> {
        self.reads.set(self.reads.get() + 1);
        self.views.get(index).copied()
    }
}

fn policies() -> TailSamplingConfig {
    TailSamplingConfig::default()
        .with_policy(Policy::new("errors", PolicyKind::StatusCode(vec![StatusCode::Error])))
        .with_policy(Policy::new("slow", LatencyPolicy::above(100)))
        .with_policy(Policy::new("head", PolicyKind::TraceFlags))
}

fn trace() -> TraceSummary {
    let second = 1_000_000_000;
    TraceSummary::new(TraceId(7)).with_spans(2).with_times(second, second + 100_000_000)
}

#[test]
fn the_facts_of_the_summary_decide_without_reading_the_spans() -> Result {
    let mut policies = TailPolicies::new(&policies())?;
    let views = vec![SpanView::parse(&[])?, SpanView::parse(&[])?];
    let spans = Spans::new(views);
    let mut decide = |summary: TraceSummary| policies.decide(&summary, &spans, Duration::ZERO);
    assert_eq!(decide(trace()), Decision::NotSampled);
    assert_eq!(decide(trace().with_status(StatusCode::Unset)), Decision::NotSampled);
    let error = trace().with_status(StatusCode::Ok).with_status(StatusCode::Error);
    assert_eq!(decide(error), Decision::Sampled);
    assert_eq!(decide(trace().with_times(1_000_000_000, 1_101_000_000)), Decision::Sampled);
    assert_eq!(decide(trace().with_sampled_flag(true)), Decision::Sampled);
    assert_eq!(spans.reads.get(), 0);
    let counts: Vec<_> = policies.counts().map(|it| (it.name.as_str(), it.decided)).collect();
    assert_eq!(counts, [("errors", 1), ("slow", 1), ("head", 1)]);
    Ok(())
}

#[test]
fn policies_of_attributes_read_the_spans_in_their_order() -> Result {
    // span { attributes { key: "k", value { string_value: "v" } } }
    let span = [74, 8, 10, 1, b'k', 18, 3, 10, 1, b'v'];
    let config = TailSamplingConfig::default()
        .with_policy(Policy::new("key", StringAttributePolicy::new("k", ["v"])));
    let mut policies = TailPolicies::new(&config)?;
    let with = Spans::new(vec![SpanView::parse(&[])?, SpanView::parse(&span)?]);
    let without = Spans::new(vec![SpanView::parse(&[])?]);
    assert_eq!(policies.decide(&trace(), &with, Duration::ZERO), Decision::Sampled);
    assert_eq!(policies.decide(&trace(), &without, Duration::ZERO), Decision::NotSampled);
    assert_eq!(with.reads.get(), 2);
    Ok(())
}

#[test]
fn a_rate_is_measured_by_the_time_that_is_passed() -> Result {
    let policy = Policy::new("rate", RateLimitingPolicy::new(4));
    let mut policies = TailPolicies::new(&TailSamplingConfig::default().with_policy(policy))?;
    let spans = Spans::new(Vec::new());
    let mut sampled_at = |seconds: u64| {
        let now = Duration::from_secs(seconds);
        let decide = || policies.decide(&trace(), &spans, now);
        std::iter::repeat_with(decide).take(100).filter(|it| *it == Decision::Sampled).count()
    };
    let first = sampled_at(0);
    assert!((1..100).contains(&first), "{first}");
    assert_eq!(sampled_at(0), 0);
    assert_eq!(sampled_at(1), 2);
    Ok(())
}

#[test]
fn rules_and_invalid_settings_are_errors_that_name_the_setting() {
    let error = |config: TailSamplingConfig| TailPolicies::new(&config).unwrap_err().to_string();
    assert_eq!(error(TailSamplingConfig::default()), "at least one policy is required");
    let rule = TailSamplingConfig::default().with_rule(Rule::new("all", RuleSampler::AlwaysSample));
    assert!(error(rule).starts_with("rules: "));
    assert!(error(policies().with_num_traces(0)).starts_with("num_traces: 0 is out of range"));
}
