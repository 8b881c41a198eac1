//! The spans that requests are compressed of: those of w3, as random as a service's are.

use crate::encode::write;
use spanwise::wire::write::{SpanWriter, encode_resource, encode_scope};
use spanwise::wire::{Chunk, Framer, RequestLimits, SpanId, SpanMeta, TraceId, Value};
use spanwise_bench_harness::Request;

/// A request of `spans` spans of w3 with random ids and times that differ as those of a busy service.
pub fn request(spans: u64) -> Vec<u8> {
    let (sample, mut writer, mut chunk) = (Request::sample(), SpanWriter::new(), Chunk::default());
    let mut random = Random(7);
    let (mut trace, mut root, mut now) = (TraceId(0), SpanId(0), START);
    let mut began = now;
    for number in 0..spans {
        // Children end before their root, whose place is 0.
        let place = (number + 1) % SPANS_OF_A_TRACE;
        let mut header = write(&mut writer, &sample, place);
        let is_root = place == 0;
        if place == 1 {
            trace = TraceId(u128::from(random.next()) << 64 | u128::from(random.next()));
            root = SpanId(random.next());
            began = now + random.next() % 50_000;
            now = began;
        }
        header.trace_id = trace;
        header.span_id = if is_root { root } else { SpanId(random.next()) };
        header.parent_span_id = if is_root { SpanId::INVALID } else { root };
        header.start_unix_nanos = if is_root { began } else { now };
        now += random.next() % 2_000_000;
        header.end_unix_nanos = now;
        chunk.push(&writer.finish(&header), SpanMeta::default());
    }
    let resource = encode_resource([("service.name", Value::Str("bench"))], "");
    let scope = encode_scope("bench", "", [] as [(&str, Value<'_>); 0], "");
    let mut bytes = Vec::new();
    let mut framer = Framer::new(&resource, |_| &scope, RequestLimits::default());
    framer.frame(&[&chunk], |request| bytes = request.into_bytes());
    bytes
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

const SPANS_OF_A_TRACE: u64 = 5;
const START: u64 = 1_790_000_000_000_000_000;
