//! The tail sampler over the Collector's benchmark batch: 128 traces of 1 to 48 spans, from 4 services with 2 scopes each.
//!
//! `tail-append` stores the spans of new traces, `tail-late` drops those of decided ones, `tail-decide-*` decides 12,800 traces with
//! policies that sample none of them. Each row is per span and checks the account of the sampler.

#[path = "../profiler.rs"]
mod profiler;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spanwise_tail::{
    LatencyPolicy, OttlConditionPolicy, Policy, PolicyKind, TailSampler, TailSamplingConfig,
};
use spanwise_wire::write::put_varint;
use spanwise_wire::write::{
    EncodeSpan as _, SpanHeader, SpanWriter, encode_resource, encode_scope,
};
use spanwise_wire::{SpanId, SpanLimits, StatusCode, TraceId};
use std::time::{Duration, Instant};

/// Batches of new traces between two decisions.
const BATCHES: u128 = 100;
const WAIT: Duration = Duration::from_secs(1);

#[expect(clippy::expect_used, reason = "a bench that cannot start must fail")]
fn tail(criterion: &mut Criterion) {
    let batches: Vec<Vec<u8>> = (0..BATCHES).map(batch).collect();
    let ottl = |condition: &str| OttlConditionPolicy::span([condition]);
    let five = [
        "attributes[\"attr_k_1\"] == \"attr_v_1\"",
        "attributes[\"http.request.method\"] == \"PUT\"",
        "attributes[\"http.response.status_code\"] >= 500",
        "attributes[\"url.path\"] == \"/health\"",
        "name == \"other\"",
    ];
    let none = vec![
        Policy::new("slow", LatencyPolicy::above(100)),
        Policy::new("ok", PolicyKind::StatusCode(vec![StatusCode::Ok])),
    ];
    let conditions =
        five.iter().map(|condition| Policy::new(*condition, ottl(condition))).collect::<Vec<_>>();
    for (name, policies) in [("simple", none), ("ottl-5", conditions)] {
        let config = TailSamplingConfig::default()
            .with_decision_wait(WAIT)
            .with_num_traces(100_000)
            .with_max_memory_bytes(1 << 30);
        let config = policies.into_iter().fold(config, TailSamplingConfig::with_policy);
        let timed = |row: Row| {
            let start = Instant::now();
            let mut sampler = TailSampler::new(&config, start).expect("valid settings");
            let mut output: Vec<Vec<u8>> = Vec::new();
            let mut took = [Duration::ZERO; 3];
            for (part, at) in [(0, start), (2, start + WAIT * 2)] {
                let begun = Instant::now();
                for batch in &batches {
                    let _all = sampler.append(at, batch, &mut output).expect("a valid request");
                }
                took[part] = begun.elapsed();
                let begun = Instant::now();
                sampler.tick(start + WAIT * 2, &mut output);
                took[1] += begun.elapsed();
            }
            let counts = sampler.counts();
            assert!(counts.is_balanced() && output.is_empty());
            assert_eq!(counts.late_not_sampled_spans * 2, counts.received_spans);
            took[row as usize]
        };
        let spans = batches.iter().map(|batch| count(batch)).sum::<u64>();
        for (row, group) in [
            (Row::Append, "tail-append".to_owned()),
            (Row::Decide, format!("tail-decide-{name}")),
            (Row::Late, "tail-late".to_owned()),
        ] {
            if row != Row::Decide && name != "simple" {
                continue;
            }
            let mut group = criterion.benchmark_group(group);
            group.throughput(Throughput::Elements(spans)).sample_size(10);
            group.bench_function("spanwise", |bencher| {
                bencher.iter_custom(|rounds| (0..rounds).map(|_| timed(row)).sum());
            });
            group.finish();
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Append,
    Decide,
    Late,
}

fn count(batch: &[u8]) -> u64 {
    spanwise_wire::read::TraceRequest::new(batch).count_spans().unwrap_or_default()
}

/// A request with 128 traces that no other batch has.
fn batch(number: u128) -> Vec<u8> {
    let mut scopes = vec![Vec::new(); 8];
    for trace in 0..128u128 {
        let id =
            (number * 1_000 + trace + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        for span in 1..=[1u64, 2, 4, 8, 16, 48][trace as usize % 6] {
            let place = (span as usize + trace as usize) % scopes.len();
            field(&mut scopes[place], 0x12, &encoded(TraceId(id), span, trace));
        }
    }
    let mut request = Vec::new();
    for (service, scopes) in scopes.chunks(2).enumerate() {
        let name = format!("service-{service}");
        let keys: Vec<String> = (0..13).map(|key| format!("resource.attribute.{key}")).collect();
        let attributes = keys.iter().map(|key| (key.as_str(), "value of an attribute"));
        let mut resource = encode_resource(attributes.chain([("service.name", name.as_str())]), "");
        for (name, spans) in ["net/http", "database/sql"].iter().zip(scopes) {
            let none: [(&str, &str); 0] = [];
            let mut scope = encode_scope(name, "1.0", none, "");
            scope.extend_from_slice(spans);
            field(&mut resource, 0x12, &scope);
        }
        field(&mut request, 0x0a, &resource);
    }
    request
}

fn encoded(trace_id: TraceId, span: u64, trace: u128) -> Vec<u8> {
    let limits = SpanLimits::default();
    let mut writer = SpanWriter::new();
    writer.begin(&limits, "GET /api/v1/resource");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/api/v1/resource"),
        ("server.address", "shop.example.com"),
        ("attr_k_1", "other"),
        ("user_agent.original", "Mozilla/5.0 (X11)"),
        ("network.peer.address", "10.0.0.1"),
    ] {
        writer.attribute(&limits, key, &value);
    }
    writer.attribute(&limits, "http.response.status_code", &200i64);
    let start = 1_780_000_000_000_000_000;
    let header = SpanHeader {
        trace_id,
        span_id: SpanId(span),
        start_unix_nanos: start,
        end_unix_nanos: start + if trace.is_multiple_of(10) { 5_000_000 } else { 500_000 },
        ..SpanHeader::default()
    };
    let finished = writer.finish(&header);
    let chunk =
        spanwise_wire::Chunk::single(&finished.as_finished(), spanwise_wire::SpanMeta::default());
    let mut fields = spanwise_wire::read::Fields::new(chunk.bytes());
    let span = fields.next().and_then(Result::ok).and_then(|field| field.bytes().ok());
    // Most senders write the trace id first; ours writes it behind the attributes.
    let id = trace_id.0.to_be_bytes();
    let mut bytes = [&[0x0a, 16][..], &id].concat();
    bytes.extend_from_slice(span.unwrap_or_default());
    bytes
}

fn field(out: &mut Vec<u8>, key: u8, bytes: &[u8]) {
    out.push(key);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_profiler(profiler::Pprof::default());
    targets = tail
}
criterion_main!(benches);
