//! The propagator of W3C Trace Context: the cases of the W3C's own test suite, the limits of level 2,
//! and the stock SDK's propagator as a peer.

use crate::headers;

use headers::{Headers, send};
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry_sdk::propagation as stock;
use proptest::prelude::*;
use spanwise_sdk::propagation::TraceContextPropagator;
use std::collections::HashMap;

fn extract(headers: &[(&str, &str)]) -> SpanContext {
    let headers = Headers::of(headers);
    let cx = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
    cx.span().span_context().clone()
}

fn inject(context: SpanContext) -> HashMap<String, String> {
    let mut headers = HashMap::new();
    let cx = Context::new().with_remote_span_context(context);
    TraceContextPropagator::new().inject_context(&cx, &mut headers);
    headers
}

fn context(flags: u8, state: TraceState) -> SpanContext {
    let (trace_id, span_id) = (TraceId::from(TRACE), SpanId::from(SPAN));
    SpanContext::new(trace_id, span_id, TraceFlags::new(flags), true, state)
}

const TRACE: u128 = 0x1234_5678_9012_3456_7890_1234_5678_9012;
const SPAN: u64 = 0x1234_5678_9012_3456;
const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-00";

#[test]
fn a_traceparent_is_read_as_the_w3c_suite_requires() {
    let check = |header: &str, accepted: bool| {
        let context = extract(&[("traceparent", header)]);
        assert_eq!(context.is_valid(), accepted, "{header:?}");
        if accepted {
            assert_eq!((context.trace_id(), context.span_id()), (TRACE.into(), SPAN.into()));
            assert!(context.is_remote());
        }
    };
    for header in [
        PARENT,
        // A later version, with and without more fields.
        "cc-12345678901234567890123456789012-1234567890123456-01",
        "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
        // Optional whitespace.
        " 00-12345678901234567890123456789012-1234567890123456-01",
        "\t 00-12345678901234567890123456789012-1234567890123456-01 \t",
    ] {
        check(header, true);
    }
    for header in [
        "",
        "00",
        "00-12345678901234567890123456789012-1234567890123456-01.",
        "00-12345678901234567890123456789012-1234567890123456-01-",
        "00-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
        "cc-12345678901234567890123456789012-1234567890123456-01.what-the-future-will-be-like",
        "ff-12345678901234567890123456789012-1234567890123456-01",
        ".0-12345678901234567890123456789012-1234567890123456-01",
        "0.-12345678901234567890123456789012-1234567890123456-01",
        "+0-12345678901234567890123456789012-1234567890123456-01",
        "000-12345678901234567890123456789012-1234567890123456-01",
        "0000-12345678901234567890123456789012-1234567890123456-01",
        "0-12345678901234567890123456789012-1234567890123456-01",
        "00-00000000000000000000000000000000-1234567890123456-01",
        "00-.2345678901234567890123456789012-1234567890123456-01",
        "00-1234567890123456789012345678901.-1234567890123456-01",
        "00-+2345678901234567890123456789012-1234567890123456-01",
        "00-123456789012345678901234567890123-1234567890123456-01",
        "00-1234567890123456789012345678901-1234567890123456-01",
        "00-ABCDEF78901234567890123456789012-1234567890123456-01",
        "00-12345678901234567890123456789012-0000000000000000-01",
        "00-12345678901234567890123456789012-.234567890123456-01",
        "00-12345678901234567890123456789012-12345678901234567-01",
        "00-12345678901234567890123456789012-123456789012345-01",
        "00-12345678901234567890123456789012-ABCDEF7890123456-01",
        "00-12345678901234567890123456789012-1234567890123456-.0",
        "00-12345678901234567890123456789012-1234567890123456-0.",
        "00-12345678901234567890123456789012-1234567890123456-0A",
        "00-12345678901234567890123456789012-1234567890123456-001",
        "00-12345678901234567890123456789012-1234567890123456-1",
        "00-12345678901234567890123456789012-123456789012345é-1",
    ] {
        check(header, false);
    }
}

#[test]
fn two_traceparents_start_a_new_trace() {
    let other = PARENT.replace("9012-", "9011-");
    assert!(!extract(&[("traceparent", PARENT), ("traceparent", &other)]).is_valid());
    for name in ["TraceParent", "TrAcEpArEnT", "TRACEPARENT"] {
        assert!(extract(&[(name, PARENT)]).is_valid(), "{name}");
    }
    for name in ["trace-parent", "trace.parent"] {
        assert!(!extract(&[(name, PARENT)]).is_valid(), "{name}");
    }
}

/// Level 2 defines `sampled` and `random`; the other bits are to be zero.
#[test]
fn the_random_flag_passes_and_unknown_flags_do_not() {
    for (received, known) in [("00", 0), ("01", 1), ("02", 2), ("03", 3), ("ff", 3), ("fc", 0)] {
        let header = PARENT.replace("-00", &format!("-{received}"));
        let header = format!("00{}", &header[2..]);
        let context = extract(&[("traceparent", &header)]);
        assert_eq!(context.trace_flags().to_u8(), known, "{received}");
    }
    for (held, sent) in [(0, "00"), (1, "01"), (2, "02"), (3, "03"), (0xff, "03")] {
        let headers = inject(context(held, TraceState::NONE));
        assert_eq!(&headers["traceparent"][53..], sent);
    }
}

/// The span's own flags are those that leave: a root of ours has a random trace id.
#[test]
fn a_span_of_ours_is_sent_as_random() {
    let spanwise = spanwise_sdk::Spanwise::builder()
        .with_environment(|_| None)
        .with_exporter(spanwise_sdk::Exporter::None)
        .build()
        .unwrap();
    let span = spanwise.tracer("test").root("root", spanwise_sdk::SpanKind::Client);
    let mut headers = HashMap::new();
    let cx = Context::new().with_remote_span_context(span.context().clone());
    TraceContextPropagator::new().inject_context(&cx, &mut headers);
    assert!(headers["traceparent"].ends_with("-03"), "{headers:?}");
}

fn state(headers: &[&str]) -> String {
    let mut all = vec![("traceparent", PARENT)];
    all.extend(headers.iter().map(|header| ("tracestate", *header)));
    let context = extract(&all);
    assert!(context.is_valid(), "a tracestate never costs the traceparent");
    context.trace_state().header()
}

fn members(count: usize) -> String {
    (1..=count).map(|n| format!("bar{n:02}={n:02}")).collect::<Vec<_>>().join(",")
}

#[test]
fn a_tracestate_is_read_as_the_w3c_suite_requires() {
    let printable = |range: std::ops::RangeInclusive<u8>| range.map(char::from);
    let value: String = printable(0x20..=0x2b)
        .chain(printable(0x2d..=0x3c))
        .chain(printable(0x3e..=0x7e))
        .collect();
    let key: String = ('a'..='z').chain('0'..='9').chain("_-*/".chars()).collect();
    let all = format!("{key}={value}");
    let all_of_vendor = format!("{key}@a-z0-9_-*/={value}");
    let (long, vendor) = ("z".repeat(256), format!("{}@{}", "t".repeat(241), "v".repeat(13)));
    let as_it_is: &[&str] = &[
        "foo=1",
        "foo=1,bar=2",
        "0foo=1",
        "foo= 1",
        // Duplicates stay as they are or lose one: as they are.
        "foo=1,foo=2",
        &all,
        &all_of_vendor,
        &members(32),
        &format!("foo=1,{long}=1"),
        &format!("foo=1,{vendor}=1"),
        &format!("foo=1,{}", format_args!("a={}", "v".repeat(256))),
    ];
    for header in as_it_is {
        assert_eq!(state(&[header]), *header);
    }
    for (headers, expected) in [
        (&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"][..], "foo=1,bar=2,rojo=1,congo=2,baz=3"),
        (&["foo=1", ""], "foo=1"),
        (&["", "foo=1"], "foo=1"),
        (&["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
        (&["foo=1,,bar=2,\t,"], "foo=1,bar=2"),
        (&["\t foo=1 \t"], "foo=1"),
        // Keys that level 2 allows, and that the API cannot hold.
        (&["foo@@bar=1,bar=2"], "bar=2"),
        (&["foo=1,t@vvvvvvvvvvvvvv=1"], "foo=1"),
        (&[""], ""),
        (&[], ""),
    ] {
        assert_eq!(state(headers), expected, "{headers:?}");
    }
    let discarded: &[&str] = &[
        "foo",
        "=1",
        "foo =1",
        "FOO=1",
        "foo.bar=1",
        "_foo=1",
        "@foo=1,bar=2",
        "foo=bar=baz",
        "foo=,bar=3",
        "foo=1\u{7f}",
        "foo=é",
        "foo=1\n",
        &members(33),
        &format!("foo=1,{long}z=1"),
        &format!("foo=1,a={}", "v".repeat(257)),
    ];
    for header in discarded {
        assert_eq!(state(&[header]), "", "{header}");
    }
    assert_eq!(state(&[&members(32), "bar33=33"]), "", "33 members in two headers");
    assert!(!extract(&[("tracestate", "foo=1")]).is_valid());
    let named = extract(&[("traceparent", PARENT), ("TRACESTATE", "foo=1")]);
    assert_eq!(named.trace_state().header(), "foo=1");
}

fn sent_state(members: &[(&str, &str)]) -> Option<String> {
    let state = TraceState::from_key_value(members.iter().copied()).unwrap();
    inject(context(1, state)).remove("tracestate")
}

#[test]
fn a_tracestate_of_up_to_512_characters_is_sent_whole() {
    assert_eq!(sent_state(&[]), None, "an empty one is not sent");
    assert_eq!(sent_state(&[("foo", "1"), ("bar", "2")]).unwrap(), "foo=1,bar=2");
    let (first, second) = ("a".repeat(254), "b".repeat(255));
    // 256 + 1 + 255 with the key and its `=`.
    let exact = sent_state(&[("f", &first), ("s", &second[..253])]).unwrap();
    assert_eq!(exact, format!("f={first},s={}", &second[..253]));
    assert_eq!(exact.len(), 512);
    assert_eq!(sent_state(&[("f", &first), ("s", &second[..254])]).unwrap(), format!("f={first}"));
}

/// *tracestate Limits*: whole entries, those above 128 characters first, then from the end.
#[test]
fn a_longer_tracestate_loses_long_members_first() {
    let (long, short) = ("l".repeat(200), "s".repeat(100));
    let sent =
        sent_state(&[("a", &short), ("long", &long), ("b", &short), ("c", &short), ("d", &short)]);
    assert_eq!(sent.unwrap(), format!("a={short},b={short},c={short},d={short}"));
    let names = ["a", "b", "c", "d", "e", "f"];
    let sent = sent_state(&names.map(|name| (name, short.as_str())));
    assert_eq!(sent.unwrap(), format!("a={short},b={short},c={short},d={short}"));
    let sent = sent_state(&[("x", &long), ("y", &long), ("z", &long)]);
    assert_eq!(sent.unwrap(), format!("x={long},y={long}"), "no more than is needed");
}

/// The API holds values that no header may hold.
#[test]
fn a_member_cannot_break_the_header() {
    let sent = sent_state(&[("a", "1"), ("b", "2\r\nset-cookie: x"), ("c", "ü"), ("d", "4")]);
    assert_eq!(sent.unwrap(), "a=1,d=4");
    assert_eq!(sent_state(&[("b", "\n")]), None);
    for broken in [("", "1"), ("a", ""), ("a", "1 "), ("a", " "), ("a", "\t")] {
        let sent = sent_state(&[broken, ("b", "2")]);
        assert_eq!(sent.as_deref(), Some("b=2"), "{broken:?} discards the list at the reader");
        assert_eq!(sent_state(&[broken]), None, "{broken:?}");
    }
}

#[test]
fn an_invalid_context_is_neither_sent_nor_put_in_the_place_of_another() {
    assert!(inject(SpanContext::NONE).is_empty());
    let before = Context::new().with_remote_span_context(context(1, TraceState::NONE));
    let broken = Headers::of(&[("traceparent", "00-zz"), ("tracestate", "foo=1")]);
    let after = TraceContextPropagator::new().extract_with_context(&before, &broken);
    assert_eq!(after.span().span_context(), before.span().span_context());
    let fields: Vec<String> =
        TraceContextPropagator::new().fields().map(ToOwned::to_owned).collect();
    assert_eq!(fields, ["traceparent", "tracestate"]);
}

fn member() -> impl Strategy<Value = (String, String)> {
    ("[a-z0-9][a-z0-9_*/-]{0,20}", "[ -+--<>-~]{0,30}[!-+--<>-~]")
}

fn valid_context() -> impl Strategy<Value = SpanContext> {
    let ids = (1..=u128::MAX, 1..=u64::MAX, any::<u8>());
    (ids, prop::collection::vec(member(), 0..8)).prop_map(|((trace, span, flags), members)| {
        let state = TraceState::from_key_value(members).unwrap();
        SpanContext::new(trace.into(), span.into(), TraceFlags::new(flags), true, state)
    })
}

/// All that both propagators carry.
fn shared(context: &SpanContext) -> (TraceId, SpanId, bool, bool, String) {
    let state = context.trace_state().header();
    (context.trace_id(), context.span_id(), context.is_sampled(), context.is_remote(), state)
}

proptest! {
    #[test]
    fn the_stock_propagator_reads_ours_and_ours_reads_its(context in valid_context()) {
        let cx = Context::new().with_remote_span_context(context.clone());
        let (ours, theirs) = (TraceContextPropagator::new(), stock::TraceContextPropagator::new());
        let (read, headers) = send(&ours, &theirs, &cx);
        prop_assert_eq!(shared(read.span().span_context()), shared(&context), "{:?}", headers);
        let (read, headers) = send(&theirs, &ours, &cx);
        prop_assert_eq!(shared(read.span().span_context()), shared(&context), "{:?}", headers);
    }

    /// Ours is the stricter one.
    #[test]
    fn the_stock_propagator_accepts_each_header_that_ours_does(
        parent in "[0-9a-f]{2}-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-fA-F+]{1,3}(-.{0,3})?",
        state in "([a-z@A]{0,3}[=]{0,2}[ -~\t]{0,3},?){0,4}",
    ) {
        let headers = Headers::of(&[("traceparent", &parent), ("tracestate", &state)]);
        let ours = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
        let (ours, span) = (ours.span().span_context().clone(), Context::new());
        let theirs = stock::TraceContextPropagator::new().extract_with_context(&span, &headers);
        if ours.is_valid() {
            let theirs = theirs.span().span_context().clone();
            prop_assert_eq!((ours.trace_id(), ours.span_id()), (theirs.trace_id(), theirs.span_id()));
            prop_assert_eq!(ours.is_sampled(), theirs.is_sampled());
            if *ours.trace_state() != TraceState::NONE {
                prop_assert_eq!(ours.trace_state(), theirs.trace_state());
            }
        }
    }
}
