//! Redaction of w3's spans: `redact-presets` with all presets, `redact-keys` with ten key rules and no value pattern, `redact-unused`
//! without rules. Each row is per span; the rivals read the same spans: `regex-set` runs the crate `regex` over each string value with the
//! same patterns, and finds without replacing; `copy` copies the bytes.
//!
//! `redact-build` is the time to compile all presets.

#[path = "../profiler.rs"]
mod profiler;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use regex::bytes::RegexSet;
use spanwise_benches::corpus;
use spanwise_redact::{Preset, Redacted, Redactor, RedactorBuilder, Rule, Scratch};
use spanwise_wire::read::{FieldValue, Fields};
use std::hint::black_box;

const SPANS: u64 = 500;

/// The forms that the presets find without a regular expression.
const ADDRESSES_AND_CARDS: [&str; 3] = [
    r"[0-9](?:[ -]?[0-9]){12}",
    r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}",
    r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*(?:\.[0-9]{1,3}){0,3}",
];

#[expect(clippy::expect_used, reason = "a bench that cannot start must fail")]
fn redact(criterion: &mut Criterion) {
    let spans = spans(&corpus::request(SPANS));
    assert_eq!(spans.len() as u64, SPANS);
    let rules: Vec<_> = Preset::ALL.iter().flat_map(|it| it.rules()).collect();
    let patterns = rules.iter().filter_map(Rule::value_pattern).chain(ADDRESSES_AND_CARDS);
    let patterns = patterns.map(|pattern| format!("(?-u){pattern}"));
    let set = RegexSet::new(patterns).expect("the presets are valid");
    let presets = Redactor::builder().with_all_presets();
    let keys = [
        "http.request.header.*",
        "*.password",
        "user.*",
        "enduser.id",
        "db.connection_string",
        "session.id",
        "*.token",
        "aws.*.secret",
        "messaging.message.body",
        "exception.stacktrace",
    ];
    let keys =
        keys.into_iter().fold(Redactor::builder(), |it, key| it.with_rule(Rule::mask([key])));
    // One span in five is a server span, with the address of a client.
    for (name, builder, changed) in [
        ("redact-presets", presets, SPANS / 5),
        ("redact-keys", keys, 0),
        ("redact-unused", Redactor::builder(), 0),
    ] {
        let build = |builder: &RedactorBuilder| builder.clone().build().expect("valid rules");
        let redactor = build(&builder);
        let mut scratch = Scratch::default();
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(SPANS));
        group.bench_function("spanwise", |bencher| {
            bencher.iter(|| {
                let mut count = 0;
                for span in &spans {
                    let redacted = redactor.redact_span(black_box(span), &mut scratch);
                    count += u64::from(black_box(redacted) != Redacted::Unchanged);
                }
                assert_eq!(count, changed);
            });
        });
        if name == "redact-presets" {
            group.bench_function("regex-set", |bencher| {
                bencher.iter(|| {
                    spans.iter().map(|span| matches(&set, black_box(span))).sum::<usize>()
                });
            });
        }
        group.bench_function("copy", |bencher| {
            let mut copy = Vec::new();
            bencher.iter(|| {
                for span in &spans {
                    copy.clear();
                    copy.extend_from_slice(black_box(span));
                    black_box(&copy);
                }
            });
        });
        group.finish();
        if name == "redact-presets" {
            let mut group = criterion.benchmark_group("redact-build");
            group.bench_function("spanwise", |bencher| bencher.iter(|| build(&builder)));
            group.finish();
        }
    }
}

/// The spans of a request.
fn spans(request: &[u8]) -> Vec<Vec<u8>> {
    let inner = |message: Vec<u8>, number: u32| -> Vec<Vec<u8>> {
        let fields = Fields::new(&message).map_while(Result::ok);
        let fields = fields.filter(|field| field.number == number);
        fields.filter_map(|field| field.bytes().ok().map(<[u8]>::to_vec)).collect()
    };
    let resources = inner(request.to_vec(), 1);
    let scopes = resources.into_iter().flat_map(|it| inner(it, 2));
    scopes.flat_map(|it| inner(it, 2)).collect()
}

/// The string values of a span in which a pattern matches.
fn matches(set: &RegexSet, span: &[u8]) -> usize {
    let attributes = Fields::new(span).map_while(Result::ok).filter(|field| field.number == 9);
    let values = attributes.filter_map(|field| {
        let mut parts = Fields::new(field.bytes().ok()?).map_while(Result::ok);
        let value = parts.find(|part| part.number == 2)?.bytes().ok()?;
        match Fields::new(value).next()?.ok()?.value {
            FieldValue::Bytes(text) => Some(text),
            _ => None,
        }
    });
    values.filter(|value| set.is_match(value)).count()
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_profiler(profiler::Pprof::default());
    targets = redact
}
criterion_main!(benches);
