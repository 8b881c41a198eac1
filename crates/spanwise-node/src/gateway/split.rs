//! Divides an encoded request among peers by trace id, in one pass that copies spans and decodes none.

mod part_writer;

use bytes::Bytes;
use spanwise_batch::Charge;
use spanwise_wire::read::{Field, FieldValue, Fields, WireError};

use super::held::PartsMemory;
use part_writer::{NoMemory, Open, PartWriter, Place};

/// The division of a request.
#[derive(Debug)]
pub(crate) struct Division {
    pub(crate) parts: Parts,
    /// Spans without a readable trace id of 16 bytes. They follow the id that is all zero, as in the Collector, and the peer counts
    /// them as invalid.
    pub(crate) malformed: u64,
}

/// The parts of a request, by the numbers of their peers.
#[derive(Debug)]
pub(crate) enum Parts {
    /// All spans have this peer: the request is its part, and no byte was copied.
    Whole(usize),
    /// One part for each of several peers.
    Several(Vec<Part>),
}

/// The spans of a request that go to one peer, with their resources and scopes.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) peer: usize,
    /// The encoded request, behind [`PREFIX`](spanwise_transport::PREFIX) bytes for the transport.
    pub(crate) prefixed: Vec<u8>,
    pub(crate) spans: u64,
    /// Of `prefixed`, as far as the memory of the request is not shared.
    pub(crate) charge: Option<Charge>,
}

/// The reason why a request was not divided.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Undivided {
    /// The framing of its groups and spans is malformed.
    Malformed(WireError),
    /// Its resources and scopes are so large that copies of them for several peers need more bytes than [`max_copied`] allows. With the
    /// peer of the first span.
    TooLarge(usize),
    /// There is no memory for the parts. With the peer of the first span.
    NoMemory(usize),
}

impl Undivided {
    /// The peer of the first span, if a span was read.
    pub(crate) fn peer(&self) -> Option<usize> {
        match self {
            Self::Malformed(_) => None,
            Self::TooLarge(peer) | Self::NoMemory(peer) => Some(*peer),
        }
    }
}

/// The most bytes of resources and scopes that are copied for further peers of a request of `len` bytes: a client must not
/// multiply its requests.
pub(crate) fn max_copied(len: usize) -> usize {
    len.saturating_mul(4).saturating_add(1 << 20)
}

/// Divides `request` among `peers` peers: the spans of a trace go to the peer that `route` returns for its id. Spans, resources and
/// scopes are copied byte by byte, unknown fields included, in their order.
///
/// # Cost
/// A copy of the bytes of each span, and one call of `route` for each run of spans with the same id. The lengths of groups are
/// varints of five bytes, since they are known behind the spans. The memory of a part is charged to `memory` before it is allocated.
///
/// # Errors
/// [`Undivided`]; `route` may have been called for some of the traces, and `memory` is that of the whole request again.
pub(crate) fn divide(
    request: &Bytes,
    peers: usize,
    memory: &mut PartsMemory<'_>,
    mut route: impl FnMut(&[u8; 16]) -> usize,
) -> Result<Division, Undivided> {
    let mut routed = Routed { last: None, malformed: 0, route: &mut route };
    let Some((peer, same)) = common_peer(request, &mut routed).map_err(Undivided::Malformed)?
    else {
        let peer = routed.last.map_or(0, |(_, peer)| peer);
        return Ok(Division { parts: Parts::Whole(peer), malformed: routed.malformed });
    };
    let share = request.len() / peers.max(1);
    let mut divider = Divider {
        parts: (0..peers).map(|_| PartWriter::default()).collect(),
        memory,
        // Shares differ a little.
        capacity: share + share / 4 + MIN_CAPACITY,
        copied: 0,
        max_copied: max_copied(request.len()),
        same: Some((peer, same)),
    };
    let written = divider.request(request, &mut routed);
    let Divider { parts, memory, .. } = divider;
    if let Err(problem) = written {
        parts.into_iter().for_each(|part| memory.take_back(part.into_charge()));
        return Err(match problem {
            Problem::Malformed(error) => Undivided::Malformed(error),
            Problem::TooLarge => Undivided::TooLarge(peer),
            Problem::NoMemory => Undivided::NoMemory(peer),
        });
    }
    let parts = parts.into_iter().enumerate();
    let parts = parts.filter_map(|(peer, part)| {
        let (prefixed, spans, charge) = part.finish()?;
        Some(Part { peer, prefixed, spans, charge })
    });
    Ok(Division { parts: Parts::Several(parts.collect()), malformed: routed.malformed })
}

/// The routes of spans, of which neighbours often have one trace.
struct Routed<'r, R> {
    /// The latest id and its peer.
    last: Option<([u8; 16], usize)>,
    malformed: u64,
    route: &'r mut R,
}

impl<R: FnMut(&[u8; 16]) -> usize> Routed<'_, R> {
    #[inline]
    fn peer(&mut self, span: &[u8]) -> usize {
        let id = match span.first_chunk::<18>() {
            // Most spans begin with it.
            Some([TRACE_ID, 16, id @ ..]) => *id,
            _ => self.id_of_other(span),
        };
        match self.last {
            Some((last, peer)) if last == id => peer,
            _ => self.next_peer(id),
        }
    }

    #[inline(never)]
    fn next_peer(&mut self, id: [u8; 16]) -> usize {
        let peer = (self.route)(&id);
        self.last = Some((id, peer));
        peer
    }

    /// The id of a span that does not begin with it, or zeros.
    #[cold]
    fn id_of_other(&mut self, span: &[u8]) -> [u8; 16] {
        let id = trace_id(span);
        self.malformed += u64::from(id.is_none());
        id.unwrap_or_default()
    }
}

/// The id of a span that does not begin with it; of several ids the last one, as in protobuf.
#[inline(never)]
fn trace_id(span: &[u8]) -> Option<[u8; 16]> {
    let mut id = None;
    for field in Fields::new(span) {
        match field {
            Ok(Field { number: 1, value: FieldValue::Bytes(bytes) }) => id = Some(bytes),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
    id?.try_into().ok()
}

/// The peer of the first spans and their number, if a span behind them has another peer. `None`: all spans have one.
fn common_peer<R: FnMut(&[u8; 16]) -> usize>(
    request: &[u8],
    routed: &mut Routed<'_, R>,
) -> Result<Option<(usize, u64)>, WireError> {
    let (mut common, mut same) = (None, 0);
    for resource_spans in Fields::new(request) {
        let resource_spans = resource_spans?;
        if resource_spans.number != RESOURCE_SPANS {
            continue;
        }
        for scope_spans in Fields::new(resource_spans.bytes()?) {
            let scope_spans = scope_spans?;
            if scope_spans.number != SCOPE_SPANS {
                continue;
            }
            let mut rest = scope_spans.bytes()?;
            while !rest.is_empty() {
                let field = SpanField::read(&mut rest)?;
                let Some(span) = field.span else { continue };
                let malformed = routed.malformed;
                let peer = routed.peer(span);
                if *common.get_or_insert(peer) != peer {
                    // The span is read again behind the same ones; its route is remembered.
                    routed.malformed = malformed;
                    return Ok(common.map(|peer| (peer, same)));
                }
                same += 1;
            }
        }
    }
    Ok(None)
}

/// A field of a `ScopeSpans` message.
struct SpanField<'a> {
    /// With its key and length.
    raw: &'a [u8],
    /// The span, if it is one.
    span: Option<&'a [u8]>,
}

impl<'a> SpanField<'a> {
    #[inline(always)]
    fn read(rest: &mut &'a [u8]) -> Result<Self, WireError> {
        // Most spans have 128 to 16,383 bytes.
        if let [SPAN_KEY, low @ 0x80..=0xff, high @ ..0x80, ..] = **rest
            && let len = usize::from(low & 0x7f) | usize::from(high) << 7
            && let Some((raw, behind)) = rest.split_at_checked(len + 3)
        {
            *rest = behind;
            return Ok(Self { raw, span: raw.get(3..) });
        }
        Self::read_any(rest)
    }

    #[inline(never)]
    fn read_any(rest: &mut &'a [u8]) -> Result<Self, WireError> {
        let whole = *rest;
        let mut fields = Fields::new(whole);
        let Some(field) = fields.next().transpose()? else {
            *rest = &[];
            return Ok(Self { raw: &[], span: None });
        };
        *rest = fields.rest();
        let raw = whole.get(..whole.len() - rest.len()).unwrap_or_default();
        let span = if field.number == SPANS { Some(field.bytes()?) } else { None };
        Ok(Self { raw, span })
    }
}

/// The reason why the parts of a request are not written.
enum Problem {
    Malformed(WireError),
    TooLarge,
    NoMemory,
}

/// Writes the parts of a request.
struct Divider<'m, 'b> {
    parts: Vec<PartWriter>,
    memory: &'m mut PartsMemory<'b>,
    /// The first capacity of a part.
    capacity: usize,
    /// Bytes of resources and scopes that were written.
    copied: usize,
    max_copied: usize,
    /// The peer and the number of the first spans, whose routes are known.
    same: Option<(usize, u64)>,
}

impl Divider<'_, '_> {
    fn request<R: FnMut(&[u8; 16]) -> usize>(
        &mut self,
        request: &[u8],
        routed: &mut Routed<'_, R>,
    ) -> Result<(), Problem> {
        let mut place = Place::default();
        let mut open = Open::default();
        for resource_spans in Fields::new(request) {
            let resource_spans = resource_spans?;
            if resource_spans.number != RESOURCE_SPANS {
                continue;
            }
            place.resource += 1;
            open.resource_fields.clear();
            let mut rest = resource_spans.bytes()?;
            while !rest.is_empty() {
                let mut fields = Fields::new(rest);
                let field = fields.next().transpose()?;
                let raw = rest.get(..rest.len() - fields.rest().len()).unwrap_or_default();
                rest = fields.rest();
                match field {
                    Some(field) if field.number == SCOPE_SPANS => {
                        place.scope += 1;
                        self.scope_spans(field.bytes()?, place, &mut open, routed)?;
                    }
                    _ => open.resource_fields.push(raw),
                }
            }
            for peer in open.resources.drain(..) {
                let Some(part) = self.parts.get_mut(peer) else { continue };
                self.copied += part.close_resource(&open.resource_fields, self.memory)?;
                check(self.copied, self.max_copied)?;
            }
        }
        Ok(())
    }

    fn scope_spans<'a, R: FnMut(&[u8; 16]) -> usize>(
        &mut self,
        mut rest: &'a [u8],
        place: Place,
        open: &mut Open<'a>,
        routed: &mut Routed<'_, R>,
    ) -> Result<(), Problem> {
        open.scope_fields.clear();
        while !rest.is_empty() {
            let field = SpanField::read(&mut rest)?;
            let Some(span) = field.span else {
                open.scope_fields.push(field.raw);
                continue;
            };
            let peer = match &mut self.same {
                Some((peer, same)) if *same > 0 => {
                    *same -= 1;
                    *peer
                }
                _ => routed.peer(span),
            };
            let Some(part) = self.parts.get_mut(peer) else { continue };
            if !part.is_at(place) {
                if !part.is_begun() {
                    part.begin_part(self.capacity, self.memory)?;
                }
                self.copied += part.open(place, peer, open, self.memory)?;
                check(self.copied, self.max_copied)?;
            }
            part.span(field.raw, self.memory)?;
        }
        for peer in open.scopes.drain(..) {
            let Some(part) = self.parts.get_mut(peer) else { continue };
            self.copied += part.close_scope(&open.scope_fields, self.memory)?;
            check(self.copied, self.max_copied)?;
        }
        Ok(())
    }
}

fn check(copied: usize, max: usize) -> Result<(), Problem> {
    if copied > max { Err(Problem::TooLarge) } else { Ok(()) }
}

impl From<WireError> for Problem {
    fn from(error: WireError) -> Self {
        Self::Malformed(error)
    }
}

impl From<NoMemory> for Problem {
    fn from(NoMemory: NoMemory) -> Self {
        Self::NoMemory
    }
}

/// The first capacity of a part beside its share: its groups, where a request is small.
const MIN_CAPACITY: usize = 256;

// opentelemetry/proto/collector/trace/v1/trace_service.proto and trace/v1/trace.proto
const RESOURCE_SPANS: u32 = 1;
const SCOPE_SPANS: u32 = 2;
const SPANS: u32 = 2;
/// [`SPANS`] as a key of wire type 2.
const SPAN_KEY: u8 = 0x12;
/// `Span.trace_id` as a key of wire type 2.
const TRACE_ID: u8 = 0x0a;

#[cfg(test)]
mod tests;
