//! Samplers with threads: settings reach all shards, long traces leave whole, and a shutdown comes at any moment.

use crate::support;

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use spanwise_metrics::MetricData;
use spanwise_tail::{
    DecidedTrace, ExplainFilter, Explanation, NumericAttributePolicy, OnFullQueue, Policy,
    PolicyKind, SampledRequest, SamplingStrategy, SpanCountPolicy, TailAppendError, TailOutput,
    TailSamplerThreads, TailSamplingConfig,
};
use spanwise_wire::StatusCode;
use support::*;

/// A thread that does not answer until then has failed.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<(Collected, Vec<String>)>>);

impl TailOutput for Shared {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.0.lock().unwrap().0.request(request);
    }

    fn decided(&mut self, trace: &DecidedTrace<'_>) {
        self.0.lock().unwrap().0.decided(trace);
    }

    fn explained(&mut self, explanation: &Explanation) {
        self.0.lock().unwrap().1.push(explanation.to_string());
    }
}

fn long(config: TailSamplingConfig) -> TailSamplingConfig {
    config.with_decision_wait(Duration::from_secs(3_600))
}

/// A trace id that spreads over shards.
fn spread(trace: u128) -> u128 {
    trace.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[test]
fn new_policies_and_explanations_reach_all_shards() {
    let never = Policy::new("never", NumericAttributePolicy::new("none", 1, 2));
    let output = Shared::default();
    let sampler = TailSamplerThreads::builder(long(config(vec![never])).with_num_shards(4))
        .build(|_| output.clone())
        .unwrap();
    let error = sampler.set_policies(&[]).unwrap_err();
    assert_eq!(error.to_string(), "at least one policy is required");
    assert_eq!(sampler.policy_counts()[0].name, "never");
    sampler.append(request((1..=100).map(|trace| span(spread(trace), 1)).collect())).unwrap();
    sampler.set_explain(Some(ExplainFilter::all()));
    sampler.set_policies(&[Policy::new("all", PolicyKind::AlwaysSample)]).unwrap();
    let counts = sampler.policy_counts();
    assert_eq!((counts.len(), &counts[0].name[..], counts[0].sampled), (1, "all", 0));
    sampler.append(request((101..=200).map(|trace| span(spread(trace), 1)).collect())).unwrap();
    let shutdown = sampler.shutdown(PATIENCE);
    assert!(shutdown.is_complete && shutdown.counts.is_balanced());
    // Also the traces that came before: they were not decided yet.
    assert_eq!(shutdown.counts.shards.sampled_traces, 200);
    let counts = sampler.policy_counts();
    assert_eq!((counts.len(), &counts[0].name[..], counts[0].decided), (1, "all", 200));
    let metrics = sampler.metrics();
    let of_name = |name: &str| metrics.iter().find(|metric| metric.name.ends_with(name)).unwrap();
    let MetricData::Counter(points) = &of_name("_count_spans_sampled").data else { panic!() };
    assert_eq!(points.iter().filter_map(|point| point.value.as_u64()).sum::<u64>(), 200);
    let MetricData::Histogram(ages) = &of_name("_trace_removal_age").data else { panic!() };
    assert_eq!(ages[0].count(), 200);
    let output = output.0.lock().unwrap();
    assert_eq!((output.0.traces().len(), output.1.len()), (200, 200));
    assert!(
        output.1.iter().all(|text| text.contains("all (always_sample): sampled")),
        "{:?}",
        output.1[0]
    );
}

#[test]
fn rules_take_no_policies() {
    let sampler = TailSamplerThreads::builder(config(vec![policy(PolicyKind::AlwaysSample)]))
        .build(|_| Shared::default())
        .unwrap();
    let error = sampler.set_rules(&[]).unwrap_err();
    assert_eq!(error.to_string(), "rules: the sampler has policies instead");
    assert!(sampler.throughput_states().is_empty() && !sampler.is_stressed());
}

/// Three traces of 5,000 spans among 300 small ones: two of the long ones are sampled.
fn long_requests() -> (Vec<Vec<u8>>, u64) {
    let (mut requests, mut sent) = (Vec::new(), 0);
    for part in 0..50u64 {
        let mut spans = Vec::new();
        for trace in 1..=3u128 {
            let ids = part * 100 + 1..=part * 100 + 100;
            spans.extend(ids.map(|id| {
                with_status(span(spread(trace), id), if trace < 3 && id == 4_321 { 2 } else { 0 })
            }));
        }
        let small = u128::from(part) * 6 + 10..u128::from(part) * 6 + 16;
        spans.extend(small.map(|trace| with_status(span(spread(trace), 1), 2)));
        sent += spans.len() as u64;
        requests.push(request(spans));
    }
    (requests, sent)
}

fn errors() -> TailSamplingConfig {
    long(config(vec![policy(PolicyKind::StatusCode(vec![StatusCode::Error]))]))
}

#[test]
fn long_traces_leave_whole_and_in_order() {
    for shards in [1, 2] {
        let outputs: Vec<Shared> = (0..shards).map(|_| Shared::default()).collect();
        let wait = Duration::from_millis(300);
        let config = errors().with_num_shards(shards).with_decision_wait(wait);
        let sampler =
            TailSamplerThreads::builder(config).build(|shard| outputs[shard].clone()).unwrap();
        let (requests, sent) = long_requests();
        requests.into_iter().for_each(|request| assert!(sampler.append(request).is_ok()));
        // The wait passes, and the owners wake by themselves until everything has left.
        let start = Instant::now();
        let pending = || sampler.counts().queued_spans + sampler.counts().shards.pending_spans;
        while pending() > 0 && start.elapsed() < PATIENCE {
            assert!(sampler.counts().is_balanced(), "{:?}", sampler.counts());
            thread::sleep(Duration::from_millis(1));
        }
        let counts = sampler.shutdown(PATIENCE).counts;
        assert_eq!(
            (counts.shards.sampled_spans, counts.shards.not_sampled_spans),
            (sent - 5_000, 5_000)
        );
        let mut traces = 0;
        for output in &outputs {
            let output = &output.0.lock().unwrap().0;
            traces += output.traces().len();
            for trace in 1..=2u128 {
                let of_trace = |span: &opentelemetry_proto::tonic::trace::v1::Span| {
                    span.trace_id == spread(trace).to_be_bytes()
                };
                let spans = output.spans().into_iter().filter(of_trace);
                let ids: Vec<Vec<u8>> = spans.map(|span| span.span_id).collect();
                let all: Vec<Vec<u8>> =
                    (1..=5_000u64).map(|id| id.to_be_bytes().to_vec()).collect();
                assert!(ids.is_empty() || ids == all, "{} spans", ids.len());
            }
        }
        assert_eq!(traces, 302);
    }
}

#[test]
fn long_traces_fit_the_memory_of_the_sampler() {
    let max = 6 << 20;
    let output = Shared::default();
    let config = errors()
        .with_max_memory_bytes(max)
        .with_max_request_bytes(16_384)
        .with_decision_wait(Duration::from_millis(20));
    let sampler = TailSamplerThreads::builder(config)
        .with_max_queue_bytes(1 << 20)
        .with_on_full(OnFullQueue::Wait(PATIENCE))
        .build(|_| output.clone())
        .unwrap();
    let mut sent = 0;
    for round in 0..3u128 {
        for trace in round * 10..round * 10 + 10 {
            for part in 0..20u64 {
                let spans = (part * 100 + 1..=part * 100 + 100).map(|id| {
                    let status = if trace.is_multiple_of(2) { 2 } else { 0 };
                    let long = "x".repeat(100);
                    with(with_status(span(spread(trace + 1), id), status), "key", &long[..])
                });
                sent += sampler.append(request(spans.collect())).unwrap();
                let bytes = sampler.memory_bytes();
                assert!(bytes <= max + (1 << 20), "{bytes}");
            }
        }
    }
    let counts = sampler.shutdown(PATIENCE).counts;
    assert!(counts.is_balanced());
    assert_eq!(counts.shards.sampled_spans + counts.shards.not_sampled_spans, sent);
    assert_eq!(output.0.lock().unwrap().0.spans().len() as u64, counts.shards.sampled_spans);
}

/// Panics at each second request.
#[derive(Clone, Default)]
struct Panicking(Arc<Mutex<(u64, u64)>>);

impl TailOutput for Panicking {
    fn request(&mut self, request: SampledRequest<'_>) {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.0 += 1;
        assert!(!state.0.is_multiple_of(2), "request");
        state.1 += request.spans;
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        assert!(
            thread::current().name().is_none_or(|name| !name.starts_with("spanwise-tail")),
            "drop"
        );
    }
}

#[test]
fn a_panic_amid_a_long_trace_tears_it_no_further_than_its_request() {
    let output = Panicking::default();
    let config = errors().with_max_request_bytes(4_096);
    let sampler = TailSamplerThreads::builder(config).build(|_| output.clone()).unwrap();
    let (requests, sent) = long_requests();
    requests.into_iter().for_each(|request| assert!(sampler.append(request).is_ok()));
    let shutdown = sampler.shutdown(PATIENCE);
    assert!(shutdown.is_complete && shutdown.counts.is_balanced(), "{shutdown:?}");
    let counts = shutdown.counts;
    assert_eq!(counts.shards.sampled_spans, sent - 5_000);
    // The destructor of the output panicked as well.
    assert_eq!(counts.output_panics, counts.shards.requests / 2 + 1);
    let arrived = output.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1;
    assert!(arrived > sent / 4 && arrived < sent * 2 / 3, "{arrived} of {sent}");
}

#[test]
fn a_shutdown_at_any_moment_accounts_for_every_accepted_span() {
    for round in 0..40u64 {
        let output = Shared::default();
        let on_full =
            if round % 2 == 0 { OnFullQueue::Refuse } else { OnFullQueue::Wait(PATIENCE) };
        let config = config(vec![policy(SpanCountPolicy::at_least(2))])
            .with_num_shards(1 + (round % 3) as u16)
            .with_decision_wait(Duration::from_millis(1))
            .with_num_traces(50);
        let sampler = TailSamplerThreads::builder(config)
            .with_max_queue_bytes(40_000)
            .with_on_full(on_full)
            .build(|_| output.clone())
            .unwrap();
        let (accepted, shutdown) = thread::scope(|scope| {
            let callers: Vec<_> = (0..3u128)
                .map(|caller| {
                    let sampler = &sampler;
                    scope.spawn(move || {
                        let mut accepted = 0;
                        for number in 1.. {
                            let trace = spread(caller << 40 | number);
                            match sampler.append(request(vec![span(trace, 1), span(trace, 2)])) {
                                Ok(spans) => accepted += spans,
                                Err(TailAppendError::QueueFull) => {}
                                Err(error) => {
                                    assert_eq!(error, TailAppendError::Closed);
                                    break;
                                }
                            }
                        }
                        accepted
                    })
                })
                .collect();
            // The moment is the point of the test.
            thread::sleep(Duration::from_micros(round * 150));
            let shutdown = sampler.shutdown(PATIENCE);
            (callers.into_iter().map(|caller| caller.join().unwrap()).sum::<u64>(), shutdown)
        });
        assert!(shutdown.is_complete);
        let counts = sampler.counts();
        assert!(counts.is_balanced(), "{counts:?}");
        assert_eq!((counts.accepted_spans, counts.queued_bytes), (accepted, 0));
        assert_eq!(counts.shards.pending_spans + counts.queued_spans, 0);
        // Both spans of each trace came in one request: none is torn.
        let output = &output.0.lock().unwrap().0;
        assert_eq!(
            (output.spans().len() as u64, output.traces().len() as u64 * 2),
            (accepted, accepted)
        );
    }
}

#[test]
fn a_sampler_that_is_dropped_decides_what_it_has_accepted() {
    struct Last(mpsc::Sender<u64>, u64);
    impl TailOutput for Last {
        fn request(&mut self, request: SampledRequest<'_>) {
            self.1 += request.spans;
        }
    }
    impl Drop for Last {
        fn drop(&mut self) {
            self.0.send(self.1).unwrap();
        }
    }
    let (ended, end) = mpsc::channel();
    let sampler = TailSamplerThreads::builder(long(config(vec![policy(PolicyKind::AlwaysSample)])))
        .build(|_| Last(ended.clone(), 0))
        .unwrap();
    sampler.append(request((1..=10).map(|trace| span(trace, 1)).collect())).unwrap();
    drop(sampler);
    assert_eq!(end.recv_timeout(PATIENCE), Ok(10));
}

#[test]
fn span_ingest_decides_by_a_whole_resource_also_in_portions() {
    // The second condition holds by spans that are more than a portion apart.
    let large = policy(SpanCountPolicy::at_least(1));
    let both = Policy::new(
        "both",
        PolicyKind::And(vec![
            Policy::new("errors", PolicyKind::StatusCode(vec![StatusCode::Error])),
            Policy::new("ok", PolicyKind::StatusCode(vec![StatusCode::Ok])),
        ]),
    );
    for (policies, sampled) in [(vec![both.clone()], 1), (vec![large], 2)] {
        let config = long(config(policies)).with_sampling_strategy(SamplingStrategy::SpanIngest);
        let mut spans: Vec<_> = (1..=3_000u64).map(|id| span(7, id)).collect();
        spans[0] = with_status(spans[0].clone(), 2);
        spans[2_999] = with_status(spans[2_999].clone(), 1);
        spans.push(with_status(span(8, 1), 2));
        let request = request(spans);
        let mut world = World::new(&config);
        world.append(&request);
        let output = Shared::default();
        let sampler = TailSamplerThreads::builder(config).build(|_| output.clone()).unwrap();
        sampler.append(request).unwrap();
        let counts = sampler.shutdown(PATIENCE).counts;
        assert_eq!(counts.shards.sampled_traces, sampled);
        assert_eq!(world.sampler.counts().sampled_traces, sampled);
    }
}
