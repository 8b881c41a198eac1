//! Spans written step by step against the same steps on prost's types.

#![allow(clippy::unwrap_used, clippy::panic)]

mod model;
mod strategies;
#[path = "../support/mod.rs"]
mod support;

use model::{Model, Step, perform};
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use spanwise_wire::read::{SpanView, ValueView};
use spanwise_wire::write::{DroppedCounts, SpanHeader, SpanWriter, TraceStateField};
use spanwise_wire::{LinkedContext, SpanLimits, StatusCode, Value};
use strategies::{byte_step, header, limits, name, step};
use support::sorted;

/// Sorts the attributes, whose order has no meaning.
fn unordered(mut span: Span) -> Span {
    span.attributes = sorted(span.attributes);
    for event in &mut span.events {
        event.attributes = sorted(std::mem::take(&mut event.attributes));
    }
    for link in &mut span.links {
        link.attributes = sorted(std::mem::take(&mut link.attributes));
    }
    span
}

/// Field by field; NaN is what its bits are.
#[track_caller]
fn assert_same(ours: &[u8], expected: Span) {
    let ours = unordered(Span::decode(ours).unwrap());
    let expected = unordered(expected);
    assert!(ours.encode_to_vec() == expected.encode_to_vec(), "{ours:#?}\n is not\n{expected:#?}");
}

/// The reader of this crate sees what the writer wrote.
fn check_view(bytes: &[u8], expected: &Span) {
    let view = SpanView::parse(bytes).unwrap();
    assert_eq!(view.name(), Ok(expected.name.as_str()));
    assert_eq!(view.trace_state(), Ok(expected.trace_state.as_str()));
    assert_eq!(view.trace_id().unwrap(), *expected.trace_id);
    assert_eq!(view.span_id().unwrap(), *expected.span_id);
    assert_eq!(view.parent_span_id().map(Vec::from).unwrap_or_default(), expected.parent_span_id);
    assert_eq!((view.kind(), view.flags()), (expected.kind, expected.flags));
    assert_eq!(view.start_unix_nanos(), expected.start_time_unix_nano);
    assert_eq!(view.end_unix_nanos(), expected.end_time_unix_nano);
    let status = expected.status.clone().unwrap_or_default();
    assert_eq!((view.status_code(), view.status_message()), (status.code, Ok(&*status.message)));
    assert_eq!(view.attributes().count(), expected.attributes.len());
    for attribute in &expected.attributes {
        let value = attribute.value.clone().unwrap().encode_to_vec();
        let expected = ValueView::parse(&value).unwrap();
        let found = view.attribute(&attribute.key).unwrap();
        // By text, since NaN is not NaN.
        assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    }
    for (event, expected) in view.events().zip(&expected.events) {
        let event = event.unwrap();
        assert_eq!(
            (event.name(), event.time_unix_nanos()),
            (Ok(&*expected.name), expected.time_unix_nano)
        );
        assert_eq!(event.attributes().count(), expected.attributes.len());
    }
    assert_eq!(view.events().count(), expected.events.len());
    for (link, expected) in view.links().zip(&expected.links) {
        let link = link.unwrap();
        assert_eq!(
            (link.trace_id().unwrap().as_slice(), link.flags()),
            (&*expected.trace_id, expected.flags)
        );
        assert_eq!(link.attributes().count(), expected.attributes.len());
    }
    assert_eq!(view.links().count(), expected.links.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_steps_give_the_span_that_prost_would(
        limits in limits(),
        // One writer after the other: nothing of a span is left for the next.
        spans in vec((name(), vec(step(), 0..40), header()), 1..4),
    ) {
        let mut writer = SpanWriter::new();
        for (name, steps, (header, state)) in &spans {
            writer.begin(&limits, name);
            put_trace_state(&mut writer, state);
            let mut model = Model::begin(name, state);
            for step in steps {
                perform(&mut writer, &limits, step);
                model.apply(&limits, step);
                prop_assert_eq!(writer.dropped_counts(), model.dropped_counts(), "after {:?}", step);
                prop_assert_eq!(writer.status_code(), model.status.unwrap_or_default());
            }
            prop_assert_eq!(writer.dropped_counts().is_none(), writer.dropped_counts() == DroppedCounts::default());
            let expected = model.finish(header);
            let bytes = writer.finish(header).to_vec();
            assert_same(&bytes, expected.clone());
            check_view(&bytes, &expected);
        }
    }

    /// The writer chooses the fields that fit into a byte limit, step by step. The fields it writes are
    /// correct, it counts the others, and it drops no field that fits.
    #[test]
    fn a_byte_limit_takes_whole_fields(
        span_bytes in 0usize..3000,
        name in "[a-z]{0,300}",
        steps in vec(byte_step(), 0..60),
        header in header(),
    ) {
        let limits = SpanLimits::default().with_span_bytes(span_bytes);
        let (header, state) = header;
        let mut writer = SpanWriter::new();
        writer.begin(&limits, &name);
        put_trace_state(&mut writer, &state);
        let mut model = Model::begin(&name, &state);
        for step in &steps {
            let before = writer.dropped_counts();
            perform(&mut writer, &limits, step);
            let after = writer.dropped_counts();
            let size = {
                let mut alone = SpanWriter::new();
                alone.begin(&limits, "");
                perform(&mut alone, &SpanLimits::default(), step);
                alone.finish(&SpanHeader::default()).to_vec().len() - EMPTY_SPAN
            };
            // An upper bound: a replaced value may have been larger.
            let used = model_len(&model);
            let fits = used + size + 80 <= span_bytes;
            match step {
                Step::Attribute(key, _) if after.attributes > before.attributes => {
                    model.attributes.dropped += 1;
                    prop_assert!(key.is_empty() || !fits, "{step:?} at {used} of {span_bytes}");
                }
                Step::Event(..) if after.events > before.events => {
                    model.span.dropped_events_count += 1;
                    prop_assert!(!fits, "{step:?} at {used} of {span_bytes}");
                }
                Step::Event(time, name, attributes) if after.attributes > before.attributes => {
                    model.apply(&limits, &Step::Event(*time, name.clone(), Vec::new()));
                    model.span.events.last_mut().unwrap().dropped_attributes_count = 1;
                    model.dropped_inside += 1;
                    prop_assert!(attributes[0].0.is_empty() || !fits, "{step:?} at {used} of {span_bytes}");
                }
                Step::Link(..) if after.links > before.links => {
                    model.span.dropped_links_count += 1;
                    prop_assert!(!fits, "{step:?} at {used} of {span_bytes}");
                }
                _ => model.apply(&limits, step),
            }
            prop_assert_eq!(after, model.dropped_counts(), "after {:?}", step);
        }
        let status = model.span.status.clone().unwrap_or_default().encoded_len();
        let longest_name = 303;
        let expected = model.finish(&header);
        let bytes = writer.finish(&header).to_vec();
        let on_top = 64 + 32 + longest_name + state.len() + 3 + status + 3 + 3 * 6;
        prop_assert!(bytes.len() <= span_bytes + on_top, "{} of {span_bytes}", bytes.len());
        assert_same(&bytes, expected);
    }
}

/// Length of a span without steps and without a parent.
const EMPTY_SPAN: usize = 2 + 18 + 10 + 9 + 9 + 2 + 6;

/// Writes a trace state as a field that is encoded before, if it is short.
fn put_trace_state(writer: &mut SpanWriter, state: &str) {
    match TraceStateField::new(state) {
        Some(field) => {
            assert!(state.len() <= TraceStateField::MAX_HEADER);
            writer.trace_state_field(&field);
        }
        None => {
            assert!(state.len() > TraceStateField::MAX_HEADER);
            writer.trace_state(state);
        }
    }
}

/// Bytes of the name, the trace state, and of the attributes, events and links written.
fn model_len(model: &Model) -> usize {
    let span = Span {
        name: model.span.name.clone(),
        trace_state: model.span.trace_state.clone(),
        attributes: model.attributes.attributes.clone(),
        events: model.span.events.clone(),
        links: model.span.links.clone(),
        ..Span::default()
    };
    span.encoded_len()
}

fn finished(write: impl FnOnce(&mut SpanWriter)) -> Span {
    let mut writer = SpanWriter::new();
    writer.begin(&SpanLimits::default(), "name");
    write(&mut writer);
    Span::decode(&*writer.finish(&SpanHeader::default()).to_vec()).unwrap()
}

#[test]
fn what_is_not_usual_is_left_to_the_caller() {
    let limits =
        SpanLimits::default().with_attributes(3).with_value_chars(200).with_span_bytes(600);
    let mut writer = SpanWriter::new();
    assert!(!writer.try_attribute("before the first span", Value::I64(1)));
    // The first attribute of a new writer takes memory, which the fast path does not.
    writer.begin(&limits, "name");
    assert!(!writer.try_attribute("first", Value::Str("x")));
    writer.attribute(&limits, "first", &"x".repeat(100));

    writer.begin(&limits, "name");
    let (short, long) = ("v".repeat(100), "v".repeat(150));
    assert!(writer.try_attribute("one", Value::Str(&short)));
    assert!(!writer.try_attribute("one", Value::Str(&short)), "its key is there");
    assert!(!writer.try_attribute("", Value::Bool(true)), "it has no key");
    assert!(!writer.try_attribute("long", Value::Str(&long)), "its length takes two bytes");
    assert!(!writer.try_attribute("list", Value::I64s(&[1])), "it is a list");
    assert!(!writer.try_attribute("none", Value::Absent), "it is no value");
    assert!(writer.try_attribute("two", Value::F64(0.5)));
    assert!(writer.try_attribute("three", Value::I64(i64::MIN)));
    assert!(!writer.try_attribute("four", Value::I64(4)), "the count limit");
    let span = Span::decode(&*writer.finish(&SpanHeader::default()).to_vec()).unwrap();
    assert_eq!(span.attributes.len(), 3);
    assert!(writer.dropped_counts().is_none(), "a refusal is no loss");

    let limits = limits.with_value_chars(13).with_attributes(9);
    writer.begin(&limits, "name");
    assert!(!writer.try_attribute("cut", Value::Str("a string of 14")), "the length limit");
    assert!(!writer.try_attribute("whole", Value::Str("abc")), "key and value in the limit");
    assert!(writer.try_attribute("whole", Value::Str("ab")));
    writer.close_attributes();
    assert!(!writer.try_attribute("closed", Value::Str("ab")));
    writer.attribute(&limits, "slow", "ab");
    let written = writer.finish(&SpanHeader::default()).to_vec();
    assert_eq!(Span::decode(&*written).unwrap().attributes.len(), 2);

    let limits = limits.with_span_bytes(20);
    writer.begin(&limits, "name");
    assert!(!writer.try_attribute("bytes", Value::Str("ab")), "the byte limit");
}

#[test]
fn duplicate_keys_are_found_after_a_rename() {
    let limits = SpanLimits::default();
    let names = ["", "short", &"n".repeat(127), &"n".repeat(128), &"n".repeat(300)];
    for first in names {
        for second in names {
            let mut writer = SpanWriter::new();
            writer.begin(&limits, first);
            for key in ["a", "b", "c"] {
                writer.attribute(&limits, key, "old");
            }
            writer.event(&limits, 1, "event", [("a", 1)]);
            writer.attribute(&limits, "d", "old");
            writer.rename(second);
            for key in ["c", "a", "d", "b"] {
                writer.attribute(&limits, key, key);
            }
            writer.rename(first);
            writer.attribute(&limits, "a", "last");
            let span = Span::decode(&*writer.finish(&SpanHeader::default()).to_vec()).unwrap();
            assert_eq!((span.name.as_str(), span.events.len()), (first, 1));
            let found: Vec<_> = sorted(span.attributes)
                .iter()
                .map(|a| (a.key.clone(), format!("{:?}", a.value)))
                .collect();
            let expected = [("a", "last"), ("b", "b"), ("c", "c"), ("d", "d")];
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for ((key, value), (expected_key, text)) in found.iter().zip(expected) {
                assert!(key == expected_key && value.contains(&format!("{text:?}")), "{found:?}");
            }
        }
    }
}

#[test]
fn keys_of_any_length() {
    let mut limits = SpanLimits::default();
    let long = "k".repeat(300);
    let huge = "k".repeat(1_000_000);
    let write = |limits: &SpanLimits| {
        finished(|writer| {
            for key in ["", &long, &huge, "key"] {
                writer.attribute(limits, key, &1);
                writer.attribute(limits, key, &2);
            }
        })
    };
    // The default of 1 MiB has space for the huge key once, but not for its second value beside it.
    let span = write(&limits);
    let lens: Vec<_> = span.attributes.iter().map(|a| a.key.len()).collect();
    assert_eq!((lens, span.dropped_attributes_count), (vec![300, 1_000_000, 3], 3));
    limits.span_bytes = 2000;
    let span = write(&limits);
    let lens: Vec<_> = span.attributes.iter().map(|a| a.key.len()).collect();
    assert_eq!((lens, span.dropped_attributes_count), (vec![300, 3], 4));
}

#[test]
fn a_huge_value_is_read_and_written_up_to_the_limit_only() {
    const HUGE: usize = 100 << 20;
    let limits = SpanLimits::default();
    let ascii = "x".repeat(HUGE);
    let wide = "漢".repeat(HUGE / 3);
    let bytes = vec![7u8; HUGE];
    for text in [&ascii, &wide] {
        let cut = spanwise_wire::write::truncate(text, limits.value_chars);
        assert_eq!((cut.as_ptr(), cut.chars().count()), (text.as_ptr(), limits.value_chars));
    }
    let mut writer = SpanWriter::new();
    writer.begin(&limits, "huge");
    writer.attribute(&limits, "ascii", ascii.as_str());
    writer.attribute(&limits, "wide", wide.as_str());
    writer.attribute(&limits, "bytes", bytes.as_slice());
    writer.event(&limits, 1, &ascii, [("key", wide.as_str())]);
    writer.status(&limits, StatusCode::Error, &wide);
    writer.rename(&wide);
    assert_eq!(writer.dropped_counts().truncated_values, 7);
    // Nothing of its memory is of the size of the values.
    assert!(writer.capacity() < 2 << 20, "{}", writer.capacity());
    let len = writer.finish(&SpanHeader::default()).to_vec().len();
    assert!((65_536 * 8..65_536 * 10).contains(&len), "{len}");
}

#[test]
fn a_million_attributes_events_and_links_are_counted() {
    let limits = SpanLimits::default();
    let span = finished(|writer| {
        for n in 0..1_000_000u32 {
            writer.attribute(&limits, "key", &n);
            writer.attribute(&limits, if n % 2 == 0 { "even" } else { "odd" }, &n);
            writer.event(&limits, 1, "event", [("n", n)]);
            writer.link(&limits, &LinkedContext::default(), [("n", n)]);
        }
        assert!(writer.capacity() < 64 << 10);
    });
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (3, 0));
    assert_eq!((span.events.len(), span.dropped_events_count), (128, 1_000_000 - 128));
    assert_eq!((span.links.len(), span.dropped_links_count), (128, 1_000_000 - 128));
}

#[test]
fn the_value_length_limit_does_not_apply_to_names() {
    let limits = SpanLimits::default().with_value_chars(3);
    let span = finished(|writer| {
        writer.event(&limits, 1, "exception", [("a long key", "a long value")]);
        writer.status(&limits, StatusCode::Error, "a long message");
        assert_eq!(writer.dropped_counts().truncated_values, 1);
    });
    assert_eq!(span.events[0].name, "exception");
    assert_eq!(span.events[0].attributes[0].key, "a long key");
    assert_eq!(span.status.unwrap().message, "a long message");
}

proptest! {
    /// The bytes are those of a span that had the last trace state from its start.
    #[test]
    fn a_trace_state_is_replaced_in_place(
        states in vec("[a-z]{0,3}|[a-z]{120,135}", 1..4),
        (name, renamed) in (name(), proptest::option::of(name())),
        is_encoded in any::<bool>(),
    ) {
        let limits = SpanLimits::default();
        let write = |states: &[String]| {
            let mut writer = SpanWriter::new();
            writer.begin(&limits, &name);
            let (first, others) = states.split_first().unwrap();
            match TraceStateField::new(first).filter(|_| is_encoded) {
                Some(field) => writer.trace_state_field(&field),
                None => writer.trace_state(first),
            }
            writer.attribute(&limits, "a", "before");
            writer.event(&limits, 1, "event", [("a", 1)]);
            renamed.iter().for_each(|name| writer.rename(name));
            for state in others {
                writer.replace_trace_state(state);
            }
            for (key, value) in [("a", "after"), ("b", "after")] {
                writer.attribute(&limits, key, value);
            }
            writer.finish(&SpanHeader::default()).to_vec()
        };
        prop_assert_eq!(write(&states), write(&states[states.len() - 1..]));
    }
}
