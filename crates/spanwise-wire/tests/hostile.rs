//! Implementations of `EncodeValue` that violate its contract.
//!
//! The writer reads and writes nothing out of bounds (`cargo xtask sanitize` runs this under the address
//! sanitizer), does not panic itself, preserves the earlier fields, drops and counts the invalid value, and
//! prost decodes the rest of the span.

#![allow(clippy::unwrap_used, clippy::panic)]

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use spanwise_wire::read::MAX_DEPTH;
use spanwise_wire::write::{
    Array, DroppedCounts, EncodeValue, SpanHeader, SpanWriter, encode_resource, encode_scope,
};
use spanwise_wire::{LinkedContext, SpanId, SpanLimits, StatusCode, TraceId, Value};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// A value made of one closure for each method.
struct Hostile<L, E> {
    len: L,
    encode: E,
}

impl<L: Fn() -> usize, E: Fn(&mut Vec<u8>)> EncodeValue for Hostile<L, E> {
    fn encoded_len(&self, _: usize) -> usize {
        (self.len)()
    }

    fn encode(&self, _: usize, out: &mut Vec<u8>) {
        (self.encode)(out);
    }
}

type Boxed = Hostile<Box<dyn Fn() -> usize>, Box<dyn Fn(&mut Vec<u8>)>>;

fn hostile(len: usize, encode: impl Fn(&mut Vec<u8>) + 'static) -> Boxed {
    Hostile { len: Box::new(move || len), encode: Box::new(encode) }
}

/// Values that do everything with the `Vec` except appending a valid message.
fn liars() -> Vec<(&'static str, Boxed)> {
    let lengths =
        [0, 1, 2, 9, 127, 128, 300, 70_000, 1 << 20, usize::MAX / 2, usize::MAX - 1, usize::MAX];
    let mut all: Vec<(&'static str, Boxed)> = Vec::new();
    for len in lengths {
        all.push((
            "is cleared",
            hostile(len, |out| {
                out.clear();
                out.push(7)
            }),
        ));
        all.push((
            "is shortened",
            hostile(len, |out| {
                out.truncate(out.len().saturating_sub(2));
                out.push(0xff)
            }),
        ));
        all.push((
            "is truncated to nothing and filled",
            hostile(len, |out| {
                out.truncate(0);
                out.extend([0xff; 40])
            }),
        ));
        all.push(("is replaced", hostile(len, |out| *out = vec![0xee; 33])));
        all.push((
            "is taken and given no memory back",
            hostile(len, |out| {
                drop(std::mem::take(out));
                out.shrink_to_fit();
                out.push(0xff)
            }),
        ));
        all.push((
            "grows beyond the returned length",
            hostile(len, |out| out.extend([0xff; 3000])),
        ));
        all.push((
            "is overwritten from the first byte",
            hostile(len, |out| {
                out.fill(0xff);
                out.push(0xff)
            }),
        ));
        all.push((
            "gets garbage of the right length",
            hostile(len.min(4096), move |out| out.extend(vec![0xff; len.clamp(1, 4096)])),
        ));
    }
    // The right length, but no message that a receiver accepts.
    for bytes in [
        &[0x0a][..],
        &[0x0a, 5, b'x'],
        &[0x0a, 2, 0xff, 0xfe],
        &[0x12, 0],
        &[0x2a, 2, 0x0a, 9],
        &[0x0b],
        &[0x00, 0x00],
        &[0x32, 2, 0x12, 7],
    ] {
        all.push(("is no AnyValue", hostile(bytes.len(), move |out| out.extend(bytes))));
    }
    // Another length each time.
    let calls = Cell::new(0usize);
    all.push((
        "is longer each time",
        Hostile {
            len: Box::new(move || {
                calls.set(calls.get() + 1);
                calls.get()
            }),
            encode: Box::new(|out| out.extend([0x0a; 2])),
        },
    ));
    all
}

fn has(attributes: &[KeyValue], key: &str) -> bool {
    attributes.iter().any(|attribute| attribute.key == key)
}

/// Writes `liar` in each place of a span that takes a value; the fields before and behind must stay.
fn in_every_place<V: EncodeValue>(what: &str, liar: &V) {
    let limits = SpanLimits::default();
    let mut writer = SpanWriter::new();
    for name in ["name", ""] {
        writer.begin(&limits, name);
        writer.trace_state("a=b");
        writer.attribute(&limits, "before", &1);
        writer.attribute(&limits, "again", &2);
        writer.attribute(&limits, "liar", liar);
        writer.attribute(&limits, "again", liar);
        writer.event(&limits, 1, "event", [("liar", liar), ("liar", liar)]);
        writer.link(&limits, &LinkedContext::default(), [("liar", liar)]);
        writer.rename("renamed");
        writer.attribute(&limits, "liar", liar);
        writer.attribute(&limits, &"long".repeat(100), liar);
        writer.event(&limits, 1, "whole", [("after", 3)]);
        writer.attribute(&limits, "after", &3);
        writer.status(&limits, StatusCode::Error, "failed");
        let dropped = writer.dropped_counts();
        let header =
            SpanHeader { trace_id: TraceId(1), span_id: SpanId(2), ..SpanHeader::default() };
        let span = Span::decode(&*writer.finish(&header).to_vec())
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(span.name, "renamed", "{what}");
        let keys: Vec<_> = span.attributes.iter().map(|pair| pair.key.as_str()).collect();
        assert_eq!(keys, ["before", "again", "after"], "{what}");
        let two = AnyValue { value: Some(any_value::Value::IntValue(2)) };
        assert_eq!(span.attributes[1].value, Some(two), "{what}: the old value stands");
        assert_eq!(span.dropped_attributes_count, 4, "{what}");
        assert_eq!(
            (span.events[0].name.as_str(), span.events[0].dropped_attributes_count),
            ("event", 2)
        );
        assert_eq!((span.links.len(), span.links[0].dropped_attributes_count), (1, 1), "{what}");
        assert!(has(&span.events[1].attributes, "after"), "{what}");
        assert_eq!(
            (span.status.unwrap().message.as_str(), span.trace_state.as_str()),
            ("failed", "a=b")
        );
        assert_eq!(dropped, DroppedCounts { attributes: 7, ..DroppedCounts::default() }, "{what}");
    }
    assert!(writer.capacity() < 1 << 20, "{what} keeps {} bytes", writer.capacity());

    let head = encode_resource([("liar", liar), ("liar", liar)], "url");
    let resource = ResourceSpans::decode(&*head).unwrap();
    assert_eq!(
        (resource.resource.unwrap().dropped_attributes_count, resource.schema_url.as_str()),
        (2, "url")
    );
    let head = encode_scope("scope", "1", [("liar", liar)], "url");
    let scope = ScopeSpans::decode(&*head).unwrap();
    let (head, url) = (scope.scope.unwrap(), scope.schema_url);
    assert_eq!(
        (head.name.as_str(), head.dropped_attributes_count, url.as_str()),
        ("scope", 1, "url")
    );
    assert!(head.attributes.is_empty());
}

#[test]
fn an_invalid_value_costs_its_attribute_only() {
    for (what, liar) in liars() {
        in_every_place(what, &liar);
        // Inside an array, the liar has access to the array's own bytes.
        in_every_place(what, &Array([&liar].into_iter()));
        in_every_place(what, &Array([Array([&liar, &liar].into_iter())].into_iter()));
    }
}

#[test]
fn an_array_with_invalid_elements_does_not_panic() {
    for (_, liar) in liars() {
        let mut out = b"before".to_vec();
        let array = Array([&liar, &liar].into_iter());
        let _any = (array.encoded_len(9), array.is_truncated(9));
        array.encode(9, &mut out);
        Array([&array].into_iter()).encode(9, &mut out);
    }
}

/// Another value on each call.
struct Moody(Cell<u32>);

impl EncodeValue for Moody {
    fn encoded_len(&self, max_chars: usize) -> usize {
        "text".encoded_len(max_chars)
    }

    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        "text".encode(max_chars, out);
    }

    fn is_truncated(&self, _: usize) -> bool {
        self.0.get().is_multiple_of(2)
    }

    fn as_value(&self) -> Option<Value<'_>> {
        let call = self.0.replace(self.0.get() + 1);
        match call % 5 {
            0 => Some(Value::Str(
                "a text as long as one can be that still takes the straight way of one hundred bytes or so, well, ok",
            )),
            1 => None,
            2 => Some(Value::I64(-1)),
            3 => Some(Value::Str("")),
            _ => Some(Value::F64(f64::NAN)),
        }
    }
}

#[test]
fn a_value_that_changes_with_each_call_is_written_once() {
    let limits = SpanLimits::default();
    let moody = Moody(Cell::new(0));
    let mut writer = SpanWriter::new();
    for round in 0..50 {
        writer.begin(&limits, "span");
        for key in 0..round {
            writer.attribute(&limits, &format!("key.{}", key % 7), &moody);
        }
        writer.event(&limits, 1, "event", (0..round).map(|_| ("key", &moody)));
        let span = Span::decode(&*writer.finish(&SpanHeader::default()).to_vec()).unwrap();
        assert_eq!(span.attributes.len(), round.min(7));
        assert_eq!(span.events[0].attributes.len(), round.min(1));
    }
}

/// Returns its length, and panics in one method.
struct Bomb(u8);

impl Bomb {
    fn tick(&self, method: u8) {
        if self.0 == method {
            resume_unwind(Box::new("a bomb"));
        }
    }
}

impl EncodeValue for Bomb {
    fn encoded_len(&self, _: usize) -> usize {
        self.tick(0);
        4
    }

    fn encode(&self, _: usize, out: &mut Vec<u8>) {
        out.extend(b"\x0a\x02");
        self.tick(1);
        out.extend(b"ok");
    }

    fn is_truncated(&self, _: usize) -> bool {
        self.tick(2);
        false
    }

    fn as_value(&self) -> Option<Value<'_>> {
        self.tick(3);
        None
    }
}

#[test]
fn a_panic_in_any_method_leaves_the_span_unchanged() {
    let limits = SpanLimits::default();
    for method in 0..4 {
        let mut writer = SpanWriter::new();
        writer.begin(&limits, "span");
        writer.attribute(&limits, "before", &1);
        writer.event(&limits, 1, "before", [("n", 1)]);
        let mut try_it = |write: &dyn Fn(&mut SpanWriter)| {
            assert!(catch_unwind(AssertUnwindSafe(|| write(&mut writer))).is_err());
        };
        try_it(&|writer| writer.attribute(&limits, "bomb", &Bomb(method)));
        try_it(&|writer| writer.attribute(&limits, "before", &Bomb(method)));
        try_it(&|writer| {
            writer.event(&limits, 2, "bomb", [("n", Bomb(9)), ("bomb", Bomb(method))])
        });
        try_it(&|writer| writer.link(&limits, &LinkedContext::default(), [("bomb", Bomb(method))]));
        if method < 3 {
            // Deep inside arrays, so that the panic unwinds through many levels.
            let bombs = [Bomb(9), Bomb(method)];
            for _ in 0..3 * MAX_DEPTH {
                let array = Array([Array(bombs.iter())].into_iter());
                try_it(&|writer| writer.attribute(&limits, "array", &array));
            }
        }
        // An array still fits: the unwinding has reset the depth.
        writer.attribute(&limits, "array", &Array([["a"].as_slice()].into_iter()));
        writer.attribute(&limits, "whole", &Bomb(9));
        writer.rename("renamed");
        let span = Span::decode(&*writer.finish(&SpanHeader::default()).to_vec()).unwrap();
        let keys: Vec<_> = span.attributes.iter().map(|pair| pair.key.as_str()).collect();
        assert_eq!((keys, span.name.as_str()), (vec!["before", "array", "whole"], "renamed"));
        assert_eq!((span.events.len(), span.links.len()), (1, 0));
        for encode in
            [&(|| drop(encode_resource([("bomb", Bomb(method))], ""))) as &dyn Fn(), &|| {
                drop(encode_scope("", "", [("bomb", Bomb(method))], ""))
            }]
        {
            assert!(catch_unwind(AssertUnwindSafe(encode)).is_err());
        }
    }
}

/// Writes another span while it is written.
struct Reentrant(RefCell<SpanWriter>);

impl EncodeValue for Reentrant {
    fn encoded_len(&self, max_chars: usize) -> usize {
        let mut writer = self.0.borrow_mut();
        writer.attribute(&SpanLimits::default(), "inner", &["x"].as_slice());
        "outer".encoded_len(max_chars)
    }

    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        self.0.borrow_mut().rename("renamed inside");
        "outer".encode(max_chars, out);
    }
}

#[test]
fn a_value_may_write_spans_of_its_own() {
    let limits = SpanLimits::default();
    let value = Reentrant(RefCell::new(SpanWriter::new()));
    value.0.borrow_mut().begin(&limits, "inner");
    let mut writer = SpanWriter::new();
    writer.begin(&limits, "outer");
    writer.attribute(&limits, "value", &value);
    writer.attribute(&limits, "array", &Array([&value].into_iter()));
    let outer = Span::decode(&*writer.finish(&SpanHeader::default()).to_vec()).unwrap();
    let inner =
        Span::decode(&*value.0.borrow_mut().finish(&SpanHeader::default()).to_vec()).unwrap();
    assert_eq!((outer.attributes.len(), inner.attributes.len()), (2, 1));
    assert_eq!(inner.name, "renamed inside");
}
