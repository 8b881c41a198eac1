//! Chunks to `ExportTraceServiceRequest`s: headers in front of slices, cut by encoded size.

use std::fmt;

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

    /// Sets the bytes left free in front, 4,096 at most.
    pub fn with_prefix(mut self, bytes: usize) -> Self {
        self.prefix = bytes.min(MAX_PREFIX);
        self
    }
}

/// One encoded `ExportTraceServiceRequest`, behind the prefix that its
/// [`RequestLimits`] asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `prefix` zeros and then the message.
    bytes: Vec<u8>,
    /// At most the length of `bytes`.
    prefix: usize,
    spans: u64,
}

impl Request {
    /// The encoded `ExportTraceServiceRequest`, without the prefix.
    pub fn message(&self) -> &[u8] {
        self.bytes.get(self.prefix..).unwrap_or_default()
    }

    /// Spans inside.
    pub fn spans(&self) -> u64 {
        self.spans
    }

    /// Bytes in front of the message, as [`RequestLimits::prefix`] asked for. They are zero.
    pub fn prefix_len(&self) -> usize {
        self.prefix
    }

    /// The memory as it is: [`prefix_len`](Self::prefix_len) zeros and then the message.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The message alone, in the same memory: moved to its front when there is a prefix.
    pub fn into_message(mut self) -> Vec<u8> {
        self.bytes.drain(..self.prefix.min(self.bytes.len()));
        self.bytes
    }
}

/// Lengths and counts; what the spans say never shows.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("message_bytes", &self.message().len())
            .field("prefix_len", &self.prefix)
            .field("spans", &self.spans)
            .finish_non_exhaustive()
    }
}

/// Makes requests of chunks.
///
/// Span bytes are copied once and never looked at; spans are grouped by scope, so that a scope's
/// head stands once in a request. The copy is what lets chunks go back to their writers while the
/// request is on its way.
pub struct Framer<'a, S> {
    resource: &'a [u8],
    scopes: S,
    pub(crate) limits: RequestLimits,
    /// Memory for the next request.
    spare: Vec<u8>,
}

/// The place of a span in a list of chunks; the default is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    chunk: usize,
    /// Bytes of the chunk that lie before it.
    offset: usize,
}

impl Position {
    /// Spans of `chunks` from here on.
    pub fn spans_left(&self, chunks: &[&Chunk]) -> usize {
        let mut left = chunks.iter().skip(self.chunk);
        let first = left.next().map_or(0, |chunk| match self.offset {
            0 => chunk.len(),
            offset => chunk.spans_from(offset).count(),
        });
        first + left.map(|chunk| chunk.len()).sum::<usize>()
    }
}

/// A request that is decided and not written yet: its exact length is known before memory is
/// taken for it.
pub struct Plan<B> {
    /// By scope; in the order of the chunks within a scope.
    runs: Vec<Run>,
    /// One for each scope, in order of index.
    heads: Vec<(u32, B)>,
    len: usize,
    spans: u64,
    next: Option<Position>,
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
    pub fn new(resource: &'a [u8], scopes: S, mut limits: RequestLimits) -> Self {
        limits.prefix = limits.prefix.min(MAX_PREFIX);
        Self { resource, scopes, limits, spare: Vec::new() }
    }

    /// Writes the next request of [`frame`](Self::frame) into `buffer`, whose contents are
    /// forgotten. Without this, and for all requests but the next, memory is allocated.
    pub fn reuse(&mut self, buffer: Vec<u8>) {
        self.spare = buffer;
    }

    /// Cuts the spans of `chunks`, in their order, into requests as full as the limits allow (but
    /// for the few bytes by which lengths are overestimated) and hands each to `emit`.
    ///
    /// Inside a request the scopes stand in order of their index, the spans of a scope in theirs.
    /// A scope has one index: two of the same content would be two groups.
    pub fn frame(&mut self, chunks: &[&Chunk], mut emit: impl FnMut(Request)) {
        let mut next = Some(Position::default());
        while let Some(from) = next {
            let Some(plan) = self.plan(chunks, from) else { break };
            next = plan.next();
            let memory = std::mem::take(&mut self.spare);
            emit(self.write(chunks, &plan, memory));
        }
    }

    /// The next request: the spans of `chunks` from `from` on, as many as the limits allow, at
    /// least one. `None` when there is none left.
    pub fn plan(&self, chunks: &[&Chunk], from: Position) -> Option<Plan<B>> {
        let mut draft = Draft::new(self.limits.prefix + self.resource.len() + MESSAGE_OVERHEAD);
        let mut next = None;
        'chunks: for (index, chunk) in chunks.iter().enumerate().skip(from.chunk) {
            let start = if index == from.chunk { from.offset } else { 0 };
            let len = chunk.bytes().len();
            if start == 0
                && let Some(scope) = chunk.only_scope()
                && draft.take(&self.limits, &self.scopes, scope, len, chunk.len())
            {
                draft.extend(scope, index, 0, len);
                continue;
            }
            for (scope, start, end) in chunk.spans_from(start) {
                let fits = draft.take(&self.limits, &self.scopes, scope, end - start, 1);
                if !fits && draft.spans > 0 {
                    next = Some(Position { chunk: index, offset: start });
                    break 'chunks;
                }
                if !fits {
                    // Larger than a request by itself: it goes alone.
                    draft.add(&self.scopes, scope, end - start, 1);
                }
                draft.extend(scope, index, start, end);
            }
        }
        (draft.spans > 0).then(|| draft.plan(&self.limits, self.resource, next))
    }

    /// Writes the request that [`plan`](Self::plan) decided for the same `chunks`, into `memory`,
    /// whose contents are forgotten. Allocates when `memory` has less than [`Plan::encoded_len`] bytes.
    pub fn write(&self, chunks: &[&Chunk], plan: &Plan<B>, memory: Vec<u8>) -> Request {
        // Each head is read once: lengths must not depend on a second answer.
        let heads: Vec<&[u8]> = plan.heads.iter().map(|(_, head)| head.as_ref()).collect();
        let groups = || plan.runs.chunk_by(|a, b| a.scope == b.scope).zip(&heads);
        let group_len = |group: &[Run], head: &[u8]| -> usize {
            head.len() + group.iter().map(|run| (run.end - run.start) as usize).sum::<usize>()
        };
        let body = groups().map(|(group, head)| bytes_len(group_len(group, head))).sum::<usize>();
        let body = self.resource.len() + body;

        let mut out = memory;
        out.clear();
        out.reserve_exact(self.limits.prefix + bytes_len(body));
        out.resize(self.limits.prefix, 0);
        out.push(RESOURCE_SPANS);
        put_varint(&mut out, body as u64);
        out.extend_from_slice(self.resource);
        for (group, head) in groups() {
            out.push(SCOPE_SPANS);
            put_varint(&mut out, group_len(group, head) as u64);
            out.extend_from_slice(head);
            for run in group {
                let bytes = chunks
                    .get(run.chunk as usize)
                    .and_then(|chunk| chunk.bytes().get(run.start as usize..run.end as usize));
                out.extend_from_slice(bytes.unwrap_or_default());
            }
        }
        Request { bytes: out, prefix: self.limits.prefix, spans: plan.spans }
    }
}

impl<B> Plan<B> {
    /// Exact length of the request in bytes, its prefix included.
    pub fn encoded_len(&self) -> usize {
        self.len
    }

    /// Spans in the request.
    pub fn spans(&self) -> u64 {
        self.spans
    }

    /// Where the request after this one begins; `None` when all spans are in requests.
    pub fn next(&self) -> Option<Position> {
        self.next
    }
}

/// A request while spans are added to it.
struct Draft<B> {
    runs: Vec<Run>,
    heads: Vec<(u32, B)>,
    /// What the request takes at most.
    bytes: usize,
    spans: usize,
}

impl<B: AsRef<[u8]>> Draft<B> {
    fn new(fixed: usize) -> Self {
        Self { runs: Vec::new(), heads: Vec::new(), bytes: fixed, spans: 0 }
    }

    /// Accounts for spans of one scope if the limits allow. False: nothing has changed.
    #[inline]
    fn take(
        &mut self,
        limits: &RequestLimits,
        scopes: &impl Fn(u32) -> B,
        scope: u32,
        len: usize,
        spans: usize,
    ) -> bool {
        if self.spans + spans > limits.max_spans {
            return false;
        }
        if self.knows(scope) {
            if self.bytes + len > limits.max_bytes {
                return false;
            }
            (self.bytes, self.spans) = (self.bytes + len, self.spans + spans);
            return true;
        }
        let head = scopes(scope);
        let added = len + head.as_ref().len() + MESSAGE_OVERHEAD;
        if self.bytes + added > limits.max_bytes {
            return false;
        }
        self.insert(scope, head);
        (self.bytes, self.spans) = (self.bytes + added, self.spans + spans);
        true
    }

    /// As [`take`](Self::take), whatever the limits.
    fn add(&mut self, scopes: &impl Fn(u32) -> B, scope: u32, len: usize, spans: usize) {
        if !self.knows(scope) {
            let head = scopes(scope);
            self.bytes += head.as_ref().len() + MESSAGE_OVERHEAD;
            self.insert(scope, head);
        }
        (self.bytes, self.spans) = (self.bytes + len, self.spans + spans);
    }

    #[inline]
    fn knows(&self, scope: u32) -> bool {
        self.runs.last().is_some_and(|run| run.scope == scope)
            || self.heads.binary_search_by_key(&scope, |(known, _)| *known).is_ok()
    }

    fn insert(&mut self, scope: u32, head: B) {
        if let Err(place) = self.heads.binary_search_by_key(&scope, |(known, _)| *known) {
            self.heads.insert(place, (scope, head));
        }
    }

    #[inline]
    fn extend(&mut self, scope: u32, chunk: usize, start: usize, end: usize) {
        let (chunk, start, end) = (chunk as u32, start as u32, end as u32);
        match self.runs.last_mut() {
            Some(run) if run.scope == scope && run.chunk == chunk && run.end == start => {
                run.end = end;
            }
            _ => self.runs.push(Run { scope, chunk, start, end }),
        }
    }

    fn plan(mut self, limits: &RequestLimits, resource: &[u8], next: Option<Position>) -> Plan<B> {
        // Stable: spans of a scope keep their order.
        self.runs.sort_by_key(|run| run.scope);
        let groups = self.runs.chunk_by(|a, b| a.scope == b.scope).zip(&self.heads);
        let body = groups.map(|(group, (_, head))| {
            let spans = group.iter().map(|run| (run.end - run.start) as usize).sum::<usize>();
            bytes_len(head.as_ref().len() + spans)
        });
        let len = limits.prefix + bytes_len(resource.len() + body.sum::<usize>());
        Plan { runs: self.runs, heads: self.heads, len, spans: self.spans as u64, next }
    }
}

/// Longer than the framing of any transport.
const MAX_PREFIX: usize = 4096;
/// Tag and longest length of a nested message.
const MESSAGE_OVERHEAD: usize = 1 + 5;
/// `ExportTraceServiceRequest.resource_spans`.
const RESOURCE_SPANS: u8 = 0x0a;
/// `ResourceSpans.scope_spans`.
const SCOPE_SPANS: u8 = 0x12;
