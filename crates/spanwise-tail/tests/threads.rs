//! Samplers with threads: each span has one outcome, whatever the callers, the queue and the outputs do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must fail"
)]

mod support;

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use spanwise_tail::{
    DecidedTrace, OnFullQueue, Policy, PolicyKind, RateLimitingPolicy, SampledRequest,
    SpanCountPolicy, TailAppendError, TailOutput, TailSamplerThreads, TailSamplingConfig,
    TailThreadsError,
};
use spanwise_wire::StatusCode;
use support::*;

/// A thread that does not answer until then has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// An output whose content outlives its thread.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Collected>>);

impl TailOutput for Shared {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.0.lock().unwrap().request(request);
    }

    fn decided(&mut self, trace: &DecidedTrace<'_>) {
        self.0.lock().unwrap().decided(trace);
    }
}

fn errors() -> TailSamplingConfig {
    let errors = PolicyKind::StatusCode(vec![StatusCode::Error]);
    let policies =
        vec![Policy::new("errors", errors), Policy::new("large", SpanCountPolicy::at_least(9))];
    // No trace is due before the shutdown, however slow the machine is.
    config(policies).with_decision_wait(Duration::from_secs(3_600))
}

/// Traces of 1 to 10 spans, the first span of each third one an error; `part` of `parts` has its share of the spans of each trace.
fn requests(part: u64, parts: u64) -> Vec<Vec<u8>> {
    let of_trace = |trace: u128| {
        let spans = (1..=1 + trace as u64 % 10).filter(move |id| id % parts == part);
        spans.map(move |id| {
            let status = if trace.is_multiple_of(3) && id == 1 { 2 } else { 0 };
            with_status(span(trace.wrapping_mul(0x9e37_79b9_7f4a_7c15), id), status)
        })
    };
    let traces: Vec<u128> = (1..=600).collect();
    let chunk = |traces: &[u128]| {
        let spans: Vec<_> = traces.iter().flat_map(|trace| of_trace(*trace)).collect();
        let half = spans.len() / 2;
        let scopes = vec![("a", spans[..half].to_vec()), ("b", spans[half..].to_vec())];
        encode(vec![resource_spans(vec![attribute("service.name", "shop")], scopes)])
    };
    traces.chunks(20).map(chunk).collect()
}

#[test]
fn threads_decide_as_one_sampler_does() {
    let mut world = World::new(&errors());
    (0..3).flat_map(|part| requests(part, 3)).for_each(|request| world.append(&request));
    world.shutdown();
    let expected = (world.output.traces(), world.output.spans().len());
    for shards in [1, 2, 5] {
        let outputs: Vec<Shared> = (0..shards).map(|_| Shared::default()).collect();
        let config = errors().with_num_shards(shards);
        let builder = TailSamplerThreads::builder(config).with_on_full(OnFullQueue::Wait(PATIENCE));
        // A queue of a few requests, so that callers wait for it.
        let builder = builder.with_max_queue_bytes(80_000);
        let sampler = builder.build(|shard| outputs[shard].clone()).unwrap();
        thread::scope(|scope| {
            for part in 0..3 {
                let sampler = &sampler;
                scope.spawn(move || {
                    for request in requests(part, 3) {
                        assert!(sampler.append(request).unwrap() > 0);
                        assert!(sampler.counts().is_balanced(), "{:?}", sampler.counts());
                    }
                });
            }
        });
        let shutdown = sampler.shutdown(PATIENCE);
        assert!(shutdown.is_complete);
        let counts = shutdown.counts;
        assert!(counts.is_balanced(), "{counts:?}");
        assert_eq!(
            (counts.queued_spans, counts.queued_bytes, counts.shards.pending_spans),
            (0, 0, 0)
        );
        assert_eq!((counts.refused_requests, counts.shards.new_traces), (0, 600));
        let decided: u64 = sampler.policy_counts().iter().map(|policy| policy.decided).sum();
        assert_eq!(decided, counts.shards.sampled_traces);
        let mut traces: Vec<Vec<u128>> = Vec::new();
        let mut spans = 0;
        for output in &outputs {
            let output = output.0.lock().unwrap();
            spans += output.spans().len();
            traces.push(output.traces());
        }
        assert!(traces.iter().all(|traces| !traces.is_empty()));
        let mut all = traces.concat();
        all.sort();
        // No trace is in the outputs of two shards.
        assert_eq!((all, spans), expected, "{shards} shards");
        assert_eq!(counts.shards.sampled_spans, spans as u64);
        assert_eq!(sampler.append(requests(0, 1).remove(0)), Err(TailAppendError::Closed));
        assert!(sampler.shutdown(Duration::ZERO).is_complete);
    }
}

/// Reports its calls, and waits for an answer to each request.
struct Gate {
    calls: Sender<u64>,
    answers: Option<Receiver<()>>,
}

impl TailOutput for Gate {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.calls.send(request.spans).ok();
        if let Some(answers) = &self.answers {
            answers.recv().ok();
        }
    }
}

#[test]
fn traces_are_decided_in_time_while_requests_wait() {
    let all = config(vec![policy(PolicyKind::AlwaysSample)])
        .with_decision_wait(Duration::from_millis(60))
        .with_num_traces(1_000_000)
        .with_max_memory_bytes(1 << 30);
    let (calls, called) = mpsc::channel();
    let sampler = TailSamplerThreads::builder(all)
        .build(|_| Gate { calls: calls.clone(), answers: None })
        .unwrap();
    let requests = requests(0, 1);
    // The queue is never empty for long: without a tick between two requests, nothing would be decided.
    let mut found = 0;
    let start = std::time::Instant::now();
    while found < 3 && start.elapsed() < PATIENCE {
        requests.iter().for_each(|request| _ = sampler.append(request.clone()));
        found += called.try_iter().count();
    }
    assert!(found >= 3, "{:?}", sampler.counts());
    // Nothing comes behind the last request: the owner wakes by itself.
    let pending = || sampler.counts().queued_spans + sampler.counts().shards.pending_spans;
    while pending() > 0 && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(pending(), 0);
}

#[test]
fn a_full_queue_refuses_or_lets_the_caller_wait() {
    for on_full in [OnFullQueue::Refuse, OnFullQueue::Wait(Duration::from_millis(20))] {
        let (calls, called) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let mut gate = Some(Gate { calls, answers: Some(answers) });
        // The first request fills the table: its trace is decided early, and the output blocks.
        let all = config(vec![policy(PolicyKind::AlwaysSample)]).with_num_traces(1);
        let builder = TailSamplerThreads::builder(all).with_on_full(on_full);
        let builder = builder.with_max_queue_bytes(10_000);
        let sampler = builder.build(|_| gate.take().unwrap()).unwrap();
        let one = |trace| request(vec![span(trace, 1)]);
        assert_eq!(sampler.append(request(vec![span(1, 1), span(2, 1)])), Ok(2));
        assert_eq!(called.recv_timeout(PATIENCE), Ok(1));
        let mut accepted = 2;
        let refused = loop {
            match sampler.append(one(accepted + 1)) {
                Ok(spans) => accepted += u128::from(spans),
                Err(error) => break error,
            }
            assert!(accepted < 1_000);
        };
        assert_eq!(refused, TailAppendError::QueueFull);
        assert!(accepted > 4);
        let counts = sampler.counts();
        assert_eq!((counts.refused_requests, counts.refused_spans), (1, 1));
        assert!(counts.is_balanced() && counts.queued_bytes <= 10_000, "{counts:?}");
        // A shutdown returns by its time while the output blocks, and the thread goes on behind it.
        let shutdown = sampler.shutdown(Duration::from_millis(10));
        assert!(!shutdown.is_complete && shutdown.counts.is_balanced());
        drop(answer);
        let shutdown = sampler.shutdown(PATIENCE);
        assert!(shutdown.is_complete);
        assert_eq!(u128::from(shutdown.counts.shards.sampled_spans), accepted);
        assert_eq!(shutdown.counts.queued_bytes, 0);
    }
}

#[test]
fn a_shutdown_ends_the_wait_of_callers() {
    let (calls, called) = mpsc::channel();
    let (_answer, answers) = mpsc::channel();
    let mut gate = Some(Gate { calls, answers: Some(answers) });
    let all = config(vec![policy(PolicyKind::AlwaysSample)]).with_num_traces(1);
    let builder = TailSamplerThreads::builder(all).with_max_queue_bytes(10_000);
    let builder = builder.with_on_full(OnFullQueue::Wait(Duration::MAX));
    let sampler = builder.build(|_| gate.take().unwrap()).unwrap();
    thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        let sampler = &sampler;
        scope.spawn(move || {
            let appended = (1..).map(|trace| sampler.append(request(vec![span(trace, 1)])));
            send.send(appended.filter_map(Result::err).next()).ok();
        });
        assert_eq!(called.recv_timeout(PATIENCE), Ok(1));
        assert!(receive.recv_timeout(Duration::from_millis(20)).is_err());
        assert!(!sampler.shutdown(Duration::ZERO).is_complete);
        let error = receive.recv_timeout(PATIENCE).unwrap();
        assert_eq!(error, Some(TailAppendError::Closed));
        assert_eq!(sampler.counts().refused_requests, 0);
    });
}

/// Panics at each second request, and at each third decision.
#[derive(Default)]
struct Panicking {
    requests: u64,
    decisions: u64,
    spans: Arc<Mutex<u64>>,
}

impl TailOutput for Panicking {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.requests += 1;
        assert!(!self.requests.is_multiple_of(2), "request");
        *self.spans.lock().unwrap() += request.spans;
    }

    fn decided(&mut self, _: &DecidedTrace<'_>) {
        self.decisions += 1;
        assert!(!self.decisions.is_multiple_of(3), "decision");
    }
}

#[test]
fn a_panic_of_an_output_is_counted_and_costs_one_request() {
    let all = config(vec![policy(PolicyKind::AlwaysSample)]).with_max_request_bytes(1_024);
    let spans = Arc::new(Mutex::new(0));
    let sampler = TailSamplerThreads::builder(all)
        .build(|_| Panicking { spans: Arc::clone(&spans), ..Panicking::default() })
        .unwrap();
    let sent: u64 =
        requests(0, 1).into_iter().map(|request| sampler.append(request).unwrap()).sum();
    let shutdown = sampler.shutdown(PATIENCE);
    assert!(shutdown.is_complete && shutdown.counts.is_balanced());
    let counts = shutdown.counts;
    assert_eq!(counts.shards.sampled_spans, sent);
    assert_eq!(counts.output_panics, counts.shards.requests / 2 + 600 / 3);
    let arrived = *spans.lock().unwrap();
    assert!(arrived > sent / 3 && arrived < sent, "{arrived} of {sent}");
}

#[test]
fn a_shard_that_blocks_takes_every_span_in_the_end() {
    let few = errors()
        .with_num_traces(7)
        .with_block_on_overflow(true)
        .with_num_shards(2)
        .with_decision_cache(10_000, 10_000)
        .with_decision_wait(Duration::from_millis(1));
    let sampler = TailSamplerThreads::builder(few).build(|_| Shared::default()).unwrap();
    let mut requests = requests(0, 1);
    let rest = requests.split_off(2);
    requests.into_iter().for_each(|request| assert!(sampler.append(request).is_ok()));
    let start = std::time::Instant::now();
    while sampler.counts().queued_spans > 0 && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(sampler.counts().queued_spans, 0);
    // The shutdown decides early what would have waited.
    rest.into_iter().for_each(|request| assert!(sampler.append(request).is_ok()));
    let shutdown = sampler.shutdown(PATIENCE);
    assert!(shutdown.is_complete && shutdown.counts.is_balanced());
    assert_eq!(shutdown.counts.shards.new_traces, 600);
    assert_eq!(shutdown.counts.shards.evicted_traces, 0);
    assert_eq!(shutdown.counts.shards.pending_spans + shutdown.counts.queued_spans, 0);
}

#[test]
fn shards_share_the_tokens_of_a_rate() {
    let rate = RateLimitingPolicy::new(1).with_burst_capacity(100);
    let limited = config(vec![policy(rate)]).with_num_shards(4);
    let sampler = TailSamplerThreads::builder(limited).build(|_| Shared::default()).unwrap();
    let spans: Vec<_> =
        (1..=2_000u128).map(|trace| span(trace.wrapping_mul(0x9e37_79b9_7f4a_7c15), 1)).collect();
    assert_eq!(sampler.append(request(spans)), Ok(2_000));
    let counts = sampler.shutdown(PATIENCE).counts;
    // The burst and a token a second; four buckets would have four bursts.
    assert!((100..300).contains(&counts.shards.sampled_spans), "{counts:?}");
}

#[test]
fn requests_that_cannot_be_taken_are_errors_and_counted() {
    let builder = TailSamplerThreads::builder(errors()).with_max_queue_bytes(2_000);
    let sampler = builder.build(|_| Shared::default()).unwrap();
    assert!(matches!(sampler.append(vec![10, 9, 1]), Err(TailAppendError::Malformed(_))));
    assert_eq!(sampler.append(Vec::new()), Ok(0));
    let large = request((1..=30).map(|id| span(1, id)).collect());
    assert_eq!(sampler.append(large), Err(TailAppendError::TooLarge));
    let counts = sampler.shutdown(PATIENCE).counts;
    assert_eq!(
        (counts.malformed_requests, counts.refused_requests, counts.refused_spans),
        (1, 1, 30)
    );
    assert_eq!((counts.accepted_spans, counts.queued_bytes), (0, 0));
    // Spans without a usable id are the shards' to count.
    let sampler = TailSamplerThreads::builder(errors().with_num_shards(3))
        .build(|_| Shared::default())
        .unwrap();
    let mut broken = span(1, 1);
    broken.trace_id = vec![1; 3];
    assert_eq!(sampler.append(request(vec![broken, span(2, 1)])), Ok(2));
    let counts = sampler.shutdown(PATIENCE).counts;
    assert_eq!(counts.shards.dropped_spans.invalid_id, 1);
    assert!(counts.is_balanced());
}

/// The parent's thread holds locks of the queue and of the account again and again.
#[cfg(unix)]
#[test]
fn a_forked_child_refuses_at_once_and_forwards_nothing() {
    let output = Shared::default();
    let sampler = TailSamplerThreads::builder(errors()).build(|_| output.clone()).unwrap();
    let is_done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        let (sampler, done) = (&sampler, &is_done);
        scope.spawn(move || {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                _ = sampler.append(request(vec![with_status(span(1, 1), 2)]));
                _ = sampler.counts();
            }
        });
        for _ in 0..20 {
            let written = spanwise_testkit::in_forked_child(|written| {
                assert_eq!(sampler.append(request(vec![span(1, 1)])), Err(TailAppendError::Forked));
                assert_eq!(sampler.append(vec![1]), Err(TailAppendError::Forked));
                assert!(!sampler.shutdown(PATIENCE).is_complete);
                assert_eq!((sampler.counts().accepted_spans, sampler.memory_bytes()), (0, 0));
                assert!(sampler.policy_counts().is_empty());
                written.write_all(b"done").unwrap();
            });
            assert_eq!(written, b"done");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let shutdown = sampler.shutdown(PATIENCE);
    assert!(shutdown.is_complete && shutdown.counts.is_balanced());
    assert_eq!(output.0.lock().unwrap().spans().len() as u64, shutdown.counts.accepted_spans);
    // The queue of a sampler is forgotten, and not closed, by a child that drops it.
    let sampler = TailSamplerThreads::builder(errors()).build(|_| Shared::default()).unwrap();
    let mut own = Some(sampler);
    let written = spanwise_testkit::in_forked_child(|written| {
        drop(own.take());
        written.write_all(b"done").unwrap();
    });
    assert_eq!(written, b"done");
    assert_eq!(own.as_ref().map(|sampler| sampler.append(request(vec![span(1, 1)]))), Some(Ok(1)));
}

#[test]
fn settings_out_of_range_are_errors_with_their_name() {
    let build = |builder: spanwise_tail::TailSamplerThreadsBuilder| {
        builder
            .build(|_| Shared::default())
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let error = build(TailSamplerThreads::builder(errors()).with_max_queue_bytes(0));
    assert_eq!(error, "max_queue_bytes: 0 is too small; accepted is 1 or more");
    let error = build(TailSamplerThreads::builder(errors().with_num_traces(0)));
    assert!(error.starts_with("num_traces: 0 is out of range"), "{error}");
    let none = TailSamplingConfig::default();
    let error = TailSamplerThreads::builder(none).build(|_| Shared::default()).err().unwrap();
    assert!(matches!(error, TailThreadsError::Config(_)), "{error}");
}
