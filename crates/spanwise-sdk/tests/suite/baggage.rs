//! The propagator of W3C Baggage: the examples and limits of the specification, and the stock SDK's
//! propagator as a peer.

use crate::headers;

use headers::{Headers, send};
use opentelemetry::baggage::{Baggage, BaggageExt as _};
use opentelemetry::propagation::{Extractor as _, TextMapPropagator};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation as stock;
use proptest::prelude::*;
use spanwise_sdk::propagation::BaggagePropagator;

type Entry = (String, String, String);

fn entries(baggage: &Baggage) -> Vec<Entry> {
    let mut entries: Vec<_> = baggage
        .iter()
        .map(|(key, (value, metadata))| {
            (key.to_string(), value.to_string(), metadata.as_str().to_owned())
        })
        .collect();
    entries.sort();
    entries
}

fn extract_baggage(headers: &[&str]) -> Vec<Entry> {
    let headers: Vec<_> = headers.iter().map(|header| ("baggage", *header)).collect();
    let headers = Headers::of(&headers);
    let cx = BaggagePropagator::new().extract_with_context(&Context::new(), &headers);
    entries(cx.baggage())
}

fn inject_baggage(baggage: Baggage) -> Option<String> {
    let mut headers = Headers::default();
    let cx = Context::new().with_baggage(baggage);
    BaggagePropagator::new().inject_context(&cx, &mut headers);
    headers.get("baggage").map(ToOwned::to_owned)
}

fn of(entries: &[(&str, &str, &str)]) -> Vec<Entry> {
    entries.iter().map(|(k, v, m)| ((*k).into(), (*v).into(), (*m).into())).collect()
}

/// The examples of the specification, and what its text requires of readers.
#[test]
fn baggage_is_read_as_the_specification_requires() {
    for (headers, expected) in [
        (
            &[
                "key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue",
            ][..],
            of(&[
                ("key1", "value1", "property1;property2"),
                ("key2", "value2", ""),
                ("key3", "value3", "propertyKey=propertyValue"),
            ]),
        ),
        (
            &["userId=alice", "serverNode=DF%2028,isProduction=false"],
            of(&[
                ("isProduction", "false", ""),
                ("serverNode", "DF 28", ""),
                ("userId", "alice", ""),
            ]),
        ),
        (&["a=1=2=3;x=y=z"], of(&[("a", "1=2=3", "x=y=z")])),
        (&["a=%E2%82%AC"], of(&[("a", "€", "")])),
        (&["a=%ff"], of(&[("a", "\u{fffd}", "")])),
        (&["a=100%, b=%zz"], of(&[("a", "100%", ""), ("b", "%zz", "")])),
        (&["a=1;p=%20%2C"], of(&[("a", "1", "p=%20%2C")])),
        (&["a=1,,b,=3,c d=4,(e)=5,f="], of(&[("a", "1", ""), ("f", "", "")])),
    ] {
        assert_eq!(extract_baggage(headers), expected, "{headers:?}");
    }
}

#[test]
fn baggage_without_a_valid_member_changes_nothing() {
    let before = Context::new().with_baggage([KeyValue::new("a", "1")]);
    for header in ["", ",", "a", "=1"] {
        let headers = Headers::of(&[("baggage", header)]);
        let after = BaggagePropagator::new().extract_with_context(&before, &headers);
        assert_eq!(entries(after.baggage()), of(&[("a", "1", "")]), "{header:?}");
    }
    assert_eq!(inject_baggage(Baggage::new()), None);
}

#[test]
fn baggage_is_sent_in_one_order_and_cannot_break_the_header() {
    let mut baggage = Baggage::new();
    let _none = baggage.insert("z", "1, 2;\r\n\"\\ = 100% ü");
    let _none = baggage.insert_with_metadata("a", "", "k = v ; p,q=\n; r=%20");
    let header = inject_baggage(baggage).unwrap();
    assert_eq!(header, "a=;k=v;p%2Cq=;r=%20,z=1%2C%202%3B%0D%0A%22%5C%20%3D%20100%25%20%C3%BC");
    let read = extract_baggage(&[&header]);
    assert_eq!(read[1].1, "1, 2;\r\n\"\\ = 100% ü", "each value arrives as it was");
}

#[test]
fn baggage_is_limited_to_64_members_and_8192_bytes() {
    let list = |count: usize| (0..count).map(|n| format!("k{n:02}=v")).collect::<Vec<_>>();
    assert_eq!(extract_baggage(&[&list(64).join(",")]).len(), 64);
    let (first, rest) = (list(40).join(","), list(80)[40..].join(","));
    assert_eq!(extract_baggage(&[&first, &rest]).len(), 64, "in two headers");

    let exact = format!("a=1,b={}", "x".repeat(8192 - "a=1,b=".len()));
    assert_eq!(exact.len(), 8192);
    assert_eq!(extract_baggage(&[&exact]).len(), 2);
    assert_eq!(extract_baggage(&[&format!("{exact}x")]), of(&[("a", "1", "")]));
    assert_eq!(extract_baggage(&["a=1", &format!("{}x", &exact[4..])]), of(&[("a", "1", "")]));

    // Encoded, each of these characters takes three bytes.
    let mut baggage = Baggage::new();
    let _none = baggage.insert("big", ";".repeat(4000));
    let _none = baggage.insert("small", "1");
    assert_eq!(inject_baggage(baggage).unwrap(), "small=1");
    let mut baggage = Baggage::new();
    let _none = baggage.insert("big", ";".repeat(4000));
    assert_eq!(inject_baggage(baggage), None);
}

proptest! {
    #[test]
    fn stock_baggage_reads_ours_and_ours_reads_its(
        pairs in prop::collection::hash_map("[a-zA-Z0-9_.-]{1,10}", "[^%]{0,20}", 0..20),
    ) {
        // The stock propagator takes the blanks around a value off.
        let pairs = pairs.into_iter().map(|(key, value)| KeyValue::new(key, value.trim().to_owned()));
        let cx = Context::new().with_baggage(pairs);
        let (ours, theirs) = (BaggagePropagator::new(), stock::BaggagePropagator::new());
        let (read, headers) = send(&ours, &theirs, &cx);
        prop_assert_eq!(entries(read.baggage()), entries(cx.baggage()), "{:?}", headers);
        let (read, headers) = send(&theirs, &ours, &cx);
        prop_assert_eq!(entries(read.baggage()), entries(cx.baggage()), "{:?}", headers);
    }

    #[test]
    fn hostile_baggage_stays_within_the_limits(header in ".{0,200}", times in 1..200_usize) {
        let header = vec![header; times].join(",");
        let read = extract_baggage(&[&header]);
        prop_assert!(read.len() <= 64);
        let baggage = read.into_iter().map(|(key, value, _)| KeyValue::new(key, value));
        let sent = inject_baggage(baggage.collect()).unwrap_or_default();
        prop_assert!(sent.len() <= 8192 && sent.is_ascii());
    }
}
