//! Random requests, limits and times: every span has one outcome, no trace is torn, no memory beyond the bound.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must fail"
)]

mod support;

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use spanwise_tail::{
    DecidedTrace, Decision, PolicyKind, SampledRequest, SamplingStrategy, SpanCountPolicy,
    TailOutput, TailSampler, TailSamplingConfig,
};
use spanwise_wire::StatusCode;
use support::*;

#[derive(Debug, Clone)]
enum Step {
    /// Spans as (trace, number, error, length of an attribute, resource).
    Append(Vec<(u8, u64, bool, usize, u8)>),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![40 => 0usize..200, 1 => 5_000usize..90_000];
    let spans = (any::<u8>(), 0u64..50, prop::bool::weighted(0.05), length, 0u8..4);
    let step = prop_oneof![
        5 => prop::collection::vec(spans, 0..20).prop_map(Step::Append),
        2 => (0u64..3_000).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..40)
}

fn settings() -> impl Strategy<Value = TailSamplingConfig> {
    let traces = prop_oneof![1usize..20, 300usize..400];
    // The least that the tables leave for spans is 256 KiB.
    let memory = prop_oneof![Just(500usize << 10), Just(1usize << 20), Just(64 << 20)];
    let numbers = (traces, memory, 0u64..3_000, 0u64..1_000, 1_000usize..100_000, 1usize..2_000);
    let flags = (any::<bool>(), prop::bool::weighted(0.3));
    let choices = (any::<bool>(), any::<bool>(), any::<bool>(), 1u32..30, flags);
    (numbers, choices).prop_map(|((traces, memory, wait, after_root, request, cache), choices)| {
        let (blocks, drops, by_ingest, max_spans, (has_max, dry_run)) = choices;
        let policies = vec![
            spanwise_tail::Policy::new("errors", PolicyKind::StatusCode(vec![StatusCode::Error])),
            spanwise_tail::Policy::new("large", SpanCountPolicy::at_least(10)),
        ];
        let strategy = match by_ingest {
            true => SamplingStrategy::SpanIngest,
            false => SamplingStrategy::TraceComplete,
        };
        config(policies)
            .with_num_traces(traces)
            .with_max_memory_bytes(memory)
            .with_decision_wait(Duration::from_millis(wait))
            .with_decision_wait_after_root_received(Duration::from_millis(after_root))
            .with_max_request_bytes(request)
            .with_decision_cache(cache, cache)
            .with_dry_run(dry_run)
            .with_block_on_overflow(blocks)
            .with_drop_pending_traces_on_shutdown(drops)
            .with_sampling_strategy(strategy)
            .with_max_spans_per_trace(if has_max { max_spans } else { 1 << 20 })
            .with_maximum_trace_size_bytes(if has_max { 100_000 } else { 0 })
    })
}

/// The decisions of each trace, and its forwarded spans.
#[derive(Default)]
struct Judge {
    decisions: HashMap<u128, Vec<Decision>>,
    forwarded: HashMap<u128, u64>,
    /// Spans that the sampled decisions announced.
    announced: HashMap<u128, u64>,
    spans: u64,
}

impl TailOutput for Judge {
    fn request(&mut self, request: SampledRequest<'_>) {
        let spans = decode(request.bytes)
            .resource_spans
            .into_iter()
            .flat_map(|resource| {
                let attributes = resource.resource.unwrap_or_default().attributes;
                resource
                    .scope_spans
                    .into_iter()
                    .flat_map(|scope| scope.spans)
                    .map(move |span| (attributes.clone(), span))
            })
            .collect::<Vec<_>>();
        assert_eq!(request.spans, spans.len() as u64);
        self.spans += request.spans;
        for (resource, span) in spans {
            let trace = u128::from_be_bytes(span.trace_id.try_into().unwrap());
            *self.forwarded.entry(trace).or_default() += 1;
            // Each span has the resource that it arrived with.
            assert_eq!(span.attributes[0].value, resource[0].value);
        }
    }

    fn decided(&mut self, trace: &DecidedTrace<'_>) {
        let id = trace.trace_id.0;
        self.decisions.entry(id).or_default().push(trace.decision);
        if trace.decision == Decision::Sampled {
            *self.announced.entry(id).or_default() += trace.spans;
        }
    }
}

fn encoded(spans: &[(u8, u64, bool, usize, u8)]) -> Vec<u8> {
    let spans = spans.iter().map(|(trace, number, error, length, resource)| {
        let text = "x".repeat(*length);
        let span = with(span(u128::from(*trace) + 1, *number), "resource", i64::from(*resource));
        let span = with(span, "text", text.as_str());
        (*resource, with_status(span, if *error { 2 } else { 0 }))
    });
    let groups = spans.map(|(resource, span)| {
        resource_spans(vec![attribute("r", i64::from(resource))], vec![("scope", vec![span])])
    });
    encode(groups.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_span_has_one_outcome(settings in settings(), steps in steps()) {
        let mut now = std::time::Instant::now();
        let Ok(mut sampler) = TailSampler::new(&settings, now) else {
            // The tables do not fit in the memory.
            return Ok(());
        };
        let mut judge = Judge::default();
        let mut received = 0;
        for step in &steps {
            match step {
                Step::Append(spans) => {
                    let request = encoded(spans);
                    let mut appended = sampler.append(now, &request, &mut judge).unwrap();
                    let mut rounds = 0;
                    while appended.is_blocked {
                        now += settings.decision_wait + Duration::from_millis(100);
                        sampler.tick(now, &mut judge);
                        appended = sampler.append_from(now, &request, appended.spans, &mut judge).unwrap();
                        rounds += 1;
                        prop_assert!(rounds <= spans.len() + 1);
                    }
                    prop_assert_eq!(appended.spans, spans.len() as u64);
                    received += spans.len() as u64;
                }
                Step::Pass(millis) => {
                    now += Duration::from_millis(*millis);
                    sampler.tick(now, &mut judge);
                    prop_assert!(sampler.next_tick().is_none_or(|next| next > now));
                }
            }
            let counts = sampler.counts();
            prop_assert!(counts.is_balanced(), "{:?}", counts);
            prop_assert_eq!(counts.received_spans, received);
            prop_assert_eq!(counts.sampled_spans + counts.dry_run_spans, judge.spans);
            prop_assert!(counts.pending_traces <= settings.num_traces as u64);
            prop_assert!(sampler.memory_bytes() <= settings.max_memory_bytes);
        }
        sampler.shutdown(now, &mut judge);
        let counts = sampler.counts();
        prop_assert!(counts.is_balanced());
        prop_assert_eq!((counts.pending_spans, counts.pending_traces), (0, 0));
        // No sampled trace is torn: all of its spans were forwarded, and late ones.
        for (trace, announced) in &judge.announced {
            prop_assert!(judge.forwarded.get(trace).copied().unwrap_or_default() >= *announced);
        }
        let announced: u64 = judge.announced.values().sum();
        prop_assert_eq!(announced + counts.late_sampled_spans, counts.sampled_spans);
        let decided: usize = judge.decisions.values().map(Vec::len).sum();
        prop_assert_eq!(decided as u64, counts.new_traces);
    }
}

/// An output that panics now and then loses no span of the account.
#[test]
fn a_panic_of_the_output_leaves_the_account_balanced() {
    struct Panics(u64);

    impl TailOutput for Panics {
        fn request(&mut self, request: SampledRequest<'_>) {
            self.0 += request.spans;
            panic!("of the output");
        }
    }

    let settings = config(vec![policy(PolicyKind::AlwaysSample)]).with_max_request_bytes(1_024);
    let mut sampler = TailSampler::new(&settings, std::time::Instant::now()).unwrap();
    let start = std::time::Instant::now();
    let mut output = Panics(0);
    for trace in 0..5 {
        let request = request((0..50).map(|id| span(trace, id)).collect());
        let _all = sampler.append(start, &request, &mut output).unwrap();
    }
    std::panic::set_hook(Box::new(|_| {}));
    let mut panics = 0;
    for _ in 0..200 {
        let tick = std::panic::AssertUnwindSafe(|| sampler.tick(start + DECIDED * 2, &mut output));
        panics += u32::from(std::panic::catch_unwind(tick).is_err());
        assert!(sampler.counts().is_balanced());
    }
    let _default = std::panic::take_hook();
    assert!(panics > 10, "{panics}");
    assert_eq!((sampler.counts().pending_spans, output.0), (0, 250));
}

/// The spans of a request that follows a panic inside of `append` leave with their own resource, and the traces of the request before are
/// evaluated.
#[test]
fn a_panic_of_the_output_does_not_reach_the_next_request() {
    /// Panics at the first decision.
    #[derive(Default)]
    struct PanicsOnce {
        has_panicked: bool,
        /// Trace and value of the resource's attribute.
        spans: Vec<(u128, String)>,
    }

    impl TailOutput for PanicsOnce {
        fn request(&mut self, request: SampledRequest<'_>) {
            for resource in decode(request.bytes).resource_spans {
                let value = format!("{:?}", resource.resource.unwrap_or_default().attributes);
                for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    let id: [u8; 16] = span.trace_id.try_into().unwrap();
                    self.spans.push((u128::from_be_bytes(id), value.clone()));
                }
            }
        }

        fn decided(&mut self, _: &DecidedTrace<'_>) {
            if !std::mem::replace(&mut self.has_panicked, true) {
                panic!("of the output");
            }
        }
    }

    let all = || config(vec![policy(PolicyKind::AlwaysSample)]);
    let ingest = all().with_sampling_strategy(SamplingStrategy::SpanIngest);
    // The first decision is made amid a request by a full table, or at its end by `span-ingest`.
    for settings in [all().with_num_traces(1), ingest] {
        let now = std::time::Instant::now();
        let mut sampler = TailSampler::new(&settings, now).unwrap();
        let mut output = PanicsOnce::default();
        let send = |sampler: &mut TailSampler, output: &mut PanicsOnce, value: &str, traces| {
            let spans = std::ops::Range::<u128>::map(traces, |trace| span(trace, 1)).collect();
            let request = resource_request(vec![attribute("k", value)], spans);
            let append = std::panic::AssertUnwindSafe(|| sampler.append(now, &request, output));
            std::panic::catch_unwind(append).is_ok()
        };
        std::panic::set_hook(Box::new(|_| {}));
        let first = send(&mut sampler, &mut output, "first", 1..4);
        let _default = std::panic::take_hook();
        assert!(!first && send(&mut sampler, &mut output, "second", 5..8));
        if settings.sampling_strategy == SamplingStrategy::SpanIngest {
            assert_eq!(sampler.counts().pending_traces, 0, "all traces are evaluated");
        }
        sampler.shutdown(now, &mut output);
        assert!(sampler.counts().is_balanced());
        for (trace, value) in &output.spans {
            let expected = if *trace < 4 { "first" } else { "second" };
            assert!(value.contains(expected), "{trace}: {value}");
        }
        let later = output.spans.iter().filter(|(trace, _)| *trace >= 5).count();
        assert_eq!(later, 3);
    }
}
