//! The span model without the OpenTelemetry API: conversions, text and numbers of its types.

use spanwise_wire::{
    OwnedValue, SpanFlags, SpanId, SpanKind, Status, StatusCode, StringValue, TraceFlags, TraceId,
    Value,
};
use std::sync::Arc;

#[test]
fn an_id_is_its_big_endian_bytes_and_prints_their_digits() {
    let bytes: [u8; 16] = std::array::from_fn(|index| index as u8);
    let id = TraceId::from(bytes);
    assert_eq!(
        (u128::from(id), <[u8; 16]>::from(id)),
        (0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f, bytes)
    );
    assert_eq!(
        format!("{id} {id:?}"),
        "000102030405060708090a0b0c0d0e0f 000102030405060708090a0b0c0d0e0f"
    );
    let id = SpanId::from([0, 0, 0, 0, 0, 0, 0xab, 0xcd]);
    assert_eq!((u64::from(id), id.to_string().as_str()), (0xabcd, "000000000000abcd"));
    assert!(id.is_valid() && !SpanId::INVALID.is_valid() && !TraceId::default().is_valid());
}

/// The masks are those of `SpanFlags` in trace.proto.
#[test]
fn span_flags_have_the_trace_flags_and_whether_the_parent_is_remote() {
    let flags = SpanFlags::new(TraceFlags::SAMPLED, true);
    assert_eq!(
        (flags.0, flags.is_remote(), flags.trace_flags()),
        (0x301, Some(true), TraceFlags(1))
    );
    assert_eq!(SpanFlags::new(TraceFlags::NOT_SAMPLED, false).0, 0x100);
    assert_eq!(SpanFlags(0x201).is_remote(), None);
    assert_eq!(SpanFlags(0x3ff).with_trace_flags(TraceFlags::RANDOM), SpanFlags(0x302));
    let both = TraceFlags::RANDOM.with_sampled(true);
    assert!(both.is_sampled() && both.is_random() && both == TraceFlags(3));
    assert_eq!(TraceFlags(0xff).with_sampled(false), TraceFlags(0xfe));
}

/// The numbers are those of trace.proto; other numbers are unknown.
#[test]
fn kinds_and_codes_have_the_numbers_of_otlp() {
    use opentelemetry_proto::tonic::trace::v1::{span, status};
    for number in -1..8 {
        let ours = SpanKind::from_number(number).map(|kind| format!("{kind:?}"));
        let theirs = span::SpanKind::try_from(number).ok().map(|kind| format!("{kind:?}"));
        assert_eq!(ours, theirs.filter(|kind| kind != "Unspecified"));
        let ours = StatusCode::from_number(number).map(|code| format!("{code:?}"));
        let theirs = status::StatusCode::try_from(number).ok().map(|code| format!("{code:?}"));
        assert_eq!(ours, theirs);
    }
    assert_eq!(Status::error("broken"), Status { code: StatusCode::Error, description: "broken" });
}

#[test]
fn an_owned_value_and_a_borrowed_one_are_the_same_value() {
    let words = [String::from("a"), String::from("b")];
    let cases = [
        (Value::Str("text"), OwnedValue::Str("text".into())),
        (Value::U64(u64::MAX), OwnedValue::Str("18446744073709551615".into())),
        (Value::U64(7), OwnedValue::I64(7)),
        (Value::Char('é'), OwnedValue::Str("é".into())),
        (Value::Strings(&words), OwnedValue::from(vec!["a", "b"])),
        (Value::Bools(&[true]), OwnedValue::from(vec![true])),
        (Value::Bytes(b"\xff"), OwnedValue::Bytes(vec![0xff])),
        (Value::Absent, OwnedValue::Absent),
    ];
    for (borrowed, owned) in cases {
        assert_eq!(OwnedValue::from(borrowed), owned);
        assert_eq!(OwnedValue::from(Value::from(&owned)), owned, "borrowed and owned again");
    }
}

#[test]
fn strings_are_equal_by_their_text() {
    let shared: Arc<str> = "k".into();
    for text in
        [StringValue::from("k"), StringValue::from(&shared), StringValue::from(String::from("k"))]
    {
        assert_eq!(text, StringValue::Static("k"));
        assert_eq!((format!("{text}"), format!("{text:?}")), ("k".into(), "\"k\"".into()));
        assert_eq!(String::from(text), "k");
    }
}
