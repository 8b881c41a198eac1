//! Values byte by byte as prost writes them, and values of a wrong length.

use crate::support;

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;
use prost::Message;
use spanwise_wire::write::{
    Array, EncodeValue, SpanHeader, SpanWriter, encode_resource, encode_scope, put_varint,
    truncate, varint_len,
};
use spanwise_wire::{LinkedContext, SpanLimits, StatusCode, Value};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use support::{Collection, Owned, attributes, cut, sorted, text, value};

fn encoded(value: &(impl EncodeValue + ?Sized), max_chars: usize) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(max_chars, &mut out);
    assert_eq!(out.len(), value.encoded_len(max_chars));
    out
}

proptest! {
    #[test]
    fn every_value_is_written_as_prost_writes_it(value in value(), chars in prop_oneof![0usize..20, Just(usize::MAX)]) {
        let ours = value.with(|value| encoded(&value, chars));
        prop_assert_eq!(&ours, &value.any_value(chars).encode_to_vec());
        prop_assert_eq!(&ours, &encoded(&value, chars));
        prop_assert_eq!(value.is_truncated(chars), value.is_cut(chars));
    }

    #[test]
    fn truncate_takes_whole_characters(text in text(), chars in 0usize..30) {
        let cut_text = truncate(&text, chars);
        prop_assert_eq!(cut_text, cut(&text, chars));
        // Not a copy.
        prop_assert_eq!(cut_text.as_ptr(), text.as_ptr());
    }

    #[test]
    fn varints_are_those_of_prost(value in any::<u64>(), shift in 0u32..64) {
        let value = value >> shift;
        let (mut ours, mut theirs) = (vec![9], vec![9]);
        put_varint(&mut ours, value);
        prost::encoding::encode_varint(value, &mut theirs);
        prop_assert_eq!(&ours, &theirs);
        prop_assert_eq!(varint_len(value), ours.len() - 1);
    }

    #[test]
    fn resource_and_scope_are_those_of_prost(
        attributes in attributes(40),
        name in text(),
        version in text(),
        url in text(),
    ) {
        let pairs = || attributes.iter().map(|(key, value)| (key.as_str(), value));
        let expected = sorted(Collection::of(u32::MAX, usize::MAX, &attributes).attributes);

        let mut ours = ResourceSpans::decode(&*encode_resource(pairs(), &url)).unwrap();
        let resource = ours.resource.as_mut().unwrap();
        resource.attributes = sorted(std::mem::take(&mut resource.attributes));
        let theirs = ResourceSpans {
            resource: Some(Resource { attributes: expected.clone(), ..Resource::default() }),
            schema_url: url.clone(),
            ..ResourceSpans::default()
        };
        prop_assert_eq!(ours.encode_to_vec(), theirs.encode_to_vec());

        let mut ours = ScopeSpans::decode(&*encode_scope(&name, &version, pairs(), &url)).unwrap();
        let scope = ours.scope.as_mut().unwrap();
        scope.attributes = sorted(std::mem::take(&mut scope.attributes));
        let scope = InstrumentationScope { name, version, attributes: expected, ..Default::default() };
        let theirs = ScopeSpans { scope: Some(scope), schema_url: url, ..ScopeSpans::default() };
        prop_assert_eq!(ours.encode_to_vec(), theirs.encode_to_vec());
    }
}

#[test]
fn values_of_rusts_own_types_are_encoded() {
    let int = |value: i64| AnyValue { value: Some(any_value::Value::IntValue(value)) };
    let is = |ours: Vec<u8>, expected: AnyValue| assert_eq!(ours, expected.encode_to_vec());
    is(encoded(&-1i8, 0), int(-1));
    is(encoded(&i16::MIN, 0), int(-32768));
    is(encoded(&i32::MIN, 0), int(i64::from(i32::MIN)));
    is(encoded(&u8::MAX, 0), int(255));
    is(encoded(&u16::MAX, 0), int(65535));
    is(encoded(&u32::MAX, 0), int(i64::from(u32::MAX)));
    is(encoded(&1.5f32, 0), Owned::F64(1.5).any_value(0));
    is(encoded("text", 2), Owned::Str("te".into()).any_value(9));
    is(encoded(&String::from("text"), 2), Owned::Str("te".into()).any_value(9));
    let strings = vec![String::from("äöü"), String::new()];
    let expected = Owned::Strs(strings.clone());
    is(encoded(strings.as_slice(), 1), expected.any_value(1));
    is(encoded(&Array(strings.iter()), 1), expected.any_value(1));
    assert!(strings.as_slice().is_truncated(2) && !strings.as_slice().is_truncated(3));
    for (max, is_cut) in [(2, true), (3, false), (4, false)] {
        assert_eq!([1u8, 2, 3][..].is_truncated(max), is_cut);
        assert_eq!("äöü".is_truncated(max), is_cut);
    }
    is(encoded(&&&7i64, 0), int(7));
    is(encoded(&Value::from(&[1i64, 2][..]), 0), Owned::I64s(vec![1, 2]).any_value(0));
    assert_eq!(Value::from("text"), Value::Str("text"));
}

/// Claims one length and writes another.
struct Liar {
    claimed: usize,
    actual: usize,
}

impl EncodeValue for Liar {
    fn encoded_len(&self, _: usize) -> usize {
        self.claimed
    }

    fn encode(&self, _: usize, out: &mut Vec<u8>) {
        out.resize(out.len() + self.actual, 0x0a);
    }
}

/// Panics with half of itself written.
struct Bomb;

impl EncodeValue for Bomb {
    fn encoded_len(&self, _: usize) -> usize {
        9
    }

    fn encode(&self, _: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"half");
        resume_unwind(Box::new("a bomb"));
    }
}

#[test]
fn a_value_with_a_wrong_length_is_dropped() {
    let limits = SpanLimits::default();
    for claimed in [0, 1, 9, 126, 127, 128, 5000, usize::MAX - 100, usize::MAX - 3, usize::MAX] {
        for actual in [0, 1, 9, 126, 127, 128, 5000] {
            if claimed == actual {
                continue;
            }
            let mut writer = SpanWriter::new();
            writer.begin(&limits, "span");
            writer.attribute(&limits, "before", &1);
            writer.attribute(&limits, "liar", &Liar { claimed, actual });
            writer.attribute(&limits, "after", &2);
            writer.attribute(&limits, "after", &Liar { claimed, actual });
            writer.event(&limits, 1, "event", [("liar", Liar { claimed, actual })]);
            writer.link(&limits, &LinkedContext::default(), [("liar", Liar { claimed, actual })]);
            writer.attribute(&limits, "before", &3);
            let dropped = writer.dropped_counts();
            let span = Span::decode(&*writer.finish(&SpanHeader::default()).to_vec()).unwrap();
            let keys: Vec<_> = span.attributes.iter().map(|a| a.key.as_str()).collect();
            assert_eq!((keys, span.dropped_attributes_count), (vec!["after", "before"], 2));
            assert_eq!((span.events[0].dropped_attributes_count, dropped.attributes), (1, 4));
            assert_eq!(span.links[0].dropped_attributes_count, 1);
        }
    }
}

#[test]
fn a_value_that_panics_leaves_nothing_behind() {
    let limits = SpanLimits::default();
    let mut writer = SpanWriter::new();
    writer.begin(&limits, "span");
    writer.attribute(&limits, "key", &1);
    let mut bomb = |explode: fn(&mut SpanWriter, &SpanLimits)| {
        assert!(catch_unwind(AssertUnwindSafe(|| explode(&mut writer, &limits))).is_err());
    };
    bomb(|writer, limits| writer.attribute(limits, "bomb", &Bomb));
    bomb(|writer, limits| writer.attribute(limits, "key", &Bomb));
    bomb(|writer, limits| writer.attribute(limits, &"k".repeat(300), &Bomb));
    bomb(|writer, limits| writer.event(limits, 1, "event", [("bomb", Bomb)]));
    bomb(|writer, limits| writer.link(limits, &LinkedContext::default(), [("bomb", Bomb)]));
    bomb(|writer, limits| {
        let attributes = (0..3).map(|n| if n < 2 { ("n", n) } else { resume_unwind(Box::new(n)) });
        writer.event(limits, 1, "event", attributes);
    });
    writer.attribute(&limits, "key", &2);
    writer.attribute(&limits, "bomb", "no more");
    writer.event(&limits, 7, "whole", [("n", 1)]);
    writer.status(&limits, StatusCode::Error, "panicked");
    let span = Span::decode(&*writer.finish(&SpanHeader::default()).to_vec()).unwrap();
    let keys: Vec<_> = span.attributes.iter().map(|a| a.key.as_str()).collect();
    assert_eq!(keys, ["key", "bomb"]);
    assert_eq!(
        (span.events.len(), span.events[0].name.as_str(), span.links.len()),
        (1, "whole", 0)
    );
}
