//! A request whose spans are divided among shards.

use spanwise_wire::read::TraceRequest;

use super::framing::{Framing, ScopeField, ScopeFields, ScopeHeader, scopes};
use super::group_table::PartFields;
use super::incoming_span::IncomingSpan;
use super::shard::{GroupFields, shard_of};

/// The bytes of a request and its groups of spans, for all shards. Spans are not copied.
#[derive(Debug)]
pub(crate) struct DividedRequest {
    bytes: Vec<u8>,
    groups: Vec<Group>,
}

/// The place of a span in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanPlace {
    bytes: ByteRange,
    group: u32,
}

/// A resource and a scope that have spans.
#[derive(Debug, Clone, Copy)]
struct Group {
    resource: (ByteRange, ByteRange),
    scope: (ByteRange, ByteRange),
    /// The number of the `ResourceSpans` message.
    resource_index: u32,
}

/// A part of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct ByteRange {
    start: u32,
    len: u32,
}

impl ByteRange {
    /// The range of `part`, which is borrowed from `whole`; of an empty part the empty range.
    fn of(part: &[u8], whole: &[u8]) -> Self {
        if part.is_empty() {
            return Self::default();
        }
        let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
        // Larger requests are refused.
        Self { start: start as u32, len: part.len() as u32 }
    }

    fn read(self, whole: &[u8]) -> &[u8] {
        let start = self.start as usize;
        whole.get(start..start + self.len as usize).unwrap_or_default()
    }
}

impl DividedRequest {
    /// The largest request: places have 32 bits.
    pub(crate) const MAX_LEN: usize = u32::MAX as usize;

    pub(crate) fn span(&self, place: SpanPlace) -> IncomingSpan<'_> {
        IncomingSpan::new(place.bytes.read(&self.bytes))
    }

    pub(crate) fn fields(&self, place: SpanPlace) -> GroupFields<'_> {
        let part = |(message, url): (ByteRange, ByteRange)| PartFields {
            message: message.read(&self.bytes),
            schema_url: std::str::from_utf8(url.read(&self.bytes)).unwrap_or_default(),
        };
        let group = self.groups.get(place.group as usize);
        let (resource, scope) =
            group.map_or_else(Default::default, |group| (group.resource, group.scope));
        GroupFields { resource: part(resource), scope: part(scope) }
    }

    /// Whether two spans have the same resource and scope, as neighbours in the request.
    pub(crate) fn is_same_group(a: SpanPlace, b: SpanPlace) -> bool {
        a.group == b.group
    }

    /// Whether two spans are of one `ResourceSpans` message.
    pub(crate) fn is_same_resource(&self, a: SpanPlace, b: SpanPlace) -> bool {
        let index = |place: SpanPlace| {
            self.groups.get(place.group as usize).map(|group| group.resource_index)
        };
        index(a) == index(b)
    }
}

/// The groups of a request, and the places of each shard's spans in the order of the request.
pub(crate) struct DividedSpans {
    groups: Vec<Group>,
    lists: Vec<Vec<SpanPlace>>,
}

impl DividedSpans {
    /// Divides the spans of `request`, whose framing was checked, by trace id.
    pub(crate) fn new<'a>(request: &'a [u8], framing: &Framing<'a>, shards: usize) -> Self {
        let mut divided = Self { groups: Vec::new(), lists: vec![Vec::new(); shards.max(1)] };
        let part = |message: &[u8], url: &str| {
            (ByteRange::of(message, request), ByteRange::of(url.as_bytes(), request))
        };
        let mut index = 0;
        let reader = TraceRequest::new(request);
        let resources = reader.resources().filter_map(Result::ok);
        for (resource_index, resource_spans) in (0..).zip(resources) {
            // A URL that is not UTF-8 is left out.
            let url = resource_spans.schema_url().unwrap_or_default();
            let resource = part(resource_spans.resource(), url);
            for scope_spans in scopes(resource_spans.bytes()) {
                let ScopeHeader { scope, schema_url, .. } = framing.header(index, scope_spans);
                index += 1;
                let group = Group { resource, scope: part(scope, schema_url), resource_index };
                divided.add(request, scope_spans, group);
            }
        }
        divided
    }

    /// Adds the spans of a `ScopeSpans` message, and its group if it has any.
    fn add(&mut self, request: &[u8], scope_spans: &[u8], group: Group) {
        let index = self.groups.len();
        for field in ScopeFields::new(scope_spans) {
            let Ok(ScopeField::Span(span)) = field else { continue };
            if self.groups.len() == index {
                self.groups.push(group);
            }
            let shard = match IncomingSpan::new(span).trace_id() {
                Ok(trace_id) if self.lists.len() > 1 => shard_of(trace_id, self.lists.len()),
                // A span without a usable id is counted by the first shard.
                _ => 0,
            };
            if let Some(list) = self.lists.get_mut(shard) {
                list.push(SpanPlace { bytes: ByteRange::of(span, request), group: index as u32 });
            }
        }
    }

    /// The most bytes of memory for a request of `spans` spans; vectors grow by doubling, from four elements.
    pub(crate) fn max_bytes(spans: u64, shards: usize) -> usize {
        let span = size_of::<Group>() + size_of::<SpanPlace>();
        let lists = usize::try_from(spans).unwrap_or(usize::MAX).saturating_mul(2 * span);
        let first = 4 * (size_of::<Group>() + shards.saturating_mul(size_of::<SpanPlace>()));
        lists.saturating_add(first)
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        let places: usize = self.lists.iter().map(Vec::capacity).sum();
        self.groups.capacity() * size_of::<Group>() + places * size_of::<SpanPlace>()
    }

    /// The request that was divided, with its groups, and the lists.
    pub(crate) fn of_request(self, bytes: Vec<u8>) -> (DividedRequest, Vec<Vec<SpanPlace>>) {
        (DividedRequest { bytes, groups: self.groups }, self.lists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        spanwise_wire::write::put_varint(&mut out, bytes.len() as u64);
        out.extend_from_slice(bytes);
        out
    }

    /// Spans of many lengths and traces; scopes before and behind their spans; a URL that is no text; a span without an id.
    fn request() -> Vec<u8> {
        let span = |number: u8| {
            let id = message(1, &vec![number.wrapping_mul(37); if number == 9 { 3 } else { 16 }]);
            message(2, &[id, message(5, &vec![b'n'; usize::from(number) * 3])].concat())
        };
        let scope = |first: u8| {
            let header =
                [message(1, &message(1, &[b'a' + first % 26])), message(3, b"scope-url")].concat();
            let spans: Vec<u8> = (first..first + 20).flat_map(span).collect();
            let is_behind = first.is_multiple_of(40);
            let parts = if is_behind { [spans, header] } else { [header, spans] };
            message(2, &parts.concat())
        };
        let resource = |first: u8| {
            let attributes = message(1, &message(1, &[b'r', first]));
            let url = if first == 0 { message(3, b"url") } else { message(3, &[0xff]) };
            message(1, &[scope(first), attributes, scope(first + 20), url].concat())
        };
        [resource(0), resource(40), message(1, &message(2, &message(2, b"")))].concat()
    }

    #[test]
    fn each_span_is_in_the_list_of_its_shard_with_its_resource_and_scope() {
        let request = request();
        // (resource, URL, scope, URL, span) as the reader of requests finds them.
        let mut expected = Vec::new();
        for resource in TraceRequest::new(&request).resources().map(Result::unwrap) {
            let resource_url = resource.schema_url().unwrap_or_default();
            for scope in resource.scopes().map(Result::unwrap) {
                let scope_url = scope.schema_url().unwrap();
                for span in scope.spans().map(Result::unwrap) {
                    let id = IncomingSpan::new(span.bytes()).trace_id();
                    let fields = [resource.resource(), scope.scope(), span.bytes()];
                    expected.push((fields.map(<[u8]>::to_vec), resource_url, scope_url, id));
                }
            }
        }
        for shards in [1, 2, 7] {
            let framing = Framing::check(&request).unwrap();
            let divided = DividedSpans::new(&request, &framing, shards);
            assert!(divided.bytes() <= DividedSpans::max_bytes(framing.spans(), shards));
            let (divided, lists) = divided.of_request(request.clone());
            assert_eq!(lists.len(), shards);
            for (shard, list) in lists.iter().enumerate() {
                let own = expected.iter().filter(|(.., id)| {
                    let of_id = |id: [u8; 16]| shard_of(id, shards);
                    id.map_or(0, of_id) == shard
                });
                let own: Vec<_> = own.collect();
                assert_eq!(list.len(), own.len(), "shard {shard} of {shards}");
                for (place, (bytes, resource_url, scope_url, _)) in list.iter().zip(own) {
                    let GroupFields { resource, scope } = divided.fields(*place);
                    let span = divided.span(*place);
                    assert_eq!([resource.message, scope.message, span.bytes()], bytes[..]);
                    assert_eq!(
                        (resource.schema_url, scope.schema_url),
                        (*resource_url, *scope_url)
                    );
                }
                for pair in list.windows(2) {
                    let [a, b] = [pair[0], pair[1]].map(|place| divided.fields(place));
                    let is_same = divided.is_same_resource(pair[0], pair[1]);
                    assert_eq!(is_same, a.resource.message == b.resource.message);
                    let is_same = DividedRequest::is_same_group(pair[0], pair[1]);
                    assert_eq!(is_same, a.scope.message == b.scope.message);
                }
            }
        }
    }
}
