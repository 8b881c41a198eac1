//! Decides about traces with the policies of a Collector's file.
//!
//! `cargo run -p spanwise-tail --example collector_yaml -- collector.yaml request.bin …`, where each request is the body of an OTLP/HTTP
//! export in protobuf. Without arguments, a file and two traces of its own.

use std::time::Instant;

use spanwise_config::Document;
use spanwise_tail::{
    ExplainFilter, Explanation, SampledRequest, TailOutput, TailSampler, TailSamplingConfig,
};
use spanwise_wire::write::{SpanHeader, SpanWriter, encode_resource, encode_scope};
use spanwise_wire::{
    Chunk, Framer, RequestLimits, SpanId, SpanLimits, SpanMeta, StatusCode, TraceId,
};

/// Prints the decisions with their reasons, and counts the spans that a service would send on.
#[derive(Default)]
struct Printed {
    spans: u64,
}

impl TailOutput for Printed {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.spans += request.spans;
    }

    fn explained(&mut self, explanation: &Explanation) {
        println!("{explanation}");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let environment = |name: &str| std::env::var(name).ok();
    let document = match arguments.next() {
        Some(path) => Document::open(path, environment)?,
        None => Document::parse("errors.yaml", ERRORS, environment)?,
    };
    let read = TailSamplingConfig::from_document(&document, None)?;
    for warning in &read.warnings {
        eprintln!("{warning}");
    }
    let mut requests = arguments.map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    if requests.is_empty() {
        requests = vec![trace(1, StatusCode::Error), trace(2, StatusCode::Unset)];
    }
    let mut sampler = TailSampler::new(&read.value, Instant::now())?;
    sampler.set_explain(Some(ExplainFilter::all()));
    let mut output = Printed::default();
    for request in &requests {
        let _appended = sampler.append(Instant::now(), request, &mut output)?;
    }
    // A service calls `tick` every 50 ms; here all traces are complete.
    sampler.shutdown(Instant::now(), &mut output);
    println!("{} of {} spans are sampled", output.spans, sampler.counts().received_spans);
    Ok(())
}

const ERRORS: &[u8] = b"
processors:
  tail_sampling:
    policies:
      - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
";

/// A request with one span.
fn trace(id: u128, code: StatusCode) -> Vec<u8> {
    let mut span = SpanWriter::new();
    span.begin(&SpanLimits::default(), "GET /users");
    span.status(&SpanLimits::default(), code, "");
    let header = SpanHeader { trace_id: TraceId(id), span_id: SpanId(1), ..SpanHeader::default() };
    let chunk = Chunk::single(&span.finish(&header), SpanMeta::default());
    let resource = encode_resource([("service.name", "shop")], "");
    let scope = encode_scope("my-library", "1.0", [] as [(&str, &str); 0], "");
    let mut requests = Vec::new();
    let mut framer = Framer::new(&resource, |_| &scope, RequestLimits::default());
    framer.frame(&[&chunk], |request| requests.extend_from_slice(request.message()));
    requests
}
