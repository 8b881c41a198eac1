//! The set-ups.
//!
//! `spanwise-plugin` is the stock SDK with our `BatchSpanProcessor` in its default settings; where a workload
//! may lose no span on its way to a receiver, the end of a span waits for space. `otel-sdk-dropping` is the
//! SDK with a processor that drops the span: the cost of a span without its processing. On `w3-end`
//! `spanwise-plugin` and `otel-sdk-bsp`, the SDK's own batch processor in front of an exporter that drops,
//! get finished spans.

use crate::end::{Dropping, Ends, stock};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use spanwise_bench_harness::{Arguments, Export, Operations, Subject, Tally, Workload, otel_api};
use spanwise_opentelemetry::{BatchSpanProcessor, Counter, OnFull, Outcome, Protocol};
use std::sync::Arc;
use std::time::Duration;

pub fn build(arguments: &Arguments) -> Result<Box<dyn Subject>, String> {
    let Arguments { workload, implementation, .. } = arguments;
    match (workload.name.as_str(), implementation.as_str()) {
        (END, "otel-sdk-bsp") => Ok(stock(workload)),
        ("w3", "otel-sdk-dropping") => Ok(Box::new(Dropping::new(workload))),
        (_, "spanwise-plugin") => {
            let processor = processor(arguments)?;
            if workload.name == END {
                let counted = processor.clone();
                let tally = move |_made| tally(&counted);
                return Ok(Box::new(Ends::new(workload, processor, Arc::new(tally))));
            }
            Ok(Box::new(Plugin::new(workload, processor)))
        }
        (_, other) => Err(format!("no implementation {other}")),
    }
}

fn processor(arguments: &Arguments) -> Result<BatchSpanProcessor, String> {
    let Arguments { workload, endpoint, .. } = arguments;
    let mut builder = BatchSpanProcessor::builder()
        .with_environment(|_| None)
        .with_diagnostics(|_| {})
        .with_shutdown_timeout(PATIENCE);
    builder = match (workload.export, endpoint) {
        (Export::None, _) => {
            let accepted = || Outcome::Accepted { rejected: 0, message: None };
            builder.with_sink(move |_| std::future::ready(accepted()))
        }
        (_, Some(endpoint)) => builder.with_endpoint(endpoint),
        (_, None) => return Err("--endpoint is missing".to_owned()),
    };
    if workload.export == Export::Grpc {
        builder = builder.with_protocol(Protocol::Grpc);
    }
    if matches!(workload.export, Export::Http | Export::HttpJson | Export::Grpc) && workload.name != DEFAULTS {
        builder = builder.with_on_full(OnFull::Wait(PATIENCE));
    }
    builder.build().map_err(|error| error.to_string())
}

/// A sink or a receiver has accepted what the ledger counts as exported; of a receiver, the harness compares
/// its own count.
fn tally(processor: &BatchSpanProcessor) -> Tally {
    let ledger = processor.ledger();
    Tally {
        exported: ledger.exported,
        lost: ledger.dropped_total(),
        sampled_out: ledger.sampled_out,
        nowhere: 0,
    }
}

struct Plugin {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    processor: BatchSpanProcessor,
    operations: Operations,
}

impl Plugin {
    fn new(workload: &Workload, processor: BatchSpanProcessor) -> Self {
        let provider = SdkTracerProvider::builder()
            .with_resource(Resource::builder_empty().with_service_name("bench").build())
            .with_span_processor(processor.clone())
            .build();
        let tracer = provider.tracer("bench");
        Self { provider, tracer, processor, operations: Operations::new(workload) }
    }
}

impl Subject for Plugin {
    fn run(&self, ops: u64) {
        otel_api::run(&self.tracer, &self.operations, ops);
    }

    fn settle(&self) {
        // The ledger counts the spans that the flush did not deliver, and `tally` returns them.
        let _lost = self.provider.force_flush();
    }

    fn tally(&self, _made: u64) -> Tally {
        tally(&self.processor)
    }

    fn requests(&self) -> Option<u64> {
        Some(self.processor.ledger().counter(Counter::Requests))
    }

    fn close(&self) {
        // The ledger counts the spans that are lost.
        let _lost = self.provider.shutdown_with_timeout(CLOSE_TAKES);
    }
}

/// The workload of ends alone.
const END: &str = "w3-end";
/// The workload that changes no setting.
const DEFAULTS: &str = "e2e-default";
const PATIENCE: Duration = Duration::from_secs(60);
const CLOSE_TAKES: Duration = Duration::from_secs(1);
