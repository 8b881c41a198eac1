//! Spans written step by step against the same steps on prost's types.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use spanwise_wire::read::{SpanView, ValueView};
use spanwise_wire::write::{DroppedCounts, SpanHeader, SpanWriter};
use spanwise_wire::{
    LinkedContext, SpanFlags, SpanId, SpanKind, SpanLimits, StatusCode, TraceFlags, TraceId,
};
use support::{Collection, Owned, attributes, cut, key, sorted, text, value};

#[derive(Debug, Clone)]
enum Step {
    Attribute(String, Owned),
    Event(u64, String, Vec<(String, Owned)>),
    Link(LinkSpec, Vec<(String, Owned)>),
    Status(StatusCode, String),
    Rename(String),
}

#[derive(Debug, Clone)]
struct LinkSpec {
    trace_id: u128,
    span_id: u64,
    trace_flags: u8,
    is_remote: bool,
    trace_state: String,
}

/// What a span is after its steps, told by the specification.
#[derive(Debug, Default)]
struct Model {
    span: Span,
    attributes: Collection,
    dropped_inside: u32,
    cut: u32,
    status: Option<StatusCode>,
}

impl Model {
    fn begin(name: &str) -> Self {
        let mut model = Self::default();
        model.rename(name);
        model
    }

    fn apply(&mut self, limits: &SpanLimits, step: &Step) {
        let chars = limits.value_chars;
        match step {
            Step::Attribute(key, value) => {
                self.attributes.put(limits.attributes, chars, key, value);
            }
            Step::Event(..) if self.span.events.len() >= limits.events as usize => {
                self.span.dropped_events_count += 1;
            }
            Step::Event(time, name, attributes) => {
                let inside = Collection::of(limits.attributes_per_event, chars, attributes);
                let name = self.name(name);
                self.inside(&inside);
                self.span.events.push(Event {
                    time_unix_nano: *time,
                    name,
                    attributes: inside.attributes,
                    dropped_attributes_count: inside.dropped,
                });
            }
            Step::Link(..) if self.span.links.len() >= limits.links as usize => {
                self.span.dropped_links_count += 1;
            }
            Step::Link(link, attributes) => {
                let inside = Collection::of(limits.attributes_per_link, chars, attributes);
                self.inside(&inside);
                self.span.links.push(Link {
                    trace_id: link.trace_id.to_be_bytes().into(),
                    span_id: link.span_id.to_be_bytes().into(),
                    trace_state: link.trace_state.clone(),
                    attributes: inside.attributes,
                    dropped_attributes_count: inside.dropped,
                    flags: u32::from(link.trace_flags) | if link.is_remote { 0x300 } else { 0x100 },
                });
            }
            Step::Status(code, message) => self.status(limits, *code, message),
            Step::Rename(name) => self.rename(name),
        }
    }

    fn status(&mut self, limits: &SpanLimits, code: StatusCode, message: &str) {
        let message = match (self.status, code) {
            (_, StatusCode::Unset) | (Some(StatusCode::Ok), _) => return,
            (_, StatusCode::Ok) => String::new(),
            (_, StatusCode::Error) => {
                let most = limits.span_bytes.min(16_384);
                self.cut += u32::from(message.chars().count() > most);
                cut(message, most)
            }
        };
        self.status = Some(code);
        self.span.status = Some(Status { code: code as i32, message });
    }

    fn rename(&mut self, name: &str) {
        self.span.name = self.name(name);
    }

    fn name(&mut self, name: &str) -> String {
        self.cut += u32::from(name.chars().count() > 4096);
        cut(name, 4096)
    }

    fn inside(&mut self, collection: &Collection) {
        self.dropped_inside += collection.dropped;
        self.cut += collection.cut;
    }

    fn finish(self, header: &SpanHeader<'_>) -> Span {
        let Model { mut span, attributes, .. } = self;
        span.attributes = attributes.attributes;
        span.dropped_attributes_count = attributes.dropped;
        span.trace_id = header.trace_id.0.to_be_bytes().into();
        span.span_id = header.span_id.0.to_be_bytes().into();
        if header.parent_span_id.0 != 0 {
            span.parent_span_id = header.parent_span_id.0.to_be_bytes().into();
        }
        span.kind = header.kind as i32;
        span.start_time_unix_nano = header.start_unix_nanos;
        span.end_time_unix_nano = header.end_unix_nanos;
        span.flags = header.flags.0;
        span.trace_state = header.trace_state.into();
        span
    }

    fn losses(&self) -> DroppedCounts {
        DroppedCounts {
            attributes: self.attributes.dropped + self.dropped_inside,
            events: self.span.dropped_events_count,
            links: self.span.dropped_links_count,
            truncated_values: self.attributes.cut + self.cut,
        }
    }
}

fn perform(writer: &mut SpanWriter, limits: &SpanLimits, step: &Step) {
    match step {
        // Both as a `Value` and as a type of somebody else's.
        Step::Attribute(key, value) if key.len() % 2 == 0 => {
            value.with(|value| writer.attribute(limits, key, &value));
        }
        Step::Attribute(key, value) => writer.attribute(limits, key, value),
        Step::Event(time, name, attributes) => {
            writer.event(limits, *time, name, attributes.iter().map(|(k, v)| (k.as_str(), v)));
        }
        Step::Link(link, attributes) => {
            let target = LinkedContext {
                trace_id: TraceId(link.trace_id),
                span_id: SpanId(link.span_id),
                trace_flags: TraceFlags(link.trace_flags),
                is_remote: link.is_remote,
                trace_state: link.trace_state.clone().into(),
            };
            writer.link(limits, &target, attributes.iter().map(|(k, v)| (k.as_str(), v)));
        }
        Step::Status(code, message) => writer.status(limits, *code, message),
        Step::Rename(name) => writer.rename(name),
    }
}

/// The order of attributes means nothing: it is made the same.
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

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => text(),
        3 => prop::sample::select(vec![0usize, 1, 126, 127, 128, 129, 300, 4096, 4097])
            .prop_map(|len| "n".repeat(len)),
        1 => (4000usize..4200).prop_map(|len| "é".repeat(len)),
    ]
}

fn trace_state() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just(String::new()), 1 => "[a-z]{1,9}=[a-z0-9]{1,9}", 1 => "[a-z]{1,9}=[a-z]{150}"]
}

fn step() -> impl Strategy<Value = Step> {
    let link = (any::<u128>(), any::<u64>(), any::<u8>(), any::<bool>(), trace_state()).prop_map(
        |(trace_id, span_id, trace_flags, is_remote, trace_state)| LinkSpec {
            trace_id,
            span_id,
            trace_flags,
            is_remote,
            trace_state,
        },
    );
    let code = prop::sample::select(vec![
        StatusCode::Unset,
        StatusCode::Ok,
        StatusCode::Error,
        StatusCode::Error,
    ]);
    let message = prop_oneof![9 => text(), 1 => Just("ü".repeat(16_385))];
    prop_oneof![
        12 => (key(), value()).prop_map(|(key, value)| Step::Attribute(key, value)),
        2 => (any::<u64>(), name(), attributes(8)).prop_map(|(t, n, a)| Step::Event(t, n, a)),
        2 => (link, attributes(8)).prop_map(|(link, a)| Step::Link(link, a)),
        1 => (code, message).prop_map(|(code, message)| Step::Status(code, message)),
        2 => name().prop_map(Step::Rename),
    ]
}

fn limits() -> impl Strategy<Value = SpanLimits> {
    let count = || prop_oneof![2 => Just(128u32), 1 => 0u32..6];
    let chars = prop_oneof![2 => Just(65_536), 2 => 0usize..10, 1 => Just(usize::MAX)];
    (count(), count(), count(), count(), count(), chars).prop_map(|(a, e, l, ae, al, chars)| {
        let mut limits = SpanLimits::default();
        (limits.attributes, limits.events, limits.links) = (a, e, l);
        (limits.attributes_per_event, limits.attributes_per_link) = (ae, al);
        (limits.value_chars, limits.span_bytes) = (chars, usize::MAX);
        limits
    })
}

fn header() -> impl Strategy<Value = (SpanHeader<'static>, String)> {
    let kind = prop::sample::select(vec![
        SpanKind::Internal,
        SpanKind::Server,
        SpanKind::Client,
        SpanKind::Producer,
        SpanKind::Consumer,
    ]);
    let parent = prop_oneof![Just(0), any::<u64>()];
    (
        any::<u128>(),
        any::<u64>(),
        parent,
        kind,
        any::<u64>(),
        any::<u64>(),
        any::<u32>(),
        trace_state(),
    )
        .prop_map(
            |(
                trace_id,
                span_id,
                parent_span_id,
                kind,
                start_unix_nanos,
                end_unix_nanos,
                flags,
                state,
            )| {
                let header = SpanHeader {
                    trace_id: TraceId(trace_id),
                    span_id: SpanId(span_id),
                    parent_span_id: SpanId(parent_span_id),
                    kind,
                    start_unix_nanos,
                    end_unix_nanos,
                    flags: SpanFlags(flags),
                    trace_state: "",
                };
                (header, state)
            },
        )
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
            let header = SpanHeader { trace_state: state, ..*header };
            writer.begin(name);
            let mut model = Model::begin(name);
            for step in steps {
                perform(&mut writer, &limits, step);
                model.apply(&limits, step);
                prop_assert_eq!(writer.losses(), model.losses(), "after {:?}", step);
                prop_assert_eq!(writer.status_code(), model.status.unwrap_or_default());
            }
            prop_assert_eq!(writer.losses().is_none(), writer.losses() == DroppedCounts::default());
            let expected = model.finish(&header);
            let bytes = writer.finish(&header).to_vec();
            assert_same(&bytes, expected.clone());
            check_view(&bytes, &expected);
        }
    }

    /// What is kept at a byte limit is the writer's choice, step by step: but what it kept is
    /// right, what it left out is counted, and nothing is left out for which there was room.
    #[test]
    fn a_byte_limit_takes_whole_fields(
        span_bytes in 0usize..3000,
        name in "[a-z]{0,300}",
        steps in vec(byte_step(), 0..60),
        header in header(),
    ) {
        let limits = SpanLimits::default().with_span_bytes(span_bytes);
        let (header, state) = header;
        let header = SpanHeader { trace_state: &state, ..header };
        let mut writer = SpanWriter::new();
        writer.begin(&name);
        let mut model = Model::begin(&name);
        for step in &steps {
            let before = writer.losses();
            perform(&mut writer, &limits, step);
            let after = writer.losses();
            let size = {
                let mut alone = SpanWriter::new();
                alone.begin("");
                perform(&mut alone, &SpanLimits::default(), step);
                alone.finish(&SpanHeader::default()).to_vec().len() - EMPTY_SPAN
            };
            // Never larger than what is kept: a replaced value may have been the larger one.
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
            prop_assert_eq!(after, model.losses(), "after {:?}", step);
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

/// What [`SpanWriter::finish`] makes of no steps at all, without a parent.
const EMPTY_SPAN: usize = 2 + 18 + 10 + 9 + 9 + 2 + 6;

/// Bytes of the attributes, events and links kept, and the name.
fn model_len(model: &Model) -> usize {
    let span = Span {
        name: model.span.name.clone(),
        attributes: model.attributes.attributes.clone(),
        events: model.span.events.clone(),
        links: model.span.links.clone(),
        ..Span::default()
    };
    span.encoded_len()
}

/// Steps whose losses say what was lost: at most one attribute inside.
fn byte_step() -> impl Strategy<Value = Step> {
    step().prop_map(|step| match step {
        Step::Event(time, name, mut attributes) => {
            attributes.truncate(1);
            Step::Event(time, name.chars().take(300).collect(), attributes)
        }
        Step::Link(link, _) => Step::Link(link, Vec::new()),
        Step::Rename(name) => Step::Rename(name.chars().take(100).collect()),
        Step::Status(code, message) => Step::Status(code, message.chars().take(100).collect()),
        attribute => attribute,
    })
}

fn finished(write: impl FnOnce(&mut SpanWriter)) -> Span {
    let mut writer = SpanWriter::new();
    writer.begin("name");
    write(&mut writer);
    Span::decode(&*writer.finish(&SpanHeader::default()).to_vec()).unwrap()
}

#[test]
fn a_new_name_moves_what_duplicate_keys_are_found_by() {
    let limits = SpanLimits::default();
    let names = ["", "short", &"n".repeat(127), &"n".repeat(128), &"n".repeat(300)];
    for first in names {
        for second in names {
            let mut writer = SpanWriter::new();
            writer.begin(first);
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
    // Under the default of 1 MiB the huge one is kept, but not written twice, even for a moment.
    let span = write(&limits);
    let lens: Vec<_> = span.attributes.iter().map(|a| a.key.len()).collect();
    assert_eq!((lens, span.dropped_attributes_count), (vec![300, 1_000_000, 3], 3));
    limits.span_bytes = 2000;
    let span = write(&limits);
    let lens: Vec<_> = span.attributes.iter().map(|a| a.key.len()).collect();
    assert_eq!((lens, span.dropped_attributes_count), (vec![300, 3], 4));
}

#[test]
fn a_huge_value_is_looked_at_and_kept_up_to_the_limit_only() {
    const HUGE: usize = 100 << 20;
    let limits = SpanLimits::default();
    let ascii = "x".repeat(HUGE);
    let wide = "漢".repeat(HUGE / 3);
    let bytes = vec![7u8; HUGE];
    for text in [&ascii, &wide] {
        let kept = spanwise_wire::write::truncate(text, limits.value_chars);
        assert_eq!((kept.as_ptr(), kept.chars().count()), (text.as_ptr(), limits.value_chars));
    }
    let mut writer = SpanWriter::new();
    writer.begin("huge");
    writer.attribute(&limits, "ascii", ascii.as_str());
    writer.attribute(&limits, "wide", wide.as_str());
    writer.attribute(&limits, "bytes", bytes.as_slice());
    writer.event(&limits, 1, &ascii, [("key", wide.as_str())]);
    writer.status(&limits, StatusCode::Error, &wide);
    writer.rename(&wide);
    assert_eq!(writer.losses().truncated_values, 7);
    // Nothing of its memory is of the size of the values.
    assert!(writer.capacity() < 2 << 20, "{}", writer.capacity());
    let len = writer.finish(&SpanHeader::default()).to_vec().len();
    assert!((65_536 * 8..65_536 * 10).contains(&len), "{len}");
}

#[test]
fn a_million_of_everything_is_counted() {
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
fn limits_of_values_are_not_for_names() {
    let limits = SpanLimits::default().with_value_chars(3);
    let span = finished(|writer| {
        writer.event(&limits, 1, "exception", [("a long key", "a long value")]);
        writer.status(&limits, StatusCode::Error, "a long message");
        assert_eq!(writer.losses().truncated_values, 1);
    });
    assert_eq!(span.events[0].name, "exception");
    assert_eq!(span.events[0].attributes[0].key, "a long key");
    assert_eq!(span.status.unwrap().message, "a long message");
}
