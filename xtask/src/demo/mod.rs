//! `cargo xtask demo`: a simulated service, traced end to end, measured and accounted for.

mod histogram;
mod options;
mod process;
mod receiver;
mod report;
mod service;
mod traces;

use crate::Command;
use options::{Api, Options};
use process::rss_bytes;
pub(crate) use process::{Cpu, peak_rss_bytes};
pub(crate) use receiver::{Embedded, RECEIVER};
use report::{Full, Measured, Paced};
pub(crate) use service::{SPANS_PER_REQUEST, Service, Tally, Tracing};
use spanwise::{LocalTrace, OnFull, Snapshot, Spanwise};
use spanwise_profiling::SamplingAllocator;
use spanwise_testkit::{CountingAllocator, allocator};
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

pub(crate) const COMMAND: Command = Command {
    name: "demo",
    summary: "a simulated service, traced end to end: rates, costs, losses, targets",
    help: options::HELP,
    run,
};

/// Samples nothing unless `cargo xtask profile` asks for it.
#[global_allocator]
pub(crate) static ALLOCATOR: SamplingAllocator<CountingAllocator> =
    SamplingAllocator::new(CountingAllocator).with_rate(0);

/// The time that the demo takes before its phase at full speed of `seconds`.
pub(crate) fn time_before_full_speed(seconds: f64) -> Duration {
    paced_for(seconds) * 3
}

/// The time of each phase before.
fn paced_for(seconds: f64) -> Duration {
    Duration::from_secs_f64((seconds / 4.0).clamp(1.0, 15.0))
}

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let embedded = match &options.endpoint {
        Some(_) => None,
        None => Some(Embedded::start()?),
    };
    let endpoint = match (&options.endpoint, &embedded) {
        (Some(endpoint), _) => endpoint.clone(),
        (None, Some(embedded)) => embedded.endpoint().to_owned(),
        (None, None) => return Err("no endpoint".to_owned()),
    };
    println!(
        "Spanwise demo: {} threads, {} s at full speed, {} to {endpoint}, a full queue {}",
        options.threads,
        options.seconds,
        options.protocol,
        match options.on_full {
            OnFull::ShedByTrace => "sheds whole traces",
            OnFull::Wait(_) => "makes the caller wait",
            _ => "refuses new spans",
        },
    );

    let service = Service::new();
    let paced_for = paced_for(options.seconds);
    let untraced_paced = paced(&service, &Tracing::Off, paced_for, "untraced at 2 k requests/s");
    let untraced_full = FullSpeed {
        service: &service,
        tracing: &Tracing::Off,
        threads: options.threads,
        time: paced_for,
        title: "untraced at full speed",
        spanwise: None,
    }
    .run();

    let rss_before = rss_bytes();
    let heap_before = allocator::reset_peak();
    let spanwise = build(&options, &endpoint)?;
    let tracer = spanwise.tracer("demo");
    let tracing = match options.api {
        Api::OpenTelemetry => Tracing::Api(tracer),
        Api::Native => Tracing::Native(tracer),
    };
    let traced_paced = paced(&service, &tracing, paced_for, "traced at 10 k spans/s");
    // From here on only what happens at full speed counts.
    spanwise.force_flush_timeout(FLUSH).map_err(|error| error.to_string())?;
    let before = spanwise.ledger();
    let seconds = Duration::from_secs_f64(options.seconds);
    let started = Instant::now();
    let cpu = Cpu::now();
    let full = FullSpeed {
        service: &service,
        tracing: &tracing,
        threads: options.threads,
        time: seconds,
        title: "traced at full speed",
        spanwise: Some(&spanwise),
    }
    .run();
    // All that was accepted counts, and so does the time to deliver it.
    let flushed = spanwise.force_flush_timeout(FLUSH);
    let elapsed = started.elapsed();
    let cpu = cpu.elapsed();
    if let Err(error) = flushed {
        return Err(format!("the last spans were not delivered: {error}"));
    }
    let during = spanwise.ledger().since(&before);
    let (_, peak_buffered) = spanwise.buffered_bytes();
    let shutdown = spanwise.shutdown_timeout(FLUSH).map_err(|error| error.to_string())?;
    drop(tracing);
    let received = embedded.map(Embedded::finish).transpose()?;

    let measured = Measured {
        options,
        ledger: shutdown.ledger,
        received,
        paced: Paced { untraced: untraced_paced, traced: traced_paced },
        full: Full { untraced: untraced_full, traced: full, elapsed, cpu, ledger: during },
        peak_rss: peak_rss_bytes(),
        library_rss: peak_rss_bytes().saturating_sub(rss_before),
        peak_heap: allocator::heap().peak,
        library_heap: allocator::heap().peak.saturating_sub(heap_before),
        peak_buffered: peak_buffered as u64,
    };
    print!("{measured}");
    if let Some(path) = &measured.options.json {
        std::fs::write(path, measured.to_json())
            .map_err(|error| format!("--json {}: {error}", path.display()))?;
    }
    measured.verify()
}

fn build(options: &Options, endpoint: &str) -> Result<Spanwise, String> {
    let builder = Spanwise::builder()
        .with_service_name("spanwise-demo")
        .with_protocol(options.protocol)
        .with_endpoint(endpoint)
        .with_on_full(options.on_full)
        // The report lists the lost spans; lines in between would tear the progress line.
        .with_diagnostics(|_| {});
    let builder = match options.tail {
        true => builder.with_tail_sampling(errors_slow_and_one_percent),
        false => builder,
    };
    builder.build().map_err(|error| error.to_string())
}

/// The traces that `--tail` exports.
fn errors_slow_and_one_percent(trace: &LocalTrace<'_>) -> bool {
    trace.has_error() || trace.duration() > Duration::from_secs(1) || trace.is_in_ratio(0.01)
}

/// The service at 2,000 requests (10,000 spans) a second, as a service spends its days.
fn paced(service: &Service, tracing: &Tracing, time: Duration, title: &str) -> Tally {
    progress(title, "");
    let mut tally = Tally::start();
    let started = Instant::now();
    let mut due = 0u32;
    while started.elapsed() < time {
        service.request(tracing, &mut tally, 1);
        due += 1;
        // Two requests a millisecond, in pairs: half the wake-ups, the same for both runs.
        if due.is_multiple_of(2) {
            let next = started + Duration::from_micros(500) * due;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }
    tally.stop();
    tally
}

/// The service as fast as it goes, on all threads.
struct FullSpeed<'a> {
    service: &'a Service,
    tracing: &'a Tracing,
    threads: usize,
    time: Duration,
    title: &'a str,
    /// The provider whose ledger is shown meanwhile.
    spanwise: Option<&'a Spanwise>,
}

impl FullSpeed<'_> {
    fn run(&self) -> Tally {
        let stop = AtomicBool::new(false);
        let started = Instant::now();
        std::thread::scope(|scope| {
            let work = || {
                let mut tally = Tally::start();
                while !stop.load(Relaxed) {
                    for _ in 0..64 {
                        self.service.request(self.tracing, &mut tally, SAMPLE);
                    }
                }
                tally.stop();
                tally
            };
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            while started.elapsed() < self.time {
                let left = self.time.saturating_sub(started.elapsed());
                std::thread::sleep(left.min(Duration::from_millis(250)));
                let line =
                    self.spanwise.map(|spanwise| live(&spanwise.ledger(), started.elapsed()));
                progress(self.title, &line.unwrap_or_default());
            }
            stop.store(true, Relaxed);
            let mut all = Tally::start();
            for thread in threads {
                if let Ok(tally) = thread.join() {
                    all.merge(&tally);
                }
            }
            all.stop();
            all
        })
    }
}

fn live(ledger: &Snapshot, elapsed: Duration) -> String {
    let million = |spans: u64| spans as f64 / 1e6;
    format!(
        "{:5.1} s  created {:8.2} M  exported {:8.2} M  dropped {:8.2} M  in flight {:6}",
        elapsed.as_secs_f64(),
        million(ledger.created),
        million(ledger.exported),
        million(ledger.dropped_total()),
        ledger.in_flight,
    )
}

/// One line that is written over; nothing if standard error is no terminal.
fn progress(title: &str, line: &str) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        // A terminal that went away is no reason to stop.
        let _ = write!(out, "\r\x1b[2K{title:<28} {line}");
        let _ = out.flush();
    }
}

/// Time to deliver what is left at the end.
const FLUSH: Duration = Duration::from_secs(30);
/// At full speed one request in `SAMPLE` has a span timed.
const SAMPLE: u64 = 32;
