//! Rust's own types as attribute values; prost encodes the values that the specification maps them to.

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use spanwise_wire::SpanLimits;
use spanwise_wire::write::{EncodeValue, SpanHeader, SpanWriter};
use spanwise_wire::{LinkedContext, SpanId, TraceId, Value};
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

fn text(text: &str) -> Option<Any> {
    Some(Any::StringValue(text.to_owned()))
}

fn list(items: impl IntoIterator<Item = Option<Any>>) -> Option<Any> {
    let values = items.into_iter().map(|value| AnyValue { value }).collect();
    Some(Any::ArrayValue(ArrayValue { values }))
}

/// The value's own message, and the same value as the attribute of a span.
fn check(value: impl EncodeValue, expected: Option<Any>) {
    let mut out = Vec::new();
    value.encode(usize::MAX, &mut out);
    assert_eq!(out.len(), value.encoded_len(usize::MAX), "{expected:?}");
    let any = AnyValue { value: expected.clone() };
    assert_eq!(AnyValue::decode(&*out).unwrap(), any);

    let span = span_with(|span| span.attribute(&SpanLimits::default(), "key", &value));
    assert_eq!(span.attributes.len(), 1, "{expected:?}");
    assert_eq!(span.attributes[0].value, Some(any));
}

fn span_with(fill: impl FnOnce(&mut SpanWriter)) -> Span {
    let mut writer = SpanWriter::new();
    writer.begin(&SpanLimits::default(), "name");
    fill(&mut writer);
    assert!(writer.is_plain(), "something was counted as lost");
    let header = SpanHeader { trace_id: TraceId(1), span_id: SpanId(2), ..SpanHeader::default() };
    let finished = writer.finish(&header);
    let mut chunk = spanwise_wire::Chunk::with_capacity(1 << 16, 1);
    chunk.push(&finished, spanwise_wire::SpanMeta::default());
    let scope_spans =
        opentelemetry_proto::tonic::trace::v1::ScopeSpans::decode(chunk.bytes()).unwrap();
    scope_spans.spans.into_iter().next().unwrap()
}

/// "Integer values within the range of 64 bit signed numbers SHOULD be converted to int_value"
/// (*Mapping Arbitrary Data to OTLP AnyValue*, *Integer Values*).
#[test]
fn integers_of_every_width_are_ints() {
    let int = |value: i64| Some(Any::IntValue(value));
    check(vec![0; 7].len(), int(7));
    check(-8i8, int(-8));
    check(u8::MAX, int(255));
    check(i16::MIN, int(-32_768));
    check(u16::MAX, int(65_535));
    check(-9i32, int(-9));
    check(u32::MAX, int(4_294_967_295));
    check(i64::MIN, int(i64::MIN));
    check(isize::MAX, int(isize::MAX as i64));
    check(i64::MAX as u64, int(i64::MAX));
    check(i64::MAX as usize, int(i64::MAX));
    check(i128::from(i64::MIN), int(i64::MIN));
    check(i64::MAX as u128, int(i64::MAX));
}

/// "Integer values outside of the range of 64 bit signed numbers SHOULD be converted to
/// string_value using decimal representation" (same section).
#[test]
fn integers_beyond_64_bits_with_sign_are_decimal_strings() {
    check(i64::MAX as u64 + 1, text("9223372036854775808"));
    check(u64::MAX, text("18446744073709551615"));
    check(usize::MAX, text("18446744073709551615"));
    check(u128::MAX, text("340282366920938463463374607431768211455"));
    check(i128::MIN, text("-170141183460469231731687303715884105728"));
    check(i128::from(i64::MIN) - 1, text("-9223372036854775809"));
    // Each length there is, as std prints them.
    for places in 19..=38 {
        let power = 10u128.pow(places);
        for value in [power - 1, power, power + 1, 3 * power, 10 * (power / 10) + 7] {
            check(value, text(&value.to_string()));
            if let Ok(value) = i128::try_from(value) {
                check(-value, text(&(-value).to_string()));
            }
        }
    }
    check(Value::U64(u64::MAX), text("18446744073709551615"));
    // Several attributes, so that no test passes by reading the bytes of another one.
    check(
        vec![u64::MAX, 3, 10_000_000_000_000_000_000],
        list([text("18446744073709551615"), Some(Any::IntValue(3)), text("10000000000000000000")]),
    );
}

#[test]
fn strings_in_every_hold_are_strings() {
    let owned = String::from("x");
    check(&owned, text("x"));
    check(&&owned, text("x"));
    check(owned.clone(), text("x"));
    check(Cow::Borrowed("x"), text("x"));
    check(Cow::<str>::Owned(owned.clone()), text("x"));
    check(Arc::<str>::from("x"), text("x"));
    check(Rc::<str>::from("x"), text("x"));
    check(Box::<str>::from("x"), text("x"));
    check(&mut "x", text("x"));
    check('é', text("é"));
    check('\u{10ffff}', text("\u{10ffff}"));
}

#[test]
fn other_scalars() {
    check(true, Some(Any::BoolValue(true)));
    check(0.5f32, Some(Any::DoubleValue(0.5)));
    check(f64::MAX, Some(Any::DoubleValue(f64::MAX)));
    check(Some(3u8), Some(Any::IntValue(3)));
    check(Some(Some("x")), text("x"));
    check(&Some(String::from("x")), text("x"));
}

#[test]
fn lists_of_every_container_are_arrays() {
    let two = || list([text("a"), text("b")]);
    check(["a", "b"], two());
    check(&["a", "b"][..], two());
    check(vec!["a", "b"], two());
    check(vec!["a".to_owned(), "b".to_owned()], two());
    check(&vec!["a".to_owned(), "b".to_owned()], two());
    check(vec![Cow::Borrowed("a"), Cow::Owned("b".to_owned())], two());
    check(vec![Arc::<str>::from("a"), Arc::from("b")], two());
    check(vec![Box::<str>::from("a"), Box::from("b")], two());
    check(vec![&"a".to_owned(), &"b".to_owned()], two());
    check(vec!['a', 'b'], two());
    check(Cow::Borrowed(&["a", "b"][..]), two());
    check(Arc::<[i64]>::from([1, 2]), list([Some(Any::IntValue(1)), Some(Any::IntValue(2))]));
    check(vec![1u16], list([Some(Any::IntValue(1))]));
    check(vec![1usize], list([Some(Any::IntValue(1))]));
    check([true], list([Some(Any::BoolValue(true))]));
    check([0.5f32], list([Some(Any::DoubleValue(0.5))]));
    check([0.5f64], list([Some(Any::DoubleValue(0.5))]));
    check([Value::from("a"), Value::from(1u64)], list([text("a"), Some(Any::IntValue(1))]));
    check(vec![7u8], Some(Any::BytesValue(vec![7])));
    check([7u8; 2], Some(Any::BytesValue(vec![7, 7])));
    // "null values within arrays MUST be preserved as-is" (*Common*, *Attribute*).
    check([Some("a"), None], list([text("a"), None]));
}

/// An absent value sets nothing, counts nothing as dropped, and leaves an earlier value unchanged.
#[test]
fn none_is_no_attribute() {
    let limits = SpanLimits::default().with_attributes(1);
    let none: Option<&str> = None;
    let span = span_with(|span| {
        span.attribute(&limits, "", &none);
        span.attribute(&limits, "first", &none);
        span.attribute(&limits, "first", &1);
        span.attribute(&limits, "first", &none);
        // One too many, were it one.
        span.attribute(&limits, "second", &none);
        span.attribute(&limits, "second", &Value::from(None::<u64>));
        let pairs = [("a", Value::from(none)), ("b", Value::from(Some(5usize)))];
        span.event(&limits, 1, "event", pairs);
        span.link(
            &limits,
            &LinkedContext { trace_id: TraceId(1), span_id: SpanId(1), ..LinkedContext::default() },
            pairs,
        );
    });
    let keys = |attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue]| {
        attributes.iter().map(|pair| pair.key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(keys(&span.attributes), ["first"]);
    assert_eq!(keys(&span.events[0].attributes), ["b"]);
    assert_eq!(keys(&span.links[0].attributes), ["b"]);
    assert_eq!(span.dropped_attributes_count, 0);
    assert_eq!(span.events[0].dropped_attributes_count, 0);
    assert_eq!(span.links[0].dropped_attributes_count, 0);
}

/// Attribute lists of an event, made with `into()` from a caller's types.
#[test]
fn values_are_made_from_what_is_at_hand() {
    let shared = Arc::<str>::from("x");
    let (owned, list) = (String::from("x"), vec![1i64, 2]);
    let strings = vec![owned.clone()];
    let cases: [(Value<'_>, Value<'_>); 14] = [
        (list.len().into(), Value::U64(2)),
        (3isize.into(), Value::I64(3)),
        (3u8.into(), Value::I64(3)),
        (3i16.into(), Value::I64(3)),
        (0.5f32.into(), Value::F64(0.5)),
        ('x'.into(), Value::Char('x')),
        ((&owned).into(), Value::Str("x")),
        ((&Cow::Borrowed("x")).into(), Value::Str("x")),
        ((&shared).into(), Value::Str("x")),
        ((&list).into(), Value::I64s(&[1, 2])),
        ((&[1i64, 2]).into(), Value::I64s(&[1, 2])),
        ((&strings).into(), Value::Strings(&strings)),
        (Some("x").into(), Value::Str("x")),
        (None::<u64>.into(), Value::Absent),
    ];
    for (value, expected) in cases {
        assert_eq!(value, expected);
    }
}

/// The length limit holds for digits as for any string.
#[test]
fn digits_are_cut_as_strings_are() {
    let cut = |value: &dyn EncodeValue, max_chars| {
        let mut out = Vec::new();
        value.encode(max_chars, &mut out);
        assert_eq!(out.len(), value.encoded_len(max_chars));
        AnyValue::decode(&*out).unwrap().value
    };
    assert_eq!(cut(&u64::MAX, 3), text("184"));
    assert_eq!(cut(&i128::MIN, 3), text("-17"));
    assert_eq!(cut(&i128::MIN, 1), text("-"));
    assert_eq!(cut(&u128::MAX, 0), text(""));
    assert!(u64::MAX.is_truncated(3) && !u64::MAX.is_truncated(20) && !7u64.is_truncated(0));
    assert!(i128::MIN.is_truncated(39) && !i128::MIN.is_truncated(40));
    assert!(u128::MAX.is_truncated(38) && !u128::MAX.is_truncated(39));
}
