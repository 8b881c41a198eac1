//! Mutated spans: none panics, and no reader finds a secret in the result.
//!
//! The inputs derive from a span by seeded mutations, so that a run is the same on every machine. `SPANWISE_FUZZ_SECONDS` is the time, and
//! `SPANWISE_FUZZ_SEED` begins another series; `cargo xtask fuzz` sets both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on must fail"
)]

#[allow(dead_code, clippy::indexing_slicing, reason = "the mutations of texts are for others")]
#[path = "../../spanwise-tail/tests/fuzz/mutation.rs"]
mod mutation;
mod support;

use mutation::{Random, mutate_message};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use prost::Message as _;
use spanwise_redact::{Redacted, Redactor, Rule, Scratch};
use std::time::{Duration, Instant};
use support::{array, attribute, map, text};

fn seeds() -> Vec<Vec<u8>> {
    let login = map([("password", text("canary")), ("name", text("ann@example.com"))]);
    let attributes = vec![
        attribute("password", text("canary")),
        attribute("note", text("ask ann@example.com or bob@example.org")),
        attribute("http.route", text("/users/{id}")),
        attribute("http.response.status_code", Value::IntValue(200)),
        attribute("card", Value::IntValue(4_111_111_111_111_111)),
        attribute("list", array([text("x"), text("ann@example.com"), login.clone()])),
        attribute("login", login),
        attribute("bytes", Value::BytesValue(b"ann@example.com".to_vec())),
        attribute("old", Value::DoubleValue(0.5)),
    ];
    let full = Span {
        trace_id: vec![7; 16],
        span_id: vec![9; 8],
        name: "mail to ann@example.com".to_owned(),
        events: vec![Event {
            name: "ann@example.com".to_owned(),
            attributes: attributes.clone(),
            ..Event::default()
        }],
        links: vec![Link { attributes: attributes.clone(), ..Link::default() }],
        status: Some(Status { message: "no ann@example.com".to_owned(), code: 2 }),
        attributes,
        start_time_unix_nano: 1 << 60,
        flags: 0x101,
        ..Span::default()
    };
    let small = support::span([("password", text("canary")), ("old", text("x")), ("b", text("y"))]);
    vec![full.encode_to_vec(), small.encode_to_vec()]
}

fn check_list(list: &[KeyValue], depth: usize) {
    for KeyValue { key, value, .. } in list {
        let value = value.as_ref().and_then(|it| it.value.as_ref());
        if key.contains("password") {
            assert!(value.is_none_or(|it| *it == text("****")), "{key:?}: {value:?}");
        }
        assert!(!(key == "old" && depth == 0), "it is renamed");
        assert!(!has_address(key) || depth == 0, "{key:?}");
        value.into_iter().for_each(|value| check_value(value, depth));
    }
}

fn check_value(value: &Value, depth: usize) {
    let check_any = |it: &AnyValue| it.value.iter().for_each(|it| check_value(it, depth + 1));
    match value {
        Value::StringValue(text) => assert!(!has_address(text), "{text:?}"),
        Value::BytesValue(bytes) => assert!(!has_address(&String::from_utf8_lossy(bytes))),
        Value::IntValue(number) => assert_ne!(*number, 4_111_111_111_111_111),
        Value::ArrayValue(list) => list.values.iter().for_each(check_any),
        Value::KvlistValue(map) => check_list(&map.values, depth + 1),
        _ => {}
    }
}

fn has_address(text: &str) -> bool {
    text.contains("ann@example.com") || text.contains("bob@example.org")
}

/// Whether readers take the result.
fn check(redactor: &Redactor, input: &[u8], (one, two): (&mut Scratch, &mut Scratch)) -> bool {
    let explained = redactor.explain(input);
    let before: u64 =
        redactor.counts().iter().map(|it| it.count).sum::<u64>() + redactor.failures();
    let output = match redactor.redact_span(input, one) {
        Redacted::Unchanged => input,
        Redacted::Changed(output) => output,
    };
    let after: u64 = redactor.counts().iter().map(|it| it.count).sum::<u64>() + redactor.failures();
    assert_eq!(after - before, explained.len() as u64);
    assert!(output.len() <= input.len() + 8 * explained.len(), "a mask is no longer than that");
    assert_eq!(redactor.redact_span(output, two), Redacted::Unchanged, "{explained:?}");
    let Ok(span) = Span::decode(output) else { return false };
    check_list(&span.attributes, 0);
    span.events.iter().for_each(|it| check_list(&it.attributes, 0));
    span.links.iter().for_each(|it| check_list(&it.attributes, 0));
    let names =
        span.events.iter().map(|it| &it.name).chain(span.status.iter().map(|it| &it.message));
    assert!(names.chain([&span.name]).all(|name| !has_address(name)));
    true
}

#[test]
fn no_reader_finds_a_secret_in_a_mutated_span() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let limit = number("SPANWISE_FUZZ_SECONDS").map(Duration::from_secs);
    let mut random = Random(number("SPANWISE_FUZZ_SEED").unwrap_or_default());
    let redactor = Redactor::builder()
        .with_rule(Rule::mask(["*password*"]))
        .with_rule(Rule::rename("old", "new"))
        .with_all_presets()
        .build()
        .unwrap();
    let (mut one, mut two) = (Scratch::default(), Scratch::default());
    let seeds = seeds();
    let (mut accepted, start) = (0u64, Instant::now());
    for index in 0u64.. {
        let is_over = limit.map_or(index >= 4_000, |limit| start.elapsed() >= limit);
        if is_over {
            eprintln!("{accepted} of {index} can be read, {:.1} s", start.elapsed().as_secs_f64());
            assert!((index / 20..=index).contains(&accepted));
            break;
        }
        let seed = &seeds[random.below(seeds.len())];
        let input = match index {
            0 => seed.clone(),
            _ => mutate_message(&mut random, seed, &seeds[1]),
        };
        let begin = Instant::now();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            check(&redactor, &input, (&mut one, &mut two))
        }));
        match result {
            Ok(is_read) => accepted += u64::from(is_read),
            Err(payload) => {
                let digits: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
                eprintln!("the input that failed:\n{digits}");
                std::panic::resume_unwind(payload);
            }
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{} bytes", input.len());
    }
}
