//! Propagated trace states: no reader finds a threshold that no stage has written.

use crate::reader;
use crate::support;

use proptest::prelude::*;
use reader::{headers, may_leave, thresholds};
use spanwise_sampling::trace_state::{OtMember, write_header};
use spanwise_sampling::{
    AlwaysRecord, AnnotatingSampler, ComposableSampler, JaegerRemote, JaegerStrategy, Parent,
    ParentBased, ParentThreshold, RateLimited, RuleBased, Sampler, SamplingIntent,
    SamplingParameters, SpanPredicate, Threshold, TraceIdRatioBased, TraceStateUpdate, XrayRemote,
};
use support::Virtual;

/// The header of a span below a parent with `header`, edited without the API's types.
fn sent(sampler: &Sampler, params: &SamplingParameters<'_>, header: &str) -> (bool, String) {
    let decision = sampler.should_sample(params);
    let mut out = String::new();
    match decision.th {
        TraceStateUpdate::Pass => out.push_str(header),
        change => {
            let mut member = String::new();
            let value = change.write_member(params, &mut member).then_some(&*member);
            write_header(header, "ot", value, &mut out);
        }
    }
    (decision.sampled, out)
}

/// A plug-in sampler with a fixed intent.
#[derive(Debug)]
struct Plugged(SamplingIntent<'static>);

impl ComposableSampler for Plugged {
    fn sampling_intent<'s>(&'s self, _: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        self.0
    }

    fn description(&self) -> String {
        "Plugged".to_owned()
    }
}

/// Samplers, their thresholds, whether they may follow a parent of this process, and one of another
/// process.
fn samplers() -> Vec<(Sampler, Option<u64>, bool, bool)> {
    let half = || Sampler::probability(0.5).unwrap();
    let half_th = Some(1 << 55);
    let unreliable = SamplingIntent {
        adjusted_count_reliable: false,
        ..SamplingIntent::keep(Threshold::new(1 << 55).unwrap())
    };
    let remote = |strategy: JaegerStrategy| {
        let remote = JaegerRemote::new(Sampler::always_on());
        remote.apply(&strategy);
        Sampler::from(remote)
    };
    let operations =
        JaegerStrategy::PerOperation { default: 0.0, lower_bound: 1e3, operations: Vec::new() };
    vec![
        (Sampler::always_on(), None, false, false),
        (Sampler::always_off(), None, false, false),
        (half(), half_th, false, false),
        (TraceIdRatioBased::new(0.5).unwrap().into(), None, false, false),
        (Sampler::default(), None, true, true),
        (half().parent_based(), None, true, true),
        (ParentThreshold::new(half()).into(), None, true, true),
        (
            ParentBased::new(half()).with_local_sampled(Sampler::always_off()).into(),
            None,
            true,
            true,
        ),
        (RateLimited::new(1e3).unwrap().into(), None, true, false),
        (remote(JaegerStrategy::RateLimiting(1e3)), None, true, false),
        (remote(operations), None, true, false),
        (XrayRemote::new().into(), None, true, false),
        (Plugged(SamplingIntent::keep_without_threshold()).into(), None, false, false),
        (Plugged(SamplingIntent::DROP).into(), None, false, false),
        (Plugged(unreliable).into(), None, false, false),
        (
            Plugged(SamplingIntent::keep(Threshold::new(1 << 55).unwrap())).into(),
            half_th,
            false,
            false,
        ),
        (AlwaysRecord::new(Sampler::always_off()).into(), None, false, false),
        (RuleBased::new().with_rule(SpanPredicate::any(), half()).into(), half_th, false, false),
        (
            AnnotatingSampler::new(Sampler::always_on()).with_member("ot", "th:4").into(),
            None,
            false,
            false,
        ),
    ]
}

proptest! {
    #[test]
    fn no_reader_finds_a_threshold_that_no_stage_has_written(
        header in headers(),
        high: bool,
        sampled: bool,
        remote: bool,
    ) {
        let context = Virtual::new();
        let id = if high { 0xff << 48 } else { 1 };
        for (sampler, own, local_follows, remote_follows) in samplers() {
            let parent = Parent::of_header(sampled, remote, &header);
            let params = SamplingParameters { parent: Some(parent), ..SamplingParameters::root(id, "x", &context) };
            let (child_sampled, after) = sent(&sampler, &params, &header);
            // Below a remote parent X-Ray's fallback samples 1 of 20 by a threshold of its own.
            let xray = sampler.to_string().starts_with("Xray") && remote;
            let own = if xray { reader::strict(&after).0 } else { own };
            let follows = if remote { remote_follows } else { local_follows };
            let legal = may_leave(&header, &after, id, (sampled, child_sampled), (own, follows));
            prop_assert!(legal.is_ok(), "{}: {:?} -> {:?}: {:?}", sampler, header, after, legal);
        }
    }
}

#[test]
fn a_malformed_or_repeated_member_is_not_propagated() {
    let context = Virtual::new();
    for header in [
        // "the used keys MUST be unique" (TraceState Handling).
        "a=b,ot=th:8;th:c",
        "a=b,ot=th:8;x:1;x:2",
        // Not `key ":" value` with the characters of the grammar.
        "ot=th:8;,a=b",
        "ot=th:8;bad,a=b",
        "ot=th:8;x:$,a=b",
        // "Only one entry per key is allowed" (W3C Trace Context, section tracestate).
        "ot=th:8,a=b,ot=th:c",
        "ot=x:1,a=b,ot=th:8",
        "ot=th:8,a=b,ot =th:c",
        // "The complete list length MUST NOT exceed 256 characters".
        &format!("ot=th:8;x:{},a=b", "v".repeat(250)),
    ] {
        for remote in [true, false] {
            for sampled in [true, false] {
                for sampler in [Sampler::default(), Sampler::always_on(), Sampler::always_off()] {
                    let parent = Parent::of_header(sampled, remote, header);
                    assert!(parent.is_malformed(), "{header}");
                    let params = SamplingParameters {
                        parent: Some(parent),
                        ..SamplingParameters::root(1, "x", &context)
                    };
                    assert_eq!(sent(&sampler, &params, header).1, "a=b", "{sampler} {header}");
                    assert!(sampler.should_sample(&params).malformed);
                }
                // A stage with a threshold of its own writes it.
                let half = Sampler::probability(0.5).unwrap();
                let parent = Some(Parent::of_header(sampled, remote, header));
                let params = SamplingParameters {
                    parent,
                    ..SamplingParameters::root(u128::MAX, "x", &context)
                };
                assert_eq!(sent(&half, &params, header), (true, "ot=th:8,a=b".to_owned()));
            }
        }
    }
}

#[test]
fn a_dropped_child_of_a_sampled_parent_has_no_threshold() {
    let context = Virtual::new();
    // The parent is sampled in contradiction to its threshold: "they should erase the threshold
    // when it is apparently inconsistent" (Probability Sampling, General requirements).
    for header in ["ot=th:8,a=b", "ot=th:c,a=b", "ot=th:4,a=b"] {
        for remote in [true, false] {
            let parent = Some(Parent::of_header(true, remote, header));
            let params =
                SamplingParameters { parent, ..SamplingParameters::root(1, "x", &context) };
            for sampler in [Sampler::probability(0.5).unwrap(), Sampler::always_off()] {
                assert_eq!(sent(&sampler, &params, header), (false, "a=b".to_owned()), "{sampler}");
            }
        }
    }
}

#[test]
fn a_member_of_256_characters_is_preserved() {
    // "The complete list length MUST NOT exceed 256 characters" (TraceState Handling): 256 are allowed.
    let list = format!("x:{};y:1", "v".repeat(250));
    assert_eq!(list.len(), 256);
    let mut out = String::new();
    OtMember::parse(&list).unwrap().write(None, &mut out);
    assert_eq!(out, list);
    // A threshold that replaces a pair of the same length fits too.
    let list = format!("th:8;x:{}", "v".repeat(249));
    assert_eq!(list.len(), 256);
    let mut out = String::new();
    OtMember::parse(&list).unwrap().write(Threshold::parse("c"), &mut out);
    assert_eq!(out, list.replace("th:8", "th:c"));
    assert_eq!(thresholds(&format!("ot={out}")), ["c"]);
}
