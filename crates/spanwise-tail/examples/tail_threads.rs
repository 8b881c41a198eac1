//! Measures a sampler with threads: `cargo run --release -p spanwise-tail --example tail_threads`.
//!
//! It prints the throughput of two shards relative to one, the delay of ticks while requests arrive faster than they are taken, and the
//! delay of other traces' spans while a trace of 50,000 spans is decided.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use spanwise_tail::{
    DecidedTrace, DecisionCause, LatencyPolicy, OnFullQueue, OttlConditionPolicy, Policy,
    PolicyKind, ProbabilisticPolicy, SampledRequest, TailOutput, TailSamplerThreads,
    TailSamplingConfig,
};
use spanwise_wire::write::{
    EncodeSpan as _, SpanHeader, SpanWriter, encode_resource, encode_scope, put_varint,
};
use spanwise_wire::{SpanId, SpanLimits, StatusCode, TraceId};

fn main() -> Result<(), Box<dyn Error>> {
    let batches: Vec<Vec<u8>> = (0..200).map(batch).collect();
    for round in 0..5 {
        let one = throughput(&batches, 1)?;
        let two = throughput(&batches, 2)?;
        println!(
            "round {round}: 1 shard {:.0}, 2 shards {:.0} ns a span; {:.2} times by the clock, {:.2} by the threads' time",
            one.0,
            two.0,
            one.0 / two.0,
            2.0 * one.1 / two.1,
        );
    }
    for shards in [1, 2] {
        let (delay, spans) = tick_delay(&batches, shards)?;
        println!(
            "{shards} shards, saturated: a tick is at most {delay:.1?} late; {spans:.2} million spans a second"
        );
    }
    for (name, policies) in [("errors, slow and 1 %", usual()), ("five conditions", conditions())] {
        let rounds = (0..9).map(|_| long_trace(&policies)).collect::<Result<Vec<_>, _>>()?;
        let least = rounds.iter().map(|round| round.0).min().unwrap_or_default();
        let mut work: Vec<Duration> = rounds.iter().map(|round| round.1).collect();
        work.sort();
        let median = work.get(4).copied().unwrap_or_default();
        println!(
            "{name}: between two spans of others while 50,000 are decided, {least:.2?} by the clock (least of 9), \
             {median:.1?} by the thread's time (median)"
        );
    }
    Ok(())
}

fn usual() -> Vec<Policy> {
    vec![
        Policy::new("errors", PolicyKind::StatusCode(vec![StatusCode::Error])),
        Policy::new("slow", LatencyPolicy::above(3_600_000)),
        Policy::new("some", ProbabilisticPolicy::new(1.0)),
    ]
}

fn conditions() -> Vec<Policy> {
    [
        "attributes[\"attr_k_1\"] == \"attr_v_1\"",
        "attributes[\"http.request.method\"] == \"PUT\"",
        "attributes[\"http.response.status_code\"] >= 500",
        "attributes[\"url.path\"] == \"/health\"",
        "name == \"GET /long\"",
    ]
    .map(|condition| Policy::new(condition, OttlConditionPolicy::span([condition])))
    .to_vec()
}

fn config(policies: Vec<Policy>) -> TailSamplingConfig {
    let config = TailSamplingConfig::default()
        .with_num_traces(400_000)
        .with_max_memory_bytes(2 << 30)
        .with_decision_wait(Duration::from_millis(500));
    policies.into_iter().fold(config, TailSamplingConfig::with_policy)
}

/// An output that holds its shard until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }
}

/// The output of a shard that waits at the gate, and the work of the shard behind it.
struct Gated {
    gate: Gate,
    passed: Option<Duration>,
    work: Arc<Mutex<Duration>>,
}

impl TailOutput for Gated {
    fn request(&mut self, _: SampledRequest<'_>) {}

    fn decided(&mut self, trace: &DecidedTrace<'_>) {
        if trace.cause == DecisionCause::TraceTooLarge && self.passed.is_none() {
            let is_open = self.gate.0.0.lock().unwrap_or_else(PoisonError::into_inner);
            let opened = self.gate.0.1.wait_while(is_open, |is_open| !*is_open);
            drop(opened.unwrap_or_else(PoisonError::into_inner));
            self.passed = Some(thread_time());
        }
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        let work = thread_time().saturating_sub(self.passed.unwrap_or_default());
        *self.work.lock().unwrap_or_else(PoisonError::into_inner) += work;
    }
}

/// The time for which the thread ran: that of other programs is not in it. 0 where the system does not report it.
fn thread_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// Nanoseconds for a span while the shards take all batches and decide them, without callers beside them: those that pass, and those
/// that the threads run.
fn throughput(batches: &[Vec<u8>], shards: u16) -> Result<(f64, f64), Box<dyn Error>> {
    let (gate, work) = (Gate::default(), Arc::<Mutex<Duration>>::default());
    // The table is full: memory is reused, and each new trace has an older one decided.
    let config = config(usual())
        .with_num_traces(8_000)
        .with_num_shards(shards)
        .with_decision_wait(Duration::from_secs(600))
        .with_maximum_trace_size_bytes(100_000);
    let sampler = TailSamplerThreads::builder(config)
        .with_max_queue_bytes(2 << 30)
        .build(|_| Gated { gate: gate.clone(), passed: None, work: Arc::clone(&work) })?;
    // A trace that is too large in each shard: their outputs wait.
    for trace in 1..=16 {
        let spans = vec![span(trace, 1, "GET", 120_000)];
        sampler.append(request(&spans))?;
    }
    let spans = batches
        .iter()
        .try_fold(0, |sum, batch| sampler.append(batch.clone()).map(|spans| sum + spans))?;
    thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    gate.open();
    let shutdown = sampler.shutdown(Duration::from_secs(60));
    let took = start.elapsed();
    assert!(shutdown.is_complete && shutdown.counts.is_balanced());
    let work = *work.lock().unwrap_or_else(PoisonError::into_inner);
    Ok((took.as_nanos() as f64 / spans as f64, work.as_nanos() as f64 / spans as f64))
}

struct Ignore;

impl TailOutput for Ignore {
    fn request(&mut self, _: SampledRequest<'_>) {}
}

/// The longest delay of a tick in 5 s of requests that come as fast as the queue takes them, and millions of spans per second.
fn tick_delay(batches: &[Vec<u8>], shards: u16) -> Result<(Duration, f64), Box<dyn Error>> {
    let sampler = TailSamplerThreads::builder(config(usual()).with_num_shards(shards))
        .with_on_full(OnFullQueue::Wait(Duration::from_secs(60)))
        .build(|_| Ignore)?;
    let (start, mut spans) = (Instant::now(), 0);
    for batch in batches.iter().cycle() {
        if start.elapsed() > Duration::from_secs(5) {
            break;
        }
        spans += sampler.append(batch.clone())?;
    }
    let counts = sampler.counts();
    assert!(counts.is_balanced() && counts.refused_requests == 0);
    Ok((counts.max_tick_delay, spans as f64 / start.elapsed().as_secs_f64() / 1e6))
}

/// The longest time between two late spans while a long trace is decided and leaves.
#[derive(Clone, Default)]
struct Probe {
    /// When the last late span left, by the clock and by the thread's time.
    before: Option<(Instant, Duration)>,
    /// Spans of the long trace that have not left since its decision.
    leaving: u64,
    longest: Arc<Mutex<(Duration, Duration)>>,
    is_done: Arc<AtomicBool>,
}

impl Probe {
    fn note(&mut self) {
        let (now, worked) = (Instant::now(), thread_time());
        let Some((then, before)) = self.before.replace((now, worked)) else { return };
        let mut longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        longest.0 = longest.0.max(now - then);
        longest.1 = longest.1.max(worked.saturating_sub(before));
    }
}

impl TailOutput for Probe {
    fn request(&mut self, request: SampledRequest<'_>) {
        if self.leaving == 0 {
            self.before = Some((Instant::now(), thread_time()));
            return;
        }
        self.note();
        // A late span leaves with some of the long trace.
        self.leaving = self.leaving.saturating_sub(request.spans);
        self.is_done.store(self.leaving == 0, Ordering::Relaxed);
    }

    fn decided(&mut self, trace: &DecidedTrace<'_>) {
        if trace.spans > 10_000 {
            self.note();
            self.leaving = trace.spans;
        }
    }
}

/// The longest time between two late spans, of which some always wait, while a trace of 50,000 spans is decided.
fn long_trace(policies: &[Policy]) -> Result<(Duration, Duration), Box<dyn Error>> {
    let mut policies = policies.to_vec();
    policies.push(Policy::new("long", LatencyPolicy::above(1_000)));
    let probe = Probe::default();
    let sampler = TailSamplerThreads::builder(config(policies))
        .with_on_full(OnFullQueue::Wait(Duration::from_secs(60)))
        .with_max_queue_bytes(1 << 20)
        .build(|_| probe.clone())?;
    // A slow trace, sampled: its late spans leave at once.
    sampler.append(request(&[span(1, 1, "GET", 10)]))?;
    thread::sleep(Duration::from_millis(700));
    let spans: Vec<Vec<u8>> = (1..=50_000).map(|id| span(2, id, "GET", 10)).collect();
    for spans in spans.chunks(100) {
        sampler.append(request(spans))?;
    }
    let late = request(&[span(1, 2, "GET", 10)]);
    while !probe.is_done.load(Ordering::Relaxed) {
        sampler.append(late.clone())?;
    }
    assert!(sampler.shutdown(Duration::from_secs(60)).is_complete);
    let longest = *probe.longest.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(longest)
}

/// A request with 128 traces of 1 to 48 spans that no other batch has.
fn batch(number: u128) -> Vec<u8> {
    let mut spans = Vec::new();
    for trace in 0..128u128 {
        let id =
            (number * 1_000 + trace + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        for id_of_span in 1..=[1u64, 2, 4, 8, 16, 48][trace as usize % 6] {
            spans.push(span(id, id_of_span, "GET", 0));
        }
    }
    request(&spans)
}

fn request(spans: &[Vec<u8>]) -> Vec<u8> {
    let mut resource = encode_resource([("service.name", "shop")], "");
    let none: [(&str, &str); 0] = [];
    let mut scope = encode_scope("net/http", "1.0", none, "");
    spans.iter().for_each(|span| field(&mut scope, 0x12, span));
    field(&mut resource, 0x12, &scope);
    let mut request = Vec::new();
    field(&mut request, 0x0a, &resource);
    request
}

/// A span of 2 s if `extra` is not 0, with an attribute of as many bytes.
fn span(trace: u128, id: u64, method: &str, extra: usize) -> Vec<u8> {
    let limits = SpanLimits::default();
    let mut writer = SpanWriter::new();
    writer.begin(&limits, "GET /api/v1/resource");
    let text = "x".repeat(extra);
    for (key, value) in [
        ("http.request.method", method),
        ("url.path", "/api/v1/resource"),
        ("server.address", "shop.example.com"),
        ("attr_k_1", "other"),
        ("user_agent.original", "Mozilla/5.0 (X11)"),
        ("network.peer.address", "10.0.0.1"),
        ("extra", &text),
    ] {
        writer.attribute(&limits, key, &value);
    }
    writer.attribute(&limits, "http.response.status_code", &200i64);
    let start = 1_780_000_000_000_000_000;
    let header = SpanHeader {
        trace_id: TraceId(trace),
        span_id: SpanId(id),
        start_unix_nanos: start,
        end_unix_nanos: start + if extra == 0 { 500_000 } else { 2_000_000_000 },
        ..SpanHeader::default()
    };
    let finished = writer.finish(&header);
    let chunk =
        spanwise_wire::Chunk::single(&finished.as_finished(), spanwise_wire::SpanMeta::default());
    let mut fields = spanwise_wire::read::Fields::new(chunk.bytes());
    let span = fields.next().and_then(Result::ok).and_then(|field| field.bytes().ok());
    span.unwrap_or_default().to_vec()
}

fn field(out: &mut Vec<u8>, key: u8, bytes: &[u8]) {
    out.push(key);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
