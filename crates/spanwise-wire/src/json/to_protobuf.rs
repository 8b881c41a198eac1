//! From OTLP/JSON to OTLP protobuf.

use super::error::{JsonError, JsonProblem};
use super::scanner::{JsonString, Scan, Scanned, Scanner};
use crate::read::MAX_DEPTH;
use crate::write::{put_varint, varint_len};

/// Appends an `ExportTraceServiceRequest` (equally a `TracesData`), given as OTLP/JSON, to `out` as
/// protobuf of at most `max_bytes` bytes.
///
/// As the specification and ProtoJSON require of a reader: unknown fields are skipped, 64-bit integers
/// are accepted as numbers and as strings, ids in either case, base64 with either alphabet, and `null`
/// as the default. Field names in snake case are unknown fields. U+FFFD replaces half of a surrogate
/// pair.
///
/// # Errors
/// The text is not JSON, a field has a value that OTLP/JSON does not allow (the name of an enum, an id of
/// another length), values nest lists and maps deeper than [`MAX_DEPTH`], or the request has more than
/// `max_bytes` bytes as protobuf. The error has the position. Then `out` is as it was, except for its
/// capacity.
///
/// # Cost
/// One pass over the text. A message of 128 bytes or more is moved once for its length. Allocates by
/// growing `out`, which exceeds `max_bytes` by the longest string at most while it is written; and for
/// strings with escapes in place of ids and numbers.
pub fn to_protobuf(json: &[u8], max_bytes: usize, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let start = out.len();
    let mut reader = Reader { json: Scanner::new(json), out, start, max_bytes };
    let read = reader.message(Message::Request).and_then(|()| reader.json.end());
    if read.is_err() {
        out.truncate(start);
    }
    read
}

/// Transcodes one text.
struct Reader<'a, 'o> {
    json: Scanner<'a>,
    out: &'o mut Vec<u8>,
    /// The length of `out` in front of the request.
    start: usize,
    max_bytes: usize,
}

/// The messages whose fields are known by name. They are not recursive; values are read apart.
#[derive(Clone, Copy)]
enum Message {
    Request,
    ResourceSpans,
    Resource,
    EntityRef,
    ScopeSpans,
    Scope,
    Span,
    Event,
    Link,
    Status,
}

/// The type of a field, with its number.
#[derive(Clone, Copy)]
enum Field {
    Unknown,
    Text(u8),
    Texts(u8),
    Uint32(u8),
    Nanos(u8),
    Enum(u8),
    /// The flags of a span or a link: fixed, of 32 bits.
    Flags(u8),
    TraceId(u8),
    SpanId(u8),
    Attributes(u8),
    One(u8, Message),
    Many(u8, Message),
}

impl Message {
    /// The field of a name (opentelemetry/proto/{collector/trace,trace,resource,common}/v1/*.proto).
    fn field(self, name: &str) -> Field {
        match (self, name) {
            (Self::Request, "resourceSpans") => Field::Many(1, Self::ResourceSpans),

            (Self::ResourceSpans, "resource") => Field::One(1, Self::Resource),
            (Self::ResourceSpans, "scopeSpans") => Field::Many(2, Self::ScopeSpans),
            (Self::ResourceSpans | Self::ScopeSpans, "schemaUrl") => Field::Text(3),

            (Self::Resource, "attributes") => Field::Attributes(1),
            (Self::Resource, "droppedAttributesCount") => Field::Uint32(2),
            (Self::Resource, "entityRefs") => Field::Many(3, Self::EntityRef),

            (Self::EntityRef, "schemaUrl") => Field::Text(1),
            (Self::EntityRef, "type") => Field::Text(2),
            (Self::EntityRef, "idKeys") => Field::Texts(3),
            (Self::EntityRef, "descriptionKeys") => Field::Texts(4),

            (Self::ScopeSpans, "scope") => Field::One(1, Self::Scope),
            (Self::ScopeSpans, "spans") => Field::Many(2, Self::Span),

            (Self::Scope, "name") => Field::Text(1),
            (Self::Scope, "version") => Field::Text(2),
            (Self::Scope, "attributes") => Field::Attributes(3),
            (Self::Scope, "droppedAttributesCount") => Field::Uint32(4),

            (Self::Span, "traceId") => Field::TraceId(1),
            (Self::Span, "spanId") => Field::SpanId(2),
            (Self::Span, "traceState") => Field::Text(3),
            (Self::Span, "parentSpanId") => Field::SpanId(4),
            (Self::Span, "name") => Field::Text(5),
            (Self::Span, "kind") => Field::Enum(6),
            (Self::Span, "startTimeUnixNano") => Field::Nanos(7),
            (Self::Span, "endTimeUnixNano") => Field::Nanos(8),
            (Self::Span, "attributes") => Field::Attributes(9),
            (Self::Span, "droppedAttributesCount") => Field::Uint32(10),
            (Self::Span, "events") => Field::Many(11, Self::Event),
            (Self::Span, "droppedEventsCount") => Field::Uint32(12),
            (Self::Span, "links") => Field::Many(13, Self::Link),
            (Self::Span, "droppedLinksCount") => Field::Uint32(14),
            (Self::Span, "status") => Field::One(15, Self::Status),
            (Self::Span, "flags") => Field::Flags(16),

            (Self::Event, "timeUnixNano") => Field::Nanos(1),
            (Self::Event, "name") => Field::Text(2),
            (Self::Event, "attributes") => Field::Attributes(3),
            (Self::Event, "droppedAttributesCount") => Field::Uint32(4),

            (Self::Link, "traceId") => Field::TraceId(1),
            (Self::Link, "spanId") => Field::SpanId(2),
            (Self::Link, "traceState") => Field::Text(3),
            (Self::Link, "attributes") => Field::Attributes(4),
            (Self::Link, "droppedAttributesCount") => Field::Uint32(5),
            (Self::Link, "flags") => Field::Flags(6),

            (Self::Status, "message") => Field::Text(2),
            (Self::Status, "code") => Field::Enum(3),
            _ => Field::Unknown,
        }
    }
}

impl<'a> Reader<'a, '_> {
    /// Reads an object as the fields of `message`. Recurses as deep as the messages nest.
    fn message(&mut self, message: Message) -> Scanned<()> {
        self.object(|reader, name| reader.field(message.field(name)))
    }

    fn field(&mut self, field: Field) -> Scanned<()> {
        if matches!(field, Field::Unknown) {
            return self.json.skip();
        }
        if self.json.eat_null()? {
            return Ok(());
        }
        match field {
            Field::Unknown => {}
            Field::Text(number) => {
                let text = self.json.string()?;
                if !text.raw.is_empty() {
                    self.text(number, text)?;
                }
            }
            Field::Texts(number) => self.array(|reader| {
                let text = reader.json.string()?;
                reader.text(number, text)
            })?,
            Field::Uint32(number) => {
                let accepted = "an integer of 0 to 4294967295";
                let value = self.json.integer(0, u32::MAX.into(), accepted)?;
                self.varint(number, u64::try_from(value).unwrap_or_default());
            }
            Field::Nanos(number) => {
                let accepted = "an integer of 0 to 18446744073709551615, as a number or a string";
                let value = self.json.integer(0, u64::MAX.into(), accepted)?;
                let value = u64::try_from(value).unwrap_or_default();
                if value != 0 {
                    self.out.push(number << 3 | 1);
                    self.out.extend_from_slice(&value.to_le_bytes());
                }
            }
            Field::Enum(number) => {
                let value = self.json.enumeration()?;
                // protobuf extends the sign to 64 bits.
                self.varint(number, i64::from(value) as u64);
            }
            Field::Flags(number) => {
                let accepted = "an integer of 0 to 4294967295";
                let value = self.json.integer(0, u32::MAX.into(), accepted)?;
                let value = u32::try_from(value).unwrap_or_default();
                if value != 0 {
                    put_varint(self.out, u64::from(number) << 3 | 5);
                    self.out.extend_from_slice(&value.to_le_bytes());
                }
            }
            Field::TraceId(number) => {
                let id = self.json.id::<16>("an id of 32 hexadecimal digits")?;
                self.id(number, id.as_ref().map_or(&[], |id| id));
            }
            Field::SpanId(number) => {
                let id = self.json.id::<8>("an id of 16 hexadecimal digits")?;
                self.id(number, id.as_ref().map_or(&[], |id| id));
            }
            Field::Attributes(number) => self.array(|reader| reader.key_value(number, 0))?,
            Field::One(number, message) => {
                self.nested(number, |reader| reader.message(message))?;
            }
            Field::Many(number, message) => {
                self.array(|reader| reader.nested(number, |reader| reader.message(message)))?
            }
        }
        self.check()
    }

    fn id(&mut self, number: u8, id: &[u8]) {
        if !id.is_empty() {
            self.out.extend_from_slice(&[number << 3 | 2, id.len() as u8]);
            self.out.extend_from_slice(id);
        }
    }

    /// A varint, unless it is the default.
    fn varint(&mut self, number: u8, value: u64) {
        if value != 0 {
            self.out.push(number << 3);
            put_varint(self.out, value);
        }
    }

    fn text(&mut self, number: u8, text: JsonString<'a>) -> Scanned<()> {
        if text.has_escapes {
            return self.nested(number, |reader| {
                text.unescape_into(reader.out);
                Ok(())
            });
        }
        self.out.push(number << 3 | 2);
        put_varint(self.out, text.raw.len() as u64);
        self.out.extend_from_slice(text.raw.as_bytes());
        Ok(())
    }

    /// Reads a `KeyValue` as field `number`. `depth`: the levels of lists and maps around it.
    fn key_value(&mut self, number: u8, depth: u8) -> Scanned<()> {
        self.nested(number, |reader| {
            reader.object(|reader, name| match name {
                "key" => reader.field(Field::Text(1)),
                "value" => match reader.json.eat_null()? {
                    true => Ok(()),
                    false => reader.nested(2, |reader| reader.any_value(depth)),
                },
                _ => reader.json.skip(),
            })
        })
    }

    /// Reads an `AnyValue`. Recurses into lists and maps up to [`MAX_DEPTH`] levels.
    fn any_value(&mut self, depth: u8) -> Scanned<()> {
        self.object(|reader, name| {
            let is_known = matches!(
                name,
                "stringValue"
                    | "boolValue"
                    | "intValue"
                    | "doubleValue"
                    | "arrayValue"
                    | "kvlistValue"
                    | "bytesValue"
            );
            if !is_known {
                return reader.json.skip();
            }
            if reader.json.eat_null()? {
                return Ok(());
            }
            match name {
                "stringValue" => {
                    let text = reader.json.string()?;
                    reader.text(1, text)?;
                }
                "boolValue" => {
                    let value = reader.json.bool()?;
                    reader.out.extend_from_slice(&[2 << 3, u8::from(value)]);
                }
                "intValue" => {
                    let accepted = "an integer of 64 bits, as a number or a string";
                    let value = reader.json.integer(i64::MIN.into(), i64::MAX.into(), accepted)?;
                    reader.out.push(3 << 3);
                    put_varint(reader.out, i64::try_from(value).unwrap_or_default() as u64);
                }
                "doubleValue" => {
                    let value = reader.json.double()?;
                    reader.out.push(4 << 3 | 1);
                    reader.out.extend_from_slice(&value.to_le_bytes());
                }
                "bytesValue" => {
                    reader.nested(7, |reader| reader.json.base64_into(reader.out))?;
                }
                "arrayValue" => {
                    let depth = reader.deeper(depth)?;
                    reader.nested(5, |reader| {
                        reader.values(|reader| reader.nested(1, |reader| reader.any_value(depth)))
                    })?;
                }
                _ => {
                    let depth = reader.deeper(depth)?;
                    reader
                        .nested(6, |reader| reader.values(|reader| reader.key_value(1, depth)))?;
                }
            }
            reader.check()
        })
    }

    /// Reads the member `values` of an `ArrayValue` or a `KeyValueList`.
    fn values(&mut self, mut element: impl FnMut(&mut Self) -> Scanned<()>) -> Scanned<()> {
        self.object(|reader, name| match name {
            "values" => match reader.json.eat_null()? {
                true => Ok(()),
                false => reader.array(&mut element),
            },
            _ => reader.json.skip(),
        })
    }

    fn deeper(&self, depth: u8) -> Scanned<u8> {
        if depth < MAX_DEPTH { Ok(depth + 1) } else { self.json.error(JsonProblem::Depth) }
    }

    fn check(&self) -> Scanned<()> {
        if self.out.len() - self.start > self.max_bytes {
            return self.json.error(JsonProblem::TooLarge { max_bytes: self.max_bytes });
        }
        Ok(())
    }

    /// Writes a nested message (or a string) whose length is known after `body`: one byte is reserved for
    /// the length, and a message of 128 bytes or more is moved.
    fn nested(&mut self, number: u8, body: impl FnOnce(&mut Self) -> Scanned<()>) -> Scanned<()> {
        self.out.extend_from_slice(&[number << 3 | 2, 0]);
        let start = self.out.len();
        body(self)?;
        let len = self.out.len() - start;
        let extra = varint_len(len as u64) - 1;
        if extra > 0 {
            self.out.resize(self.out.len() + extra, 0);
            self.out.copy_within(start..start + len, start + extra);
        }
        let mut value = len as u64;
        for (at, byte) in self.out.iter_mut().skip(start - 1).take(extra + 1).enumerate() {
            *byte = value as u8 & 0x7f | if at < extra { 0x80 } else { 0 };
            value >>= 7;
        }
        Ok(())
    }
}

impl<'a> Scan<'a> for Reader<'a, '_> {
    fn scanner(&mut self) -> &mut Scanner<'a> {
        &mut self.json
    }
}
