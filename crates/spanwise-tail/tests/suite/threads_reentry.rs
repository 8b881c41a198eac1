//! Samplers with threads: an output may call its own sampler, which waits for no thread that waits for it.

use crate::support;

use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use spanwise_tail::{
    OnFullQueue, PolicyKind, SampledRequest, TailAppendError, TailOutput, TailSamplerThreads,
};
use support::*;

/// A thread that does not answer until then has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Calls a function at its first request.
struct Once<F>(Option<F>);

impl<F: FnOnce() + Send> TailOutput for Once<F> {
    fn request(&mut self, _: SampledRequest<'_>) {
        if let Some(function) = self.0.take() {
            function();
        }
    }
}

/// The answer of `call`, which the output of a sampler makes with its own sampler.
fn within<T: Send + 'static>(
    call: impl FnOnce(&TailSamplerThreads) -> T + Send + 'static,
) -> (Arc<TailSamplerThreads>, T) {
    let sampler = Arc::new(OnceLock::<Arc<TailSamplerThreads>>::new());
    let (own, (send, answer)) = (sampler.clone(), mpsc::channel());
    let output = Once(Some(move || {
        // The sampler is set before its first request.
        let answer = call(own.get().unwrap());
        send.send(answer).unwrap();
    }));
    let output = Mutex::new(Some(output));
    let settings =
        config(vec![policy(PolicyKind::AlwaysSample)]).with_decision_wait(Duration::from_millis(1));
    let built = TailSamplerThreads::builder(settings)
        .with_on_full(OnFullQueue::Wait(Duration::MAX))
        .with_max_queue_bytes(50_000)
        .build(|_| output.lock().unwrap().take().unwrap());
    let built = sampler.get_or_init(|| Arc::new(built.unwrap())).clone();
    built.append(request(vec![span(1, 1)])).unwrap();
    (built, answer.recv_timeout(PATIENCE).expect("the output waits for its own thread"))
}

#[test]
fn a_shutdown_from_an_output_returns_at_once() {
    let (sampler, shutdown) = within(|sampler| sampler.shutdown(Duration::MAX));
    assert!(!shutdown.is_complete && shutdown.counts.is_balanced());
    // The thread ends once its output has returned.
    let shutdown = sampler.shutdown(PATIENCE);
    assert!(shutdown.is_complete);
    assert_eq!(shutdown.counts.shards.sampled_spans, 1);
}

#[test]
fn an_output_that_finds_the_queue_full_is_refused_at_once() {
    let (sampler, (accepted, error)) = within(|sampler| {
        let mut accepted = 0;
        loop {
            match sampler.append(request((2..=30).map(|id| span(2, id)).collect())) {
                Ok(spans) => accepted += spans,
                Err(error) => break (accepted, error),
            }
        }
    });
    assert_eq!(error, TailAppendError::QueueFull);
    let shutdown = sampler.shutdown(PATIENCE);
    assert!(shutdown.is_complete && shutdown.counts.is_balanced());
    assert_eq!(shutdown.counts.shards.sampled_spans, 1 + accepted);
    assert_eq!(shutdown.counts.refused_requests, 1);
}

/// Stops at its first request until the sender is dropped.
struct Stopped(mpsc::Receiver<()>);

impl TailOutput for Stopped {
    fn request(&mut self, _: SampledRequest<'_>) {
        let _dropped = self.0.recv();
    }
}

#[test]
fn a_shutdown_without_time_drops_what_is_undecided_and_what_waits() {
    let (go, stopped) = mpsc::channel();
    let output = Mutex::new(Some(Stopped(stopped)));
    let settings = config(vec![policy(PolicyKind::AlwaysSample)])
        .with_decision_wait(Duration::from_millis(1))
        .with_max_request_bytes(1_024);
    let sampler = TailSamplerThreads::builder(settings)
        .build(|_| output.lock().unwrap().take().unwrap())
        .unwrap();
    // The decision about the first trace stops the shard: the others wait.
    for trace in 1..=100 {
        sampler.append(request(vec![span(trace, 1)])).unwrap();
    }
    assert!(!sampler.shutdown(Duration::from_millis(50)).is_complete);
    sampler.discard_pending();
    drop(go);
    let shutdown = sampler.shutdown(PATIENCE);
    assert!(shutdown.is_complete && shutdown.counts.is_balanced(), "{shutdown:?}");
    let counts = shutdown.counts.shards;
    let dropped = counts.dropped_spans.shutdown;
    assert_eq!((counts.received_spans, counts.sampled_spans + dropped), (100, 100));
    assert!(counts.sampled_spans > 0 && dropped > 0, "{counts:?}");
}
