//! Splits an encoded request into smaller ones, by the framing of its groups and spans alone.

use std::fmt;

use crate::frame::{MAX_PREFIX, MESSAGE_OVERHEAD, Request, RequestLimits};
use crate::read::{Fields, WireError};
use crate::write::{bytes_len, put_varint};

/// A part of an encoded `ExportTraceServiceRequest`, planned and not written yet: a request with some of its
/// spans, and with the resources and scopes of these.
///
/// A client splits a request that the receiver refused as too large (HTTP 413).
///
/// # Cost
/// Spans are copied and not parsed. Planning skims the framing of the spans up to the end of the part, and writing does so again. A plan
/// has no memory beside this value, whatever the request has.
///
/// ```
/// use spanwise_wire::{RequestLimits, RequestPart};
///
/// // resource_spans { scope_spans { spans {} spans {} } }
/// let request = [0x0a, 6, 0x12, 4, 0x12, 0, 0x12, 0];
/// let limits = RequestLimits::default().with_max_spans(1);
/// let second = RequestPart::plan(&request, 1, limits)?.ok_or("there is a second span")?;
/// assert_eq!(second.spans(), 1);
/// assert_eq!(second.write(Vec::new()).message(), [0x0a, 4, 0x12, 2, 0x12, 0]);
/// assert!(RequestPart::plan(&request, 2, limits)?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RequestPart<'a> {
    message: &'a [u8],
    prefix: usize,
    /// Length of the part, its prefix included.
    len: usize,
    spans: u64,
    /// Spans of the request before the part.
    skipped: u64,
}

impl<'a> RequestPart<'a> {
    /// Plans the part of `message` that begins after the first `skipped` spans: as many spans as the limits
    /// allow, at least one. `None` if no span is left.
    ///
    /// # Errors
    /// [`WireError`] if the framing of groups and spans is malformed.
    pub fn plan(
        message: &'a [u8],
        skipped: u64,
        limits: RequestLimits,
    ) -> Result<Option<Self>, WireError> {
        let prefix = limits.prefix.min(MAX_PREFIX);
        // The framing of all resources, also of those behind the part.
        group_size(message, RESOURCE_SPANS)?;
        let (skip, limits) = (skipped, &limits);
        let mut draft = Draft { limits, skip, bytes: prefix, spans: 0, is_full: false };
        let mut len = prefix;
        for item in items(message, RESOURCE_SPANS) {
            if let Some(resource) = item?.value {
                len += draft.resource(resource)?;
            }
            if draft.is_full {
                break;
            }
        }
        let spans = draft.spans;
        Ok((spans > 0).then_some(Self { message, prefix, len, spans, skipped }))
    }

    /// Exact length of the part in bytes, its prefix included.
    pub fn encoded_len(&self) -> usize {
        self.len
    }

    /// Spans in the part.
    pub fn spans(&self) -> u64 {
        self.spans
    }

    /// Writes the part into `memory`, and overwrites its contents. Allocates when `memory` has less than
    /// [`encoded_len`](Self::encoded_len) bytes.
    pub fn write(&self, memory: Vec<u8>) -> Request {
        let mut out = memory;
        out.clear();
        out.reserve_exact(self.encoded_len());
        out.resize(self.prefix, 0);
        let mut window = Window { skip: self.skipped, take: self.spans };
        for resource in items(self.message, RESOURCE_SPANS).flatten().filter_map(|it| it.value) {
            if window.take == 0 {
                break;
            }
            window.write_resource(resource, &mut out);
        }
        Request::new(out, self.prefix, self.spans)
    }
}

/// Prints lengths and counts, never the contents of spans.
impl fmt::Debug for RequestPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestPart")
            .field("encoded_len", &self.encoded_len())
            .field("spans", &self.spans)
            .finish_non_exhaustive()
    }
}

/// A part while it is planned.
struct Draft<'l> {
    limits: &'l RequestLimits,
    /// Spans that still precede the part.
    skip: u64,
    /// Upper bound of the length so far.
    bytes: usize,
    spans: u64,
    /// The next span does not fit.
    is_full: bool,
}

impl Draft<'_> {
    /// Takes the spans of a resource. Returns the bytes that its message adds to the part.
    fn resource(&mut self, resource: &[u8]) -> Result<usize, WireError> {
        let size = group_size(resource, SCOPE_SPANS)?;
        let mut new_resource = MESSAGE_OVERHEAD + size.fixed;
        let mut scopes = 0;
        for item in items(resource, SCOPE_SPANS) {
            let Some(scope) = item?.value else { continue };
            let spans = self.spans;
            let len = self.scope(scope, new_resource)?;
            if self.spans > spans {
                new_resource = 0;
                scopes += bytes_len(len);
            }
            if self.is_full {
                break;
            }
        }
        Ok(if scopes > 0 { bytes_len(size.fixed + scopes) } else { 0 })
    }

    /// Takes the spans of a scope, the first of which adds `new_resource` bytes beside those of the scope. Returns the length of its
    /// message in the part.
    fn scope(&mut self, scope: &[u8], new_resource: usize) -> Result<usize, WireError> {
        let size = group_size(scope, SPANS)?;
        let skipped = self.skip.min(size.items);
        self.skip -= skipped;
        let mut len = size.fixed;
        if skipped == size.items {
            return Ok(len);
        }
        let mut new_groups = new_resource + MESSAGE_OVERHEAD + size.fixed;
        let spans =
            items(scope, SPANS).filter(|item| !matches!(item, Ok(Item { value: None, .. })));
        for span in spans.skip(usize::try_from(skipped).unwrap_or(usize::MAX)) {
            let span = span?.raw.len();
            let bytes = self.bytes.saturating_add(new_groups + span);
            let fits = self.spans < self.limits.max_spans as u64 && bytes <= self.limits.max_bytes;
            if !fits && self.spans > 0 {
                self.is_full = true;
                break;
            }
            (self.bytes, self.spans) = (bytes, self.spans + 1);
            new_groups = 0;
            len += span;
        }
        Ok(len)
    }
}

/// The spans of a part, from a place of the request on. A plan has checked the framing.
#[derive(Clone, Copy)]
struct Window {
    /// Spans before the first one.
    skip: u64,
    take: u64,
}

/// The spans of a scope that are in a part, and the length of its message there.
struct ScopePart {
    spans: Window,
    len: usize,
}

impl Window {
    /// Writes the spans of a resource with its fields, and moves behind them.
    fn write_resource(&mut self, resource: &[u8], out: &mut Vec<u8>) {
        let (mut ahead, mut fixed, mut scopes) = (*self, 0, 0);
        for Item { raw, value } in items(resource, SCOPE_SPANS).flatten() {
            match value.map(|scope| ahead.scope(scope)) {
                None => fixed += raw.len(),
                Some(part) if part.spans.take > 0 => scopes += bytes_len(part.len),
                Some(_) => {}
            }
        }
        if scopes == 0 {
            *self = ahead;
            return;
        }
        out.push(tag(RESOURCE_SPANS));
        put_varint(out, (fixed + scopes) as u64);
        for Item { raw, value } in items(resource, SCOPE_SPANS).flatten() {
            let Some(scope) = value else {
                out.extend_from_slice(raw);
                continue;
            };
            let part = self.scope(scope);
            if part.spans.take > 0 {
                out.push(tag(SCOPE_SPANS));
                put_varint(out, part.len as u64);
                part.write(scope, out);
            }
        }
    }

    /// The part of a scope; moves behind it.
    fn scope(&mut self, scope: &[u8]) -> ScopePart {
        let before = *self;
        let mut len = 0;
        if self.take == 0 {
            return ScopePart { spans: *self, len };
        }
        for Item { raw, value } in items(scope, SPANS).flatten() {
            if value.is_none() || self.has_next() {
                len += raw.len();
            }
        }
        let (skip, take) = (before.skip - self.skip, before.take - self.take);
        ScopePart { spans: Self { skip, take }, len }
    }

    /// Whether the next span is in the part.
    fn has_next(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let is_taken = self.take > 0;
        self.take -= u64::from(is_taken);
        is_taken
    }
}

impl ScopePart {
    fn write(self, scope: &[u8], out: &mut Vec<u8>) {
        if self.len == scope.len() {
            return out.extend_from_slice(scope);
        }
        let mut spans = self.spans;
        // Neighbours are copied together.
        let (mut start, mut end) = (0, 0);
        for Item { raw, value } in items(scope, SPANS).flatten() {
            if value.is_some() && !spans.has_next() {
                out.extend_from_slice(scope.get(start..end).unwrap_or_default());
                start = end + raw.len();
            }
            end += raw.len();
        }
        out.extend_from_slice(scope.get(start..end).unwrap_or_default());
    }
}

/// A field of a message.
struct Item<'a> {
    /// With its tag.
    raw: &'a [u8],
    /// The value, if it is one of the repeated field.
    value: Option<&'a [u8]>,
}

/// The fields of `message`, whose repeated field is `repeated`. Ends after the first error.
fn items(message: &[u8], repeated: u32) -> impl Iterator<Item = Result<Item<'_>, WireError>> {
    let mut fields = Fields::new(message);
    std::iter::from_fn(move || {
        let before = fields.rest();
        let item = fields.next()?.and_then(|field| {
            let raw = before.get(..before.len() - fields.rest().len()).unwrap_or_default();
            let value = if field.number == repeated { Some(field.bytes()?) } else { None };
            Ok(Item { raw, value })
        });
        if item.is_err() {
            fields = Fields::new(&[]);
        }
        Some(item)
    })
}

/// The size of a message with a repeated field.
#[derive(Default)]
struct GroupSize {
    /// Bytes of the fields that each part has: all but the repeated one.
    fixed: usize,
    /// Values of the repeated field.
    items: u64,
}

fn group_size(message: &[u8], repeated: u32) -> Result<GroupSize, WireError> {
    items(message, repeated).try_fold(GroupSize::default(), |mut size, item| {
        let Item { raw, value } = item?;
        match value {
            Some(_) => size.items += 1,
            None => size.fixed += raw.len(),
        }
        Ok(size)
    })
}

/// The tag of a field with a length.
const fn tag(number: u32) -> u8 {
    (number << 3) as u8 | 2
}

/// `ExportTraceServiceRequest.resource_spans`.
const RESOURCE_SPANS: u32 = 1;
/// `ResourceSpans.scope_spans`.
const SCOPE_SPANS: u32 = 2;
/// `ScopeSpans.spans`.
const SPANS: u32 = 2;
