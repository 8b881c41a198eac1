//! A run of the service in this process.

use super::options::{Load, Options};
use super::outcome::Outcome;
use crate::demo::{Cpu, SPANS_PER_REQUEST, Service, Tally, Tracing, peak_rss_bytes};
use spanwise::{Compression, Spanwise, SpanwiseBuilder};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Runs the load, shuts down and counts.
///
/// # Errors
/// An option has a wrong value.
pub(super) fn run(options: &Options) -> Result<Outcome, String> {
    let mut outcome = Outcome::default();
    let spanwise = match &options.endpoint {
        Some(endpoint) => Some(build(options, endpoint, &mut outcome)?),
        None => None,
    };
    let tracing = match &spanwise {
        Some(spanwise) => Tracing::Api(spanwise.tracer("demo")),
        None => Tracing::Off,
    };
    let (started, cpu) = (Instant::now(), Cpu::now());
    let tally = load(options, &tracing);
    if let Some(spanwise) = &spanwise {
        // A receiver that is away makes this an error, which the ledger shows.
        let _delivered = spanwise.shutdown_timeout(SHUTDOWN);
        let due = Instant::now() + SETTLED;
        while spanwise.ledger().check().is_err() && Instant::now() < due {
            std::thread::sleep(Duration::from_millis(1));
        }
        outcome.add_ledger(&spanwise.ledger());
        outcome.budget_peak = spanwise.buffered_bytes().1 as u64;
    }
    outcome.seconds = started.elapsed().as_secs_f64();
    outcome.cpu_seconds = cpu.elapsed().as_secs_f64();
    outcome.peak_rss = peak_rss_bytes();
    let span = &tally.span_nanos;
    outcome.span_nanos = [span.quantile(0.5), span.quantile(0.999), span.max()];
    Ok(outcome)
}

fn build(options: &Options, endpoint: &str, outcome: &mut Outcome) -> Result<Spanwise, String> {
    let compression = match options.compression.as_str() {
        "none" => Compression::None,
        "gzip" => Compression::Gzip,
        "zstd" => Compression::Zstd,
        other => {
            return Err(format!("--compression {other}: accepted is none, gzip or zstd"));
        }
    };
    let mut builder = Spanwise::builder()
        .with_environment(|_| None)
        .with_service_name("spanwise-demo")
        .with_endpoint(endpoint)
        .with_compression(compression)
        // The outcome has the lost spans.
        .with_diagnostics(|_| {});
    if options.is_production {
        builder = builder.with_production_preset();
    }
    if let Some(file) = &options.config_file {
        builder = builder.with_config_file(file);
    }
    explain(&builder, outcome)?;
    builder.build().map_err(|error| error.to_string())
}

/// The settings that the container determines.
fn explain(builder: &SpanwiseBuilder, outcome: &mut Outcome) -> Result<(), String> {
    let explanation = builder.explain().map_err(|error| error.to_string())?;
    let number = |name: &str| {
        let row = explanation.get(name).ok_or_else(|| format!("{name} has no value"))?;
        let number = row.value.parse().map_err(|_| format!("{name} is {:?}", row.value))?;
        Ok::<(u64, String), String>((number, row.origin.to_string()))
    };
    (outcome.budget, outcome.budget_origin) = number("SPANWISE_BUDGET_BYTES")?;
    (outcome.max_in_flight, _) = number("with_max_in_flight")?;
    Ok(())
}

fn load(options: &Options, tracing: &Tracing) -> Tally {
    let service = Service::new();
    match options.load {
        Load::Rate(spans) => paced(&service, tracing, spans, options.time()),
        _ => std::thread::scope(|scope| {
            let work = || full(&service, tracing, options.time());
            let threads = [scope.spawn(work), scope.spawn(work)];
            let mut all = Tally::start();
            for tally in threads.into_iter().filter_map(|thread| thread.join().ok()) {
                all.merge(&tally);
            }
            all
        }),
    }
}

/// As fast as it goes.
fn full(service: &Service, tracing: &Tracing, time: Duration) -> Tally {
    let mut tally = Tally::start();
    let started = Instant::now();
    while started.elapsed() < time {
        for _ in 0..64 {
            service.request(tracing, &mut tally, TIMED);
        }
    }
    tally
}

/// A fixed number of spans a second, in bursts of a millisecond.
fn paced(service: &Service, tracing: &Tracing, spans: u64, time: Duration) -> Tally {
    let mut tally = Tally::start();
    let started = Instant::now();
    let requests = spans as f64 / SPANS_PER_REQUEST as f64;
    let tick = Duration::from_secs_f64((1.0 / requests).max(0.001));
    loop {
        let elapsed = started.elapsed();
        let due = (elapsed.min(time).as_secs_f64() * requests) as u64;
        while tally.requests < due {
            service.request(tracing, &mut tally, TIMED);
        }
        if elapsed >= time {
            return tally;
        }
        std::thread::sleep(tick);
    }
}

/// Uses memory, all at once.
pub(super) fn use_memory(bytes: usize) -> Result<(), String> {
    let memory = black_box(vec![1u8; bytes]);
    Err(format!("{} bytes of memory were no problem", memory.len()))
}

/// The deadline of the shutdown.
const SHUTDOWN: Duration = Duration::from_secs(2);
/// The time for the last tickets after a shutdown that reached its deadline.
const SETTLED: Duration = Duration::from_secs(2);
/// One request in this number has a span timed.
const TIMED: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use spanwise_testkit::ClosedPort;

    /// The twin of `cargo xtask container` without a control group: the limits are those of a file.
    #[test]
    fn a_service_with_the_limits_of_a_file_retains_its_budget_without_a_receiver() {
        let name = format!("spanwise-demo-service-{}.yaml", std::process::id());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, "resources:\n  memory_limit: 64Mi\n  cpu_limit: 0.5\n").unwrap();
        let port = ClosedPort::new().unwrap();
        let options = Options {
            endpoint: Some(port.endpoint().unwrap()),
            seconds: 0.3,
            config_file: Some(file.display().to_string()),
            ..Options::default()
        };
        let outcome = run(&options).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!((outcome.budget, outcome.max_in_flight), (2 << 20, 2));
        assert!(outcome.budget_origin.ends_with("resources.memory_limit"), "{outcome:?}");
        assert!((1 << 20..=2 << 20).contains(&outcome.budget_peak), "{outcome:?}");
        assert_eq!((outcome.imbalance.clone(), outcome.exported), (None, 0), "{outcome:?}");
        assert_eq!(outcome.created, outcome.lost() + outcome.sampled_out, "{outcome:?}");
        assert!(outcome.dropped.iter().any(|(reason, _)| reason == "queue_bytes"), "{outcome:?}");
    }
}
