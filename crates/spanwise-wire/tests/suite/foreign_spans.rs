//! Spans given as foreign bytes that change or panic.

use opentelemetry_proto::tonic::trace::v1::ScopeSpans;
use prost::Message;
use spanwise_wire::write::{SpanHeader, SpanWriter};
use spanwise_wire::{Chunk, SpanLimits, SpanMeta};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Bytes that differ on each call.
struct Flicker {
    calls: Cell<usize>,
    short: Vec<u8>,
    long: Vec<u8>,
}

impl AsRef<[u8]> for Flicker {
    fn as_ref(&self) -> &[u8] {
        let call = self.calls.replace(self.calls.get() + 1);
        if call.is_multiple_of(2) { &self.short } else { &self.long }
    }
}

#[test]
fn a_span_whose_bytes_change_is_read_once() {
    let span = |name: &str| {
        let mut writer = SpanWriter::new();
        writer.begin(&SpanLimits::default(), name);
        writer.finish(&SpanHeader::default()).to_vec()
    };
    for starts in 0..2 {
        let flicker = Flicker {
            calls: Cell::new(starts),
            short: span("short"),
            long: span(&"long".repeat(900)),
        };
        let mut chunk = Chunk::with_capacity(64, 1);
        for _ in 0..9 {
            chunk.push(&flicker, SpanMeta::default());
            let one = Chunk::single(&flicker, SpanMeta::default());
            assert_eq!((one.len(), one.bytes().len()), (1, one.metas()[0].len as usize));
        }
        assert_eq!((chunk.len(), chunk.metas().len()), (9, 9));
        let message = ScopeSpans::decode(chunk.bytes()).unwrap();
        assert_eq!(message.spans.len(), 9);
    }
}

struct PanickingBytes;

impl AsRef<[u8]> for PanickingBytes {
    fn as_ref(&self) -> &[u8] {
        resume_unwind(Box::new("no bytes"))
    }
}

#[test]
fn a_span_whose_bytes_panic_is_not_in_the_chunk() {
    let mut chunk = Chunk::with_capacity(64, 1);
    chunk.push(&[0x2a, 0].as_slice(), SpanMeta::default());
    let push = AssertUnwindSafe(|| chunk.push(&PanickingBytes, SpanMeta::default()));
    assert!(catch_unwind(push).is_err());
    assert_eq!((chunk.len(), chunk.bytes()), (1, &[0x12, 2, 0x2a, 0][..]));
}
