//! Measures requests: a real exporter against the receiver of `spanwise-receiver`, in a process of its own.

use super::calibration::{Calibration, Cost};
use super::world::span;
use crate::demo::Embedded;
use spanwise::export::Exporter;
use spanwise::transport::{Endpoint, Transport};
use spanwise::wire::write::{EncodeSpan as _, SpanHeader, encode_resource, encode_scope};
use spanwise::wire::{SpanId, SpanMeta, TraceId};
use std::time::{Duration, Instant};

/// One point of the measurement.
#[derive(Debug, Clone, Copy)]
struct Point {
    /// Of a request: bytes, microseconds of CPU time at the exporter's thread, at the receiver and of the
    /// caller, and of latency.
    bytes: f64,
    client: f64,
    receiver: f64,
    caller: f64,
    latency: f64,
}

/// Sends requests of several sizes and fits the costs.
///
/// # Errors
/// A request fails.
pub(super) fn calibrate() -> Result<Calibration, String> {
    let mut points = Vec::new();
    for spans in [1, 16, 64, 256, 1024, 2048] {
        let point = measure(spans)?;
        println!(
            "{spans:>5} spans, {:>7.0} bytes: client {:>6.1} µs, receiver {:>6.1} µs, caller {:>6.1} µs, \
             latency {:>6.1} µs",
            point.bytes, point.client, point.receiver, point.caller, point.latency
        );
        points.push(point);
    }
    let fit = |part: fn(&Point) -> f64| {
        Cost::fit(points.iter().map(move |point| (point.bytes, part(point))))
    };
    Ok(Calibration {
        date: crate::date::today(),
        machine: machine(),
        client: fit(|point| point.client),
        receiver: fit(|point| point.receiver),
        // A flush wakes the exporter's thread and sleeps until it is done: more than a wake-up alone.
        wake: points.iter().map(|point| point.caller).fold(f64::INFINITY, f64::min),
        latency: fit(|point| point.latency),
        span_bytes: span_bytes(),
    })
}

/// Sends requests of `spans` spans, one at a time.
fn measure(spans: usize) -> Result<Point, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let embedded = Embedded::start()?;
    let endpoint =
        Endpoint::parse_base("the receiver", embedded.endpoint()).map_err(|error| text(&error))?;
    let transport =
        Transport::builder().with_endpoint(endpoint).build().map_err(|error| text(&error))?;
    let exporter = Exporter::builder(transport)
        .with_resource(encode_resource([("service.name", "lab")], ""))
        // Nothing but a flush sends.
        .with_scheduled_delay(Duration::from_secs(3_600))
        .build()
        .map_err(|error| text(&error))?;
    let scope = encode_scope("lab", "1.0", [("", 0); 0], "");
    let meta =
        SpanMeta { scope: exporter.scopes().index(&scope).unwrap_or(0), ..SpanMeta::default() };
    let header = SpanHeader { trace_id: TraceId(7), span_id: SpanId(9), ..SpanHeader::default() };
    let mut writer = span();
    // A request for each flush, with all that goes with it: the wake of the thread, a turn, a connection's work.
    let mut send = |requests: u32| -> Result<[Duration; 3], String> {
        let [mut own, mut calling, mut latency] = [Duration::ZERO; 3];
        for _ in 0..requests {
            let before = thread_cpu();
            for _ in 0..spans {
                exporter.push(&writer.finish(&header), meta);
            }
            let (pushed, started) = (thread_cpu(), Instant::now());
            exporter.flush_timeout(PATIENCE).map_err(|error| text(&error))?;
            latency += started.elapsed();
            let flushed = thread_cpu();
            calling += flushed.saturating_sub(pushed);
            own += flushed.saturating_sub(before);
        }
        Ok([own, calling, latency])
    };
    // Connections, memory and caches.
    send(WARM_UP)?;
    let before = cpu(libc::RUSAGE_SELF);
    let [own, calling, latency] = send(REQUESTS)?;
    let client = cpu(libc::RUSAGE_SELF).saturating_sub(before).saturating_sub(own);
    drop(exporter);
    let children = cpu(libc::RUSAGE_CHILDREN);
    let received = embedded.finish()?.spans;
    // The child counts once it has ended, with its start and with the requests before.
    let receiver = cpu(libc::RUSAGE_CHILDREN).saturating_sub(children);
    let all = u64::from(WARM_UP + REQUESTS) * spans as u64;
    if received != all {
        return Err(format!("{received} of {all} spans arrived"));
    }
    let micros = |time: Duration, requests: u32| time.as_secs_f64() * 1e6 / f64::from(requests);
    Ok(Point {
        bytes: spans as f64 * span_bytes(),
        client: micros(client, REQUESTS),
        receiver: micros(receiver, WARM_UP + REQUESTS),
        caller: micros(calling, REQUESTS),
        latency: micros(latency, REQUESTS),
    })
}

fn span_bytes() -> f64 {
    let header = SpanHeader { trace_id: TraceId(7), span_id: SpanId(9), ..SpanHeader::default() };
    // With its tag and its length in a request.
    span().finish(&header).as_finished().encoded_len() as f64 + 3.0
}

/// CPU time, user and system.
fn cpu(who: libc::c_int) -> Duration {
    // SAFETY: `rusage` is plain integers, for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is ours to write; `who` is a constant of the same interface.
    unsafe { libc::getrusage(who, &mut usage) };
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// CPU time of this thread.
fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours to write.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The processor and its cores, where the system reports them.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("a processor", |line| line.trim_start_matches([' ', '\t', ':']));
    format!("{model}, {cores} cores")
}

const WARM_UP: u32 = 200;
const REQUESTS: u32 = 4_000;
const PATIENCE: Duration = Duration::from_secs(60);
