//! The spans of a service that answers several requests at the same time, in the order in which they end.

use crate::corpus::Random;
use crate::encode;
use spanwise::wire::write::{SpanHeader, SpanWriter, encode_resource, encode_scope};
use spanwise::wire::{Chunk, Framer, RequestLimits, SpanId, SpanLimits, SpanMeta, TraceId, Value};
use spanwise_bench_harness::Request;

/// A service under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Spans in a request of the exporter.
    pub spans: u64,
    /// Requests that the service answers at the same time: spans of that many traces end in turns.
    pub concurrent: usize,
    /// The code sets the attributes of a span in an order that differs from span to span, as one that
    /// iterates a hash map does.
    pub is_shuffled: bool,
}

/// A request that the service answers.
struct Open {
    trace: TraceId,
    root: SpanId,
    began: u64,
    /// Spans of it that have ended.
    ended: u64,
    request: Request,
}

impl Traffic {
    /// The spans of w3 with random ids, of four routes, a thousand users and clients, and times that differ.
    pub fn chunk(&self) -> Chunk {
        let (sample, mut writer, mut chunk) =
            (Request::sample(), SpanWriter::new(), Chunk::default());
        let (mut random, mut now) = (Random(7), START);
        let mut open: Vec<Open> = Vec::new();
        for _ in 0..self.spans {
            while open.len() < self.concurrent {
                open.push(Open::new(&sample, &mut random, now));
            }
            let index = (random.next() % open.len() as u64) as usize;
            let Some(answered) = open.get_mut(index) else { continue };
            answered.ended += 1;
            now += random.next() % (2_000_000 / self.concurrent as u64);
            // Children end before their root, whose place is 0.
            let place = answered.ended % SPANS_OF_A_TRACE;
            let header = match self.is_shuffled {
                false => encode::write(&mut writer, &answered.request, place),
                true => write_shuffled(&mut writer, &answered.request, place, &mut random),
            };
            let header = answered.header(header, place == 0, now, &mut random);
            let meta = SpanMeta { trace_id: header.trace_id, ..SpanMeta::default() };
            chunk.push(&writer.finish(&header), meta);
            if place == 0 {
                open.swap_remove(index);
            }
        }
        chunk
    }

    /// The same spans as an encoded request.
    pub fn request(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (resource, scope) = headers();
        let mut framer = Framer::new(&resource, |_| &scope, RequestLimits::default());
        framer.frame(&[&self.chunk()], |request| bytes = request.into_bytes());
        bytes
    }
}

/// The resource and the scope of the spans, encoded.
pub fn headers() -> (Vec<u8>, Vec<u8>) {
    let resource = encode_resource([("service.name", Value::Str("bench"))], "");
    (resource, encode_scope("bench", "", [] as [(&str, Value<'_>); 0], ""))
}

impl Open {
    fn new(sample: &Request, random: &mut Random, now: u64) -> Self {
        let user = random.next() % 1000;
        let thing = ROUTES[(random.next() % 4) as usize];
        let mut request = Request {
            path: format!("/users/{user}/{thing}"),
            route: format!("/users/{{id}}/{thing}"),
            client: format!("203.0.{}.{}", random.next() % 4, random.next() % 250),
            agent: AGENTS[(random.next() % 4) as usize].to_owned(),
            cache_key: format!("user:{user}"),
            ..sample.clone()
        };
        request.statements.iter_mut().for_each(|it| it.rows = (random.next() % 50) as i64);
        let trace = TraceId(u128::from(random.next()) << 64 | u128::from(random.next()));
        Self { trace, root: SpanId(random.next()), began: now, ended: 0, request }
    }

    fn header(
        &self,
        header: SpanHeader,
        is_root: bool,
        now: u64,
        random: &mut Random,
    ) -> SpanHeader {
        SpanHeader {
            trace_id: self.trace,
            span_id: if is_root { self.root } else { SpanId(random.next()) },
            parent_span_id: if is_root { SpanId::INVALID } else { self.root },
            start_unix_nanos: if is_root { self.began } else { now - random.next() % 1_000_000 },
            end_unix_nanos: now,
            ..header
        }
    }
}

/// As [`encode::write`], with the attributes in a random order.
fn write_shuffled(
    writer: &mut SpanWriter,
    request: &Request,
    place: u64,
    random: &mut Random,
) -> SpanHeader {
    let limits = SpanLimits::default();
    let header = encode::write(writer, request, place);
    let (name, mut attributes) = encode::attributes(request, place);
    for last in (1..attributes.len()).rev() {
        attributes.swap(last, (random.next() % (last as u64 + 1)) as usize);
    }
    writer.begin(&limits, name);
    attributes.iter().for_each(|(key, value)| writer.attribute(&limits, key, value));
    header
}

const ROUTES: [&str; 4] = ["orders", "cart", "profile", "messages"];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)",
    "curl/8.9.1",
];
const SPANS_OF_A_TRACE: u64 = 5;
const START: u64 = 1_790_000_000_000_000_000;
