//! [`AttributeSketch`]: reads spans and counts their attributes within a bound of memory.

use super::heavy_keys::{Entry, HeavyKeys};
use super::report::{AttributeKey, AttributePlace, AttributeReport};
use spanwise_wire::read::{Fields, TraceRequest, WireError};
use spanwise_wire::write::varint_len;
use std::fmt;

/// Counts the attributes of encoded spans by key, within a bound of memory: occurrences, bytes and different values.
///
/// The memory holds hashes of values, never values. Of more keys than it has space for, the sketch has those with the most bytes: each
/// key with more than 2 / `max_keys` of the attributes' bytes is in its report, with an error of at most as many bytes.
///
/// # Cost
/// A pass over the bytes of attributes, and for each a hash of its value; [`max_bytes`](Self::max_bytes) of memory at
/// most, 2.7 MiB for 1,024 keys.
///
/// ```
/// use spanwise_metrics::AttributeSketch;
///
/// # fn requests() -> [Vec<u8>; 0] { [] }
/// let mut sketch = AttributeSketch::new(1024);
/// for request in requests() {
///     sketch.add_request(&request)?;
/// }
/// for sentence in sketch.report().advice() {
///     println!("{sentence}");
/// }
/// # Ok::<(), spanwise_wire::read::WireError>(())
/// ```
pub struct AttributeSketch {
    table: HeavyKeys,
    spans: u64,
    bytes: u64,
    attribute_bytes: u64,
    malformed: u64,
}

impl AttributeSketch {
    /// A sketch of at most `max_keys` keys, 1 to 65,536; a number beyond counts as the nearest of them.
    pub fn new(max_keys: usize) -> Self {
        let table = HeavyKeys::new(max_keys);
        Self { table, spans: 0, bytes: 0, attribute_bytes: 0, malformed: 0 }
    }

    /// The most bytes of memory that a sketch of `max_keys` keys takes.
    pub fn max_bytes(max_keys: usize) -> usize {
        size_of::<Self>() + HeavyKeys::max_bytes(max_keys)
    }

    /// Reads an encoded `ExportTraceServiceRequest`. Returns the number of its spans.
    ///
    /// # Errors
    /// [`WireError`] if the framing of groups and spans is malformed: the groups before the error are counted. A span that is
    /// malformed inside is counted, and [reported](AttributeReport::malformed).
    pub fn add_request(&mut self, message: &[u8]) -> Result<u64, WireError> {
        let before = self.spans;
        self.bytes += message.len() as u64;
        for resource in TraceRequest::new(message).resources() {
            let resource = resource?;
            self.attributes(AttributePlace::Resource, resource.resource());
            for scope in resource.scopes() {
                let scope = scope?;
                self.attributes(AttributePlace::Scope, scope.scope());
                for field in Fields::new(scope.bytes()) {
                    let field = field?;
                    if field.number == SPANS {
                        self.span(field.bytes()?);
                    }
                }
            }
        }
        Ok(self.spans - before)
    }

    /// Reads an encoded `Span` that comes without its resource and scope.
    pub fn add_span(&mut self, span: &[u8]) {
        self.bytes += field_len(span);
        self.span(span);
    }

    /// The counts so far.
    pub fn report(&self) -> AttributeReport {
        let mut keys: Vec<_> = self.table.entries().iter().collect();
        keys.sort_by(|a, b| {
            let heavier = b.bytes().cmp(&a.bytes());
            heavier.then_with(|| (a.place, &a.key).cmp(&(b.place, &b.key)))
        });
        let key = |entry: &Entry| AttributeKey {
            place: entry.place,
            key: printable(&entry.key),
            occurrences: entry.occurrences,
            bytes: entry.bytes(),
            bytes_error: entry.error,
            // An estimate may exceed what is possible.
            values: entry.values.count().min(entry.occurrences),
            is_exact: entry.values.is_exact(),
        };
        AttributeReport {
            spans: self.spans,
            bytes: self.bytes,
            attribute_bytes: self.attribute_bytes,
            keys: keys.into_iter().map(key).collect(),
            distinct_keys: self.table.distinct_keys(),
            replaced_keys: self.table.replaced(),
            malformed: self.malformed,
        }
    }

    fn span(&mut self, span: &[u8]) {
        self.spans += 1;
        for field in Fields::new(span) {
            let read = field.and_then(|field| match field.number {
                SPAN_ATTRIBUTES => {
                    field.bytes().map(|entry| self.attribute(AttributePlace::Span, entry))
                }
                EVENTS => field.bytes().map(|event| self.attributes(AttributePlace::Event, event)),
                LINKS => field.bytes().map(|link| self.attributes(AttributePlace::Link, link)),
                _ => Ok(()),
            });
            self.malformed += u64::from(read.is_err());
        }
    }

    /// Counts the attributes of a message other than a span.
    fn attributes(&mut self, place: AttributePlace, message: &[u8]) {
        let number = match place {
            AttributePlace::Resource => RESOURCE_ATTRIBUTES,
            AttributePlace::Link => LINK_ATTRIBUTES,
            _ => SCOPE_OR_EVENT_ATTRIBUTES,
        };
        for field in Fields::new(message) {
            let read = field.and_then(|field| match field.number == number {
                true => field.bytes().map(|entry| self.attribute(place, entry)),
                false => Ok(()),
            });
            self.malformed += u64::from(read.is_err());
        }
    }

    /// Counts a `KeyValue`.
    #[inline]
    fn attribute(&mut self, place: AttributePlace, entry: &[u8]) {
        let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
        for field in Fields::new(entry) {
            let read = field.and_then(|field| match field.number {
                1 => field.bytes().map(|bytes| key = bytes),
                2 => field.bytes().map(|bytes| value = bytes),
                _ => Ok(()),
            });
            if read.is_err() {
                self.malformed += 1;
                return;
            }
        }
        let bytes = field_len(entry);
        self.attribute_bytes += bytes;
        self.table.add(place, key, value, bytes);
    }
}

/// Prints counts, never keys.
impl fmt::Debug for AttributeSketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttributeSketch")
            .field("spans", &self.spans)
            .field("bytes", &self.bytes)
            .field("keys", &self.table.entries().len())
            .finish_non_exhaustive()
    }
}

/// Bytes of a message as a field with a number below 16.
fn field_len(message: &[u8]) -> u64 {
    (1 + varint_len(message.len() as u64) + message.len()) as u64
}

/// A key as text that neither moves a terminal's cursor nor reorders a line.
fn printable(key: &[u8]) -> String {
    let is_deceptive = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let text = String::from_utf8_lossy(key);
    text.chars().map(|it| if is_deceptive(it) { '\u{fffd}' } else { it }).collect()
}

// opentelemetry/proto/trace/v1/trace.proto, common/v1/common.proto and resource/v1/resource.proto
const SPANS: u32 = 2;
const SPAN_ATTRIBUTES: u32 = 9;
const EVENTS: u32 = 11;
const LINKS: u32 = 13;
const RESOURCE_ATTRIBUTES: u32 = 1;
const SCOPE_OR_EVENT_ATTRIBUTES: u32 = 3;
const LINK_ATTRIBUTES: u32 = 4;
