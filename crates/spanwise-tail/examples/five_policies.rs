//! Errors, slow requests, important services, a tenth of the rest and a rate, by a Collector's file: in virtual time.
//!
//! `cargo run -p spanwise-tail --example five_policies`

use spanwise_config::Document;
use spanwise_tail::{SampledRequest, TailOutput, TailSampler, TailSamplingConfig};
use spanwise_wire::read::TraceRequest;
use spanwise_wire::write::{SpanHeader, SpanWriter, encode_resource, encode_scope};
use spanwise_wire::{
    Chunk, Framer, RequestLimits, SpanId, SpanLimits, SpanMeta, StatusCode, TraceId,
};
use std::collections::HashSet;
use std::error::Error;
use std::time::{Duration, Instant};

/// A trace is sampled if one policy samples it. The last one takes 100 spans per second, whichever they are: leave it out
/// where the tenth is meant for all.
const POLICIES: &[u8] = b"
processors:
  tail_sampling:
    decision_wait: 10s
    num_traces: 100000
    expected_new_traces_per_sec: 10000
    policies:
      - {name: error-traces, type: status_code, status_code: {status_codes: [ERROR]}}
      - {name: slow-traces, type: latency, latency: {threshold_ms: 1000}}
      - name: important-service
        type: string_attribute
        string_attribute: {key: service.name, values: [payment-service, auth-service]}
      - {name: random-sample, type: probabilistic, probabilistic: {sampling_percentage: 10}}
      - {name: rate-limiting, type: rate_limiting, rate_limiting: {spans_per_second: 100}}
";

/// The traces that leave.
#[derive(Default)]
struct Sampled(HashSet<[u8; 16]>);

impl TailOutput for Sampled {
    fn request(&mut self, request: SampledRequest<'_>) {
        let spans = TraceRequest::new(request.bytes).spans();
        self.0.extend(spans.flatten().filter_map(|span| span.trace_id()));
    }
}

/// A test runs it too.
pub fn main() -> Result<(), Box<dyn Error>> {
    let document = Document::parse("policies.yaml", POLICIES, |_| None)?;
    let config = TailSamplingConfig::from_document(&document, None)?.value;
    let start = Instant::now();
    let (mut sampler, mut sampled) = (TailSampler::new(&config, start)?, Sampled::default());

    let (mut important, mut others) = (Vec::new(), Vec::new());
    for number in 1..=2_000_u128 {
        // The ids of a service are random; these spread over the whole range, too.
        let id = TraceId(number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835));
        let (service, code, ms) = match number % 40 {
            1 => ("shop", StatusCode::Error, 5),
            2 => ("shop", StatusCode::Unset, 1_500),
            3 => ("payment-service", StatusCode::Unset, 5),
            _ => ("shop", StatusCode::Unset, 5),
        };
        let is_important = (1..=3).contains(&(number % 40));
        (if is_important { &mut important } else { &mut others }).push(id.0.to_be_bytes());
        let _appended = sampler.append(start, &trace(id, service, code, ms), &mut sampled)?;
    }
    // A service calls `tick` every 50 ms. The traces wait for 10 s.
    sampler.tick(start + Duration::from_secs(9), &mut sampled);
    assert!(sampled.0.is_empty());
    sampler.tick(start + Duration::from_secs(10), &mut sampled);

    let count = |ids: &[[u8; 16]]| ids.iter().filter(|id| sampled.0.contains(*id)).count();
    println!("{} of {} errors, slow ones and payments", count(&important), important.len());
    println!("{} of {} others", count(&others), others.len());
    assert_eq!(count(&important), important.len());
    // A tenth, and what the rate allows: 200 spans at once after a pause.
    assert!((200..500).contains(&count(&others)), "{}", count(&others));
    let counts = sampler.counts();
    assert_eq!(counts.sampled_traces + counts.not_sampled_traces, 2_000);
    Ok(())
}

/// A request with a trace of one span.
fn trace(trace_id: TraceId, service: &str, code: StatusCode, ms: u64) -> Vec<u8> {
    let (mut span, limits) = (SpanWriter::new(), SpanLimits::default());
    span.begin(&limits, "GET /orders");
    span.status(&limits, code, "");
    let header = SpanHeader {
        trace_id,
        span_id: SpanId(1),
        start_unix_nanos: 1_000_000_000,
        end_unix_nanos: 1_000_000_000 + ms * 1_000_000,
        ..SpanHeader::default()
    };
    let chunk = Chunk::single(&span.finish(&header), SpanMeta::default());
    let resource = encode_resource([("service.name", service)], "");
    let scope = encode_scope("shop::orders", "1.0", [("", 0); 0], "");
    let mut request = Vec::new();
    Framer::new(&resource, |_| &scope, RequestLimits::default())
        .frame(&[&chunk], |framed| request.extend_from_slice(framed.message()));
    request
}
