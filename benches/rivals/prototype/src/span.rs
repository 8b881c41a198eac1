//! A span that is protobuf from its first attribute on.

use crate::buffer::Buffer;
use crate::field::{BLOCK, SLACK, copy, int, text, varint};
use crate::local::{Local, local};

/// The ids that a child needs.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    trace: [u64; 2],
    span: u64,
}

/// A span between its start and its end. Dropping it unfinished discards it.
pub struct Span {
    attributes: Buffer,
    context: Context,
    /// 0 in a root span.
    parent: u64,
    start: u64,
    name: &'static str,
    kind: u8,
}

impl Span {
    /// Starts a span of a new trace; `kind` is the specification's number.
    #[inline(always)]
    pub fn root(name: &'static str, kind: u8) -> Self {
        // SAFETY: `start` does not ask for the state.
        let local = unsafe { local() };
        let trace = [local.ids.draw(), local.ids.draw()];
        Self::start(local, name, kind, trace, 0)
    }

    /// Starts a span below `parent`.
    #[inline(always)]
    pub fn child(name: &'static str, kind: u8, parent: Context) -> Self {
        // SAFETY: `start` does not ask for the state.
        let local = unsafe { local() };
        Self::start(local, name, kind, parent.trace, parent.span)
    }

    #[inline(always)]
    fn start(
        local: &mut Local,
        name: &'static str,
        kind: u8,
        trace: [u64; 2],
        parent: u64,
    ) -> Self {
        let context = Context { trace, span: local.ids.draw() };
        let attributes = local.take();
        Self { attributes, context, parent, start: local.clock.now(), name, kind }
    }

    /// The parent's ids for [`Span::child`].
    #[inline(always)]
    pub fn context(&self) -> Context {
        self.context
    }

    /// Appends a text.
    #[inline(always)]
    pub fn text(&mut self, key: &'static str, value: &str) {
        text(&mut self.attributes, ATTRIBUTE, key, value);
    }

    /// Appends a number.
    #[inline(always)]
    pub fn int(&mut self, key: &'static str, value: i64) {
        int(&mut self.attributes, ATTRIBUTE, key, value);
    }

    /// Appends an event of now; `attributes` writes its attributes.
    #[inline(always)]
    pub fn event(&mut self, name: &'static str, attributes: impl FnOnce(&mut Event<'_>)) {
        // SAFETY: nothing below asks for the state before the clock was read.
        let now = unsafe { local() }.clock.now();
        let buffer = &mut self.attributes;
        let before = buffer.len();
        let at = buffer.reserve(name.len() + SLACK);
        assert!(name.len() < 128);
        // SAFETY: the reservation covers the head of the event.
        unsafe {
            // The length of the event takes two bytes and is stored when it is known.
            at.cast::<[u8; 4]>().write([EVENT, 0, 0, EVENT_TIME]);
            at.add(4).cast::<[u8; 8]>().write(now.to_le_bytes());
            at.add(12).cast::<[u8; 2]>().write([EVENT_NAME, name.len() as u8]);
            copy(name, at.add(14));
            buffer.advance_to(at.add(14 + name.len()));
        }
        attributes(&mut Event(buffer));
        let len = buffer.len() - before - 3;
        assert!(len < 1 << 14);
        // SAFETY: the head is three bytes behind `before`, wherever the block is by now.
        unsafe {
            let head = buffer.start().cast_mut().add(before + 1);
            head.cast::<[u8; 2]>().write([len as u8 | 0x80, (len >> 7) as u8]);
        }
    }

    /// Ends the span and moves its bytes to the thread's chunk.
    #[inline(always)]
    pub fn finish(self) {
        // SAFETY: nothing below asks for the state.
        let local = unsafe { local() };
        let end = local.clock.now();
        let Self { attributes, context, parent, start, name, kind } = self;
        let parent_len = if parent == 0 { 0 } else { 10 };
        let len = FIXED_BYTES + parent_len + name.len() + attributes.len();
        assert!(name.len() < 128);
        let at = local.reserve(len + 11 + BLOCK);
        // SAFETY: the reservation covers the field's tag and length, the span and a block beyond it.
        unsafe {
            at.write(SPAN);
            let at = varint(at.add(1), len as u64);
            at.cast::<[u8; 2]>().write([0x0a, 16]);
            at.add(2).cast::<[u8; 8]>().write(context.trace[0].to_ne_bytes());
            at.add(10).cast::<[u8; 8]>().write(context.trace[1].to_ne_bytes());
            at.add(18).cast::<[u8; 2]>().write([0x12, 8]);
            at.add(20).cast::<[u8; 8]>().write(context.span.to_ne_bytes());
            let at = at.add(28);
            if parent != 0 {
                at.cast::<[u8; 2]>().write([0x22, 8]);
                at.add(2).cast::<[u8; 8]>().write(parent.to_ne_bytes());
            }
            let at = at.add(parent_len);
            at.cast::<[u8; 2]>().write([0x2a, name.len() as u8]);
            copy(name, at.add(2));
            let at = at.add(2 + name.len());
            at.cast::<[u8; 3]>().write([0x30, kind, 0x39]);
            at.add(3).cast::<[u8; 8]>().write(start.to_le_bytes());
            at.add(11).write(0x41);
            at.add(12).cast::<[u8; 8]>().write(end.to_le_bytes());
            // Sampled, and "the parent is not remote" is known.
            at.add(20).cast::<[u8; 6]>().write([0x85, 0x01, 0x01, 0x01, 0, 0]);
            let at = at.add(26);
            copy_blocks(&attributes, at);
            local.written(at.add(attributes.len()));
        }
        local.put(attributes);
    }
}

/// Copies whole blocks, beyond the last byte: both sides have space for one more.
///
/// # Safety
/// The bytes of `from` and a block more may be written at `to`.
#[inline(always)]
unsafe fn copy_blocks(from: &Buffer, to: *mut u8) {
    let mut done = 0;
    while done < from.len() {
        // SAFETY: a writer reserves a block more than it stores, so the last block is inside of
        // both allocations. An untyped copy may move bytes that were never written.
        unsafe { to.add(done).copy_from_nonoverlapping(from.start().add(done), BLOCK) };
        done += BLOCK;
    }
}

/// An event under construction.
pub struct Event<'a>(&'a mut Buffer);

impl Event<'_> {
    /// Appends a text.
    #[inline(always)]
    pub fn text(&mut self, key: &'static str, value: &str) {
        text(self.0, EVENT_ATTRIBUTE, key, value);
    }

    /// Appends a number.
    #[inline(always)]
    pub fn int(&mut self, key: &'static str, value: i64) {
        int(self.0, EVENT_ATTRIBUTE, key, value);
    }
}

/// Trace id, span id, tag and length of the name, kind, two times, flags.
const FIXED_BYTES: usize = 18 + 10 + 2 + 2 + 9 + 9 + 6;
/// `ScopeSpans.spans`, `Span.attributes`, `Span.events`.
const SPAN: u8 = 0x12;
const ATTRIBUTE: u8 = 0x4a;
const EVENT: u8 = 0x5a;
/// `Event.time_unix_nano`, `Event.name`, `Event.attributes`.
const EVENT_TIME: u8 = 0x09;
const EVENT_NAME: u8 = 0x12;
const EVENT_ATTRIBUTE: u8 = 0x1a;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::exchange::{Chunk, Exchange};
    use crate::{http, local};
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
    use prost::Message as _;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    /// The request with the spans that `make` makes, by prost.
    fn decoded(make: impl FnOnce()) -> ExportTraceServiceRequest {
        let exchange = Arc::new(Exchange::new(1));
        local::install(Clock::calibrated(Duration::from_millis(50)), exchange.clone());
        make();
        // SAFETY: `ship` does not ask for the state.
        unsafe { local() }.ship();
        let (mut batch, shipped) = (Vec::new(), exchange.counts().shipped);
        while batch.iter().map(|chunk: &Chunk| chunk.spans).sum::<u64>() < shipped {
            exchange.receive(&mut batch);
        }
        let mut bytes = http::prefix(batch.iter().map(|chunk| chunk.bytes.len()).sum());
        batch.iter().for_each(|chunk| bytes.extend(chunk.bytes.bytes()));
        ExportTraceServiceRequest::decode(&*bytes).unwrap()
    }

    fn pairs(attributes: &[KeyValue]) -> Vec<(String, Value)> {
        let value = |pair: &KeyValue| pair.value.clone().unwrap().value.unwrap();
        attributes.iter().map(|pair| (pair.key.clone(), value(pair))).collect()
    }

    fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
    }

    #[test]
    fn prost_decodes_the_spans_that_were_made() {
        let long = "ä".repeat(40_000);
        let lens = (0..=70).chain([126, 127, 128, 129, 16_383, 16_384, 70_000]);
        let texts: Vec<&str> = lens.map(|len| &long[..len / 2 * 2]).collect();
        let powers = (0..64).map(|bit| i64::MIN.rotate_left(bit));
        let numbers: Vec<i64> = powers.flat_map(|power| [power, !power, power ^ 1]).collect();
        let before = now();
        let request = decoded(|| {
            let mut root = Span::root("GET /x", 2);
            texts.iter().for_each(|text| root.text("text", text));
            numbers.iter().for_each(|number| root.int("number", *number));
            for name in ["SELECT", ""] {
                let mut child = Span::child(name, 3, root.context());
                child.event("cache miss", |event| {
                    event.text("cache.key", "k");
                    event.int("cache.tier", 2);
                });
                child.text("after", "the event");
                child.finish();
            }
            drop(Span::root("discarded", 1));
            root.finish();
            Span::root("bare", 1).finish();
        });
        let [resource_spans] = &*request.resource_spans else { panic!("{request:?}") };
        let name = pairs(&resource_spans.resource.as_ref().unwrap().attributes);
        assert_eq!(name, [("service.name".to_owned(), Value::StringValue("bench".to_owned()))]);
        let [scope_spans] = &*resource_spans.scope_spans else { panic!("{request:?}") };
        assert_eq!(scope_spans.scope.as_ref().unwrap().name, "bench");
        let [child, unnamed, root, bare] = &*scope_spans.spans else { panic!("{request:?}") };

        assert_eq!((&*root.name, root.kind, root.flags), ("GET /x", 2, 0x101));
        assert_eq!((&*child.name, child.kind), ("SELECT", 3));
        assert_eq!((&*bare.name, bare.attributes.len()), ("bare", 0));
        let expected_texts =
            texts.iter().map(|text| ("text".to_owned(), Value::StringValue((*text).to_owned())));
        let expected_numbers =
            numbers.iter().map(|number| ("number".to_owned(), Value::IntValue(*number)));
        let expected: Vec<_> = expected_texts.chain(expected_numbers).collect();
        assert!(pairs(&root.attributes) == expected);

        for child in [child, unnamed] {
            assert_eq!(child.trace_id, root.trace_id);
            assert_eq!(child.parent_span_id, root.span_id);
            assert_ne!(child.span_id, root.span_id);
            let text = Value::StringValue("the event".to_owned());
            assert_eq!(pairs(&child.attributes), [("after".to_owned(), text)]);
            let [event] = &*child.events else { panic!("{child:?}") };
            assert_eq!(event.name, "cache miss");
            assert!(event.time_unix_nano >= child.start_time_unix_nano);
            assert!(event.time_unix_nano <= child.end_time_unix_nano);
            let (key, tier) = (Value::StringValue("k".to_owned()), Value::IntValue(2));
            let wanted = [("cache.key".to_owned(), key), ("cache.tier".to_owned(), tier)];
            assert_eq!(pairs(&event.attributes), wanted);
        }
        assert_eq!((root.trace_id.len(), root.span_id.len()), (16, 8));
        assert!(root.parent_span_id.is_empty() && bare.parent_span_id.is_empty());
        assert_ne!(bare.trace_id, root.trace_id);
        // The counter drifts against the system's clock, but not by seconds.
        let around = (before - 1_000_000_000)..(now() + 1_000_000_000);
        for span in &scope_spans.spans {
            assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
            assert!(around.contains(&span.start_time_unix_nano));
            assert!(around.contains(&span.end_time_unix_nano));
        }
    }
}
