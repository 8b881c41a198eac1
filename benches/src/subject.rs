//! Spanwise's set-ups: `spanwise` through the OpenTelemetry API, `spanwise-native` through its own
//! methods, `spanwise-tracing` through macros of `tracing`; `extras` has what the rest of a name adds. Spans always go all the way, through shards, worker and requests: to a receiver, or,
//! where the workload has none, to a sink that drops the requests, as the rivals' exporters do.

use crate::attributes::Attributes;
use crate::compress::Compress;
use crate::encode::Encode;
use crate::encode_json::EncodeJson;
use crate::extras::{self, SpoolDirectory};
use crate::flush::Flush;
use crate::native;
use crate::order::Ordered;
use crate::tracing;
use bytes::Bytes;
use opentelemetry::global;
use spanwise::sampling::Sampler;
use spanwise::transport::Outcome;
use spanwise::wire::read::TraceRequest;
use spanwise::worker::clock;
use spanwise::{Counter, DropReason, OnFull, Protocol, Snapshot, Spanwise, Tracer};
use spanwise_bench_harness::{
    Arguments, Compression, Export, Mode, Operations, Sampler as Keeps, Subject, Tally,
    Tracer as Held, otel_api, tracing_macros,
};
use spanwise_receiver::Receiver;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Builds the subject that the arguments name. End to end, without an endpoint, a receiver inside this
/// process receives the spans, and `tally` returns its count.
///
/// # Errors
/// A message for an unknown implementation, or for a provider that does not start.
pub fn build(arguments: &Arguments) -> Result<Box<dyn Subject>, String> {
    let Arguments { workload, implementation, .. } = arguments;
    match workload.name.as_str() {
        "encode" => return Ok(Box::new(Encode::new())),
        "encode-json" => return Ok(Box::new(EncodeJson::new()?)),
        "compress" => return Ok(Box::new(Compress::new(implementation)?)),
        "attributes-report" => return Ok(Box::new(Attributes::new()?)),
        name if name.starts_with("order") => {
            return Ok(Box::new(Ordered::new(workload, implementation)?));
        }
        "flush-100k" => return Ok(Box::new(Flush::new(workload)?)),
        _ => {}
    }
    let native = match implementation.as_str() {
        name if name.starts_with("spanwise-native") => true,
        name if name.starts_with("spanwise") => false,
        other => return Err(format!("no implementation {other}")),
    };
    let mut builder = Spanwise::builder()
        .with_environment(|_| None)
        .with_service_name("bench")
        .with_diagnostics(|_| {});
    let arrived = match (workload.export, &arguments.endpoint) {
        (Export::None, _) => {
            let found = Arc::new(AtomicU64::new(0));
            builder = builder.with_sink(sink(found.clone(), arguments.mode));
            // The sink reads the requests to count spans; while it is timed, the ledger's count is
            // used instead.
            if arguments.mode == Mode::Time { Arrived::Ledger } else { Arrived::Sink(found) }
        }
        (_, Some(endpoint)) => {
            builder = builder.with_endpoint(endpoint);
            Arrived::Ledger
        }
        (_, None) => {
            let receiver = Receiver::builder().start().map_err(|error| error.to_string())?;
            builder = builder.with_endpoint(receiver.http_endpoint());
            Arrived::Receiver(receiver)
        }
    };
    match workload.export {
        Export::Grpc => builder = builder.with_protocol(Protocol::Grpc),
        Export::HttpJson => builder = builder.with_protocol(Protocol::HttpJson),
        Export::None | Export::Http | Export::Dead => {}
    }
    builder = match workload.compression {
        None => builder,
        Some(Compression::Gzip) => builder.with_compression(spanwise::Compression::Gzip),
        Some(Compression::Zstd) => builder.with_compression(spanwise::Compression::Zstd),
    };
    if let Some(spans) = workload.batch_spans {
        builder = builder.with_max_export_batch_size(spans as usize);
    }
    if workload.sampler == Keeps::Off {
        builder = builder.with_sampler(Sampler::always_off());
    }
    if let Some(ratio) = workload.sampler.ratio() {
        builder = builder.with_sampling_ratio(ratio);
    }
    // The workloads with default settings drop the spans that do not fit.
    if workload.name != DEFAULTS && workload.export != Export::Dead {
        builder = builder.with_on_full(OnFull::Wait(PATIENCE));
    }
    let (builder, spool) = extras::add(builder, implementation)?;
    let spanwise = builder.build().map_err(|error| error.to_string())?;
    wait_for_the_clock();
    let tracer = match (native, workload.tracer) {
        _ if tracing::is_of(implementation) => {
            tracing::install(&spanwise, workload, implementation)?;
            Api::Tracing
        }
        (true, _) => Api::Native(spanwise.tracer("bench")),
        (false, Held::Typed) => Api::Typed(spanwise.tracer("bench")),
        (false, Held::Boxed) => {
            global::set_tracer_provider(spanwise.clone());
            Api::Boxed(global::tracer("bench"))
        }
    };
    let operations = Operations::new(workload);
    Ok(Box::new(Traced { spanwise, tracer, operations, arrived, _spool: spool }))
}

/// The counter takes over from the monotonic clock after the worker's second
/// recalibration. Until then, in the first tenth of a second of a process, the clock has a slower path
/// that does not represent the rest of its run.
fn wait_for_the_clock() {
    let started = Instant::now();
    while clock::source() != clock::Source::Tsc && started.elapsed() < CLOCK_TAKES {
        std::thread::sleep(Duration::from_millis(1));
    }
}

struct Traced {
    spanwise: Spanwise,
    tracer: Api,
    operations: Operations,
    arrived: Arrived,
    // Removed behind the provider that uses it.
    _spool: SpoolDirectory,
}

/// The source of the number of spans that arrived.
enum Arrived {
    Ledger,
    Sink(Arc<AtomicU64>),
    Receiver(Receiver),
}

/// Drops requests.
fn sink(found: Arc<AtomicU64>, mode: Mode) -> impl Fn(Bytes) -> Ready<Outcome> {
    move |request| {
        if mode != Mode::Time {
            let spans = TraceRequest::new(&request).count_spans();
            found.fetch_add(spans.unwrap_or(0), SeqCst);
        }
        ready(Outcome::Accepted { rejected: 0, message: None })
    }
}

enum Api {
    Native(Tracer),
    Typed(Tracer),
    Boxed(global::BoxedTracer),
    Tracing,
}

impl Subject for Traced {
    fn run(&self, ops: u64) {
        match &self.tracer {
            Api::Native(tracer) => native::run(tracer, &self.operations, ops),
            Api::Typed(tracer) => otel_api::run(tracer, &self.operations, ops),
            Api::Boxed(tracer) => otel_api::run(tracer, &self.operations, ops),
            Api::Tracing => tracing_macros::run(&self.operations, ops),
        }
    }

    fn settle(&self) {
        // The ledger counts the spans that the flush did not deliver, and `tally` returns them.
        let _lost = self.spanwise.force_flush_timeout(PATIENCE);
        // A slow process (callgrind) stores spans on its disk meanwhile, and sends them afterwards.
        let until = Instant::now() + PATIENCE;
        let has_more = |ledger: Snapshot| ledger.spooled + ledger.in_flight > 0;
        while has_more(self.spanwise.ledger()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn tally(&self, _made: u64) -> Tally {
        let ledger = self.spanwise.ledger();
        let arrived = match &self.arrived {
            Arrived::Ledger => ledger.exported,
            Arrived::Sink(found) => found.load(SeqCst),
            Arrived::Receiver(receiver) => receiver.stats().spans,
        };
        Tally {
            // If the receiver counted a different number, the sum check fails.
            exported: arrived + ledger.tail_not_sampled,
            lost: ledger.dropped_total(),
            sampled_out: ledger.sampled_out,
            nowhere: 0,
        }
    }

    fn sampled_ops(&self) -> u64 {
        self.operations.sampled()
    }

    /// The spans that were dropped before the exporter had them.
    fn refused(&self, _made: u64) -> u64 {
        let drops = self.spanwise.ledger();
        let by_exporter = |(reason, spans)| if UNSENT.contains(&reason) { spans } else { 0 };
        drops.dropped_total() - drops.drops().map(by_exporter).sum::<u64>()
    }

    fn close(&self) {
        // The ledger counts the spans that are lost.
        let _lost = self.spanwise.shutdown_timeout(CLOSE_TAKES);
    }

    fn requests(&self) -> Option<u64> {
        Some(self.spanwise.ledger().counter(Counter::Requests))
    }
}

/// The reasons for which the exporter drops a span without a receiver.
const UNSENT: [DropReason; 3] =
    [DropReason::RetryDeadline, DropReason::Transport, DropReason::ShutdownDeadline];
const CLOSE_TAKES: Duration = Duration::from_secs(1);
/// The workload that changes no setting.
const DEFAULTS: &str = "e2e-default";
/// The wait on a machine without a counter.
const CLOCK_TAKES: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);
