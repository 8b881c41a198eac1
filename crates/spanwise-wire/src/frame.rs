//! Chunks to `ExportTraceServiceRequest`s: headers in front of slices, cut by encoded size.

use crate::chunk::Chunk;
use crate::write::{bytes_len, put_varint};

/// What a request is allowed to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestLimits {
    /// Bytes of a request at most. A single span that is larger still goes, alone: whether it
    /// may exist at all is decided when it is recorded.
    pub max_bytes: usize,
    /// Spans of a request at most.
    pub max_spans: usize,
    /// Bytes left free in front of the message, for a framing the transport fills in.
    pub prefix: usize,
}

impl Default for RequestLimits {
    /// 3.75 MiB — under the 4 MiB that gRPC receivers accept by default — and 8,192 spans.
    fn default() -> Self {
        Self { max_bytes: 3_932_160, max_spans: 8_192, prefix: 0 }
    }
}

impl RequestLimits {
    /// Sets the largest request in bytes.
    pub fn with_max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets the largest request in spans.
    pub fn with_max_spans(mut self, spans: usize) -> Self {
        self.max_spans = spans;
        self
    }

    /// Sets the bytes left free in front.
    pub fn with_prefix(mut self, bytes: usize) -> Self {
        self.prefix = bytes;
        self
    }
}

/// One encoded request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The prefix asked for, zeroed, and then the `ExportTraceServiceRequest`.
    pub bytes: Vec<u8>,
    /// Spans inside.
    pub spans: u64,
}

/// Makes requests of chunks.
///
/// Span bytes are copied once and never looked at; spans are grouped by scope, so that a scope's
/// head stands once in a request. The copy is what lets chunks go back to their writers while the
/// request is on its way.
#[derive(Debug)]
pub struct Framer<'a, S> {
    resource: &'a [u8],
    scopes: S,
    limits: RequestLimits,
    /// What the request being collected is made of.
    runs: Vec<Run>,
    /// Its scopes, in order of index: their heads are paid for.
    heads: Vec<u32>,
    /// Memory for the next request.
    spare: Vec<u8>,
}

/// Neighbouring spans of one scope in one chunk.
#[derive(Debug, Clone, Copy)]
struct Run {
    scope: u32,
    chunk: u32,
    start: u32,
    end: u32,
}

impl<'a, S, B> Framer<'a, S>
where
    S: Fn(u32) -> B,
    B: AsRef<[u8]>,
{
    /// Frames for one resource, as [`encode_resource`](crate::write::encode_resource) wrote it;
    /// `scopes` gives the head of a scope by its index, as
    /// [`encode_scope`](crate::write::encode_scope) wrote it.
    pub fn new(resource: &'a [u8], scopes: S, limits: RequestLimits) -> Self {
        Self { resource, scopes, limits, runs: Vec::new(), heads: Vec::new(), spare: Vec::new() }
    }

    /// Writes the next request into `buffer`, whose contents are forgotten. Without this, and for
    /// all requests but the next, memory is allocated.
    pub fn reuse(&mut self, buffer: Vec<u8>) {
        self.spare = buffer;
    }

    /// Cuts the spans of `chunks`, in their order, into requests as full as the limits allow (but
    /// for the few bytes by which lengths are overestimated) and hands each to `emit`.
    ///
    /// Inside a request the scopes stand in order of their index, the spans of a scope in theirs.
    /// A scope has one index: two of the same content would be two groups.
    pub fn frame(&mut self, chunks: &[&Chunk], mut emit: impl FnMut(Request)) {
        let fixed = self.limits.prefix + self.resource.len() + MESSAGE_OVERHEAD;
        let (mut bytes, mut spans) = (fixed, 0usize);
        self.clear();
        for (index, chunk) in chunks.iter().enumerate() {
            if let Some(scope) = chunk.only_scope() {
                let added = chunk.bytes().len() + self.head_len(scope);
                let count = spans + chunk.len();
                if bytes + added <= self.limits.max_bytes && count <= self.limits.max_spans {
                    (bytes, spans) = (bytes + added, count);
                    self.extend(scope, index as u32, 0, chunk.bytes().len() as u32);
                    continue;
                }
            }
            for meta in chunk.metas() {
                let len = meta.len as usize;
                let added = len + self.head_len(meta.scope);
                let full = bytes + added > self.limits.max_bytes || spans >= self.limits.max_spans;
                if full && spans > 0 {
                    emit(self.request(chunks, spans as u64));
                    self.clear();
                    // Alone again, the span pays for its scope's head anew.
                    (bytes, spans) = (fixed + len + self.head_len(meta.scope), 0);
                } else {
                    bytes += added;
                }
                spans += 1;
                self.extend(meta.scope, index as u32, meta.offset, meta.offset + meta.len);
            }
        }
        if spans > 0 {
            emit(self.request(chunks, spans as u64));
        }
    }

    /// What a span of `scope` adds to the request besides itself.
    #[inline]
    fn head_len(&self, scope: u32) -> usize {
        let last = self.runs.last().is_some_and(|run| run.scope == scope);
        if last || self.heads.binary_search(&scope).is_ok() {
            0
        } else {
            (self.scopes)(scope).as_ref().len() + MESSAGE_OVERHEAD
        }
    }

    fn clear(&mut self) {
        self.runs.clear();
        self.heads.clear();
    }

    #[inline]
    fn extend(&mut self, scope: u32, chunk: u32, start: u32, end: u32) {
        match self.runs.last_mut() {
            Some(run) if run.scope == scope && run.chunk == chunk && run.end == start => {
                run.end = end;
            }
            _ => {
                self.runs.push(Run { scope, chunk, start, end });
                if let Err(place) = self.heads.binary_search(&scope) {
                    self.heads.insert(place, scope);
                }
            }
        }
    }

    /// Writes the collected runs as one request.
    fn request(&mut self, chunks: &[&Chunk], spans: u64) -> Request {
        // Stable: spans of a scope keep their order.
        self.runs.sort_by_key(|run| run.scope);
        let groups = || self.runs.chunk_by(|a, b| a.scope == b.scope);
        let group_len = |group: &[Run]| -> usize {
            let head = group.first().map_or(0, |run| (self.scopes)(run.scope).as_ref().len());
            head + group.iter().map(|run| (run.end - run.start) as usize).sum::<usize>()
        };
        let body = self.resource.len() + groups().map(|g| bytes_len(group_len(g))).sum::<usize>();

        let mut out = std::mem::take(&mut self.spare);
        out.clear();
        out.reserve_exact(self.limits.prefix + bytes_len(body));
        out.resize(self.limits.prefix, 0);
        out.push(RESOURCE_SPANS);
        put_varint(&mut out, body as u64);
        out.extend_from_slice(self.resource);
        for group in groups() {
            out.push(SCOPE_SPANS);
            put_varint(&mut out, group_len(group) as u64);
            if let Some(run) = group.first() {
                out.extend_from_slice((self.scopes)(run.scope).as_ref());
            }
            for run in group {
                let bytes = chunks
                    .get(run.chunk as usize)
                    .and_then(|chunk| chunk.bytes().get(run.start as usize..run.end as usize));
                out.extend_from_slice(bytes.unwrap_or_default());
            }
        }
        Request { bytes: out, spans }
    }
}

/// Tag and longest length of a nested message.
const MESSAGE_OVERHEAD: usize = 1 + 5;
/// `ExportTraceServiceRequest.resource_spans`.
const RESOURCE_SPANS: u8 = 0x0a;
/// `ResourceSpans.scope_spans`.
const SCOPE_SPANS: u8 = 0x12;
