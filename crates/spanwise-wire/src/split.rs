//! Splits an encoded request into smaller ones, by the framing of its groups and spans alone.

use std::fmt;
use std::ops::Range;

use crate::frame::{MAX_PREFIX, MESSAGE_OVERHEAD, Request, RequestLimits};
use crate::read::{Fields, WireError};
use crate::write::{bytes_len, put_varint};

/// A part of an encoded `ExportTraceServiceRequest`, planned and not written yet: a request with some of its
/// spans, and with the resources and scopes of these.
///
/// A client splits a request that the receiver refused as too large (HTTP 413).
///
/// # Cost
/// Spans are copied and not parsed. Planning skims the framing of all spans of the request.
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
    resources: Vec<Group<'a>>,
    prefix: usize,
    /// Upper bound of the length.
    bytes: usize,
    spans: u64,
}

/// The part of a `ResourceSpans` or `ScopeSpans` message.
struct Group<'a> {
    message: &'a [u8],
    /// Fields that stay, with their tags: all but the repeated one.
    fixed: Vec<Range<usize>>,
    /// The repeated field as it is, with its tags: the spans of a scope. Neighbours are one range.
    spans: Vec<Range<usize>>,
    /// The repeated field as groups: the scopes of a resource.
    scopes: Vec<Group<'a>>,
}

/// One value of a repeated field.
struct Item<'a> {
    /// The place of the field, with its tag, in its message.
    range: Range<usize>,
    value: &'a [u8],
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
        let mut part = Self { resources: Vec::new(), prefix, bytes: prefix, spans: 0 };
        let mut skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let mut is_full = false;
        let (_, resources) = parse(message, RESOURCE_SPANS)?;
        for resource in resources {
            let (mut resource, scopes) = parse(resource.value, SCOPE_SPANS)?;
            let mut new_resource = resource.overhead();
            for scope in scopes {
                let (mut scope, spans) = parse(scope.value, SPANS)?;
                let mut new_groups = new_resource + scope.overhead();
                let before = skipped.min(spans.len());
                skipped -= before;
                for Item { range, .. } in spans.into_iter().skip(before) {
                    let bytes = part.bytes.saturating_add(new_groups + range.len());
                    let fits = part.spans < limits.max_spans as u64 && bytes <= limits.max_bytes;
                    if !fits && part.spans > 0 {
                        is_full = true;
                        break;
                    }
                    (part.bytes, part.spans) = (bytes, part.spans + 1);
                    (new_groups, new_resource) = (0, 0);
                    scope.add(range);
                }
                if !scope.spans.is_empty() {
                    resource.scopes.push(scope);
                }
                if is_full {
                    break;
                }
            }
            if !resource.scopes.is_empty() {
                part.resources.push(resource);
            }
            if is_full {
                break;
            }
        }
        Ok((part.spans > 0).then_some(part))
    }

    /// Exact length of the part in bytes, its prefix included.
    pub fn encoded_len(&self) -> usize {
        let groups = self.resources.iter().map(|resource| bytes_len(resource.len()));
        self.prefix + groups.sum::<usize>()
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
        for resource in &self.resources {
            out.push(tag(RESOURCE_SPANS));
            put_varint(&mut out, resource.len() as u64);
            resource.write(&mut out);
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

impl Group<'_> {
    /// Bytes that the group adds to a request besides its spans, at most.
    fn overhead(&self) -> usize {
        MESSAGE_OVERHEAD + self.fixed.iter().map(Range::len).sum::<usize>()
    }

    fn add(&mut self, span: Range<usize>) {
        match self.spans.last_mut() {
            Some(last) if last.end == span.start => last.end = span.end,
            _ => self.spans.push(span),
        }
    }

    fn len(&self) -> usize {
        let scopes = self.scopes.iter().map(|scope| bytes_len(scope.len())).sum::<usize>();
        self.fixed.iter().chain(&self.spans).map(Range::len).sum::<usize>() + scopes
    }

    fn write(&self, out: &mut Vec<u8>) {
        for range in self.fixed.iter().chain(&self.spans) {
            out.extend_from_slice(self.message.get(range.clone()).unwrap_or_default());
        }
        for scope in &self.scopes {
            out.push(tag(SCOPE_SPANS));
            put_varint(out, scope.len() as u64);
            scope.write(out);
        }
    }
}

/// Reads `message` as the fields that stay, and the values of the repeated field `repeated`.
fn parse(message: &[u8], repeated: u32) -> Result<(Group<'_>, Vec<Item<'_>>), WireError> {
    let (mut fixed, mut items) = (Vec::new(), Vec::new());
    let mut fields = Fields::new(message);
    let mut start = 0;
    while let Some(field) = fields.next() {
        let field = field?;
        let range = start..message.len() - fields.rest().len();
        start = range.end;
        match field.number == repeated {
            true => items.push(Item { range, value: field.bytes()? }),
            false => fixed.push(range),
        }
    }
    let group = Group { message, fixed, spans: Vec::new(), scopes: Vec::new() };
    Ok((group, items))
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
