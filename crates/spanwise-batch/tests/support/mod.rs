//! Spans with their id in every byte, and checks of what was stored.

use spanwise_batch::{Budget, ChargedChunk, PushError, Pushed, ShardedBuffer, ShardedBufferConfig};
use spanwise_wire::read::{FieldValue, Fields};
use spanwise_wire::{SpanId, SpanMeta};

/// Small chunks, so that they fill often.
pub fn small(slots: usize, chunk_bytes: usize, chunk_spans: usize) -> ShardedBufferConfig {
    ShardedBufferConfig::default()
        .with_slots(slots)
        .with_chunk_bytes(chunk_bytes)
        .with_chunk_spans(chunk_spans)
}

pub fn shards(config: ShardedBufferConfig, budget: usize) -> ShardedBuffer {
    ShardedBuffer::new(config, Budget::new(budget))
}

/// The id of the span, repeated `len` bytes long.
pub fn span(id: u64, len: usize) -> Vec<u8> {
    id.to_le_bytes().iter().copied().cycle().take(len).collect()
}

pub fn meta(id: u64) -> SpanMeta {
    SpanMeta { span_id: SpanId(id), ..SpanMeta::default() }
}

pub fn push(shards: &ShardedBuffer, id: u64, len: usize) -> Result<Pushed, PushError> {
    shards.push(&span(id, len), meta(id))
}

/// The span ids of `buffers` in order. Panics unless the metas cover the bytes without a gap.
pub fn ids(buffers: &[ChargedChunk]) -> Vec<u64> {
    let mut ids = Vec::new();
    for buffer in buffers {
        let chunk = buffer.chunk();
        assert!(buffer.charged() >= chunk.capacity_bytes());
        let mut fields = Fields::new(chunk.bytes());
        for meta in chunk.metas() {
            let start = chunk.bytes().len() - fields.rest().len();
            let field = fields.next().unwrap().unwrap();
            let FieldValue::Bytes(bytes) = field.value else { panic!("{field:?}") };
            assert_eq!((field.number, meta.offset as usize), (2, start));
            assert_eq!(meta.len as usize, chunk.bytes().len() - fields.rest().len() - start);
            assert_eq!(bytes, span(meta.span_id.0, bytes.len()));
            ids.push(meta.span_id.0);
        }
        assert!(fields.next().is_none());
    }
    ids
}

pub fn sorted(mut ids: Vec<u64>) -> Vec<u64> {
    ids.sort_unstable();
    ids
}
