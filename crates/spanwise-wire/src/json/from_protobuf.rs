//! From OTLP protobuf to OTLP/JSON.

use super::encoder::{Encoded, Encoder};
use super::error::FromProtobufError;
use super::repeated::Repeated;
use crate::read::{Field, Fields};

/// Appends an `ExportTraceServiceRequest` (equally a `TracesData`), given as protobuf, to `out` as
/// OTLP/JSON of at most `max_bytes` bytes, on one line.
///
/// Fields with their default value are left out, except the key and the value of an attribute and the
/// elements of a list; unknown fields too. U+FFFD replaces bytes of a string that are not UTF-8. A
/// singular field that occurs several times counts with its last value.
///
/// # Errors
/// The bytes are not the message, nest lists and maps deeper than
/// [`MAX_DEPTH`](crate::read::MAX_DEPTH), or have more than
/// `max_bytes` bytes as JSON. Then `out` is as it was, except for its capacity.
///
/// # Cost
/// One pass over the bytes, and a second one over attributes, events and links. Allocates only by
/// growing `out`, which exceeds `max_bytes` by 1 KiB at most while it is written.
pub fn from_protobuf(
    request: &[u8],
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), FromProtobufError> {
    let start = out.len();
    let mut json = Encoder::new(out, max_bytes);
    let encoded = json.request(request).and_then(|()| json.check(0));
    if encoded.is_err() {
        out.truncate(start);
    }
    encoded
}

// Field numbers are those of opentelemetry/proto/{trace,common,resource}/v1/*.proto.
impl Encoder<'_> {
    fn request(&mut self, message: &[u8]) -> Encoded {
        self.raw(b"{\"resourceSpans\":[");
        for field in Fields::new(message) {
            let field = field?;
            if field.number == 1 {
                self.resource_spans(field.bytes()?)?;
            }
        }
        self.close(b']');
        self.close(b'}');
        Ok(())
    }

    fn resource_spans(&mut self, message: &[u8]) -> Encoded {
        let (mut resource, mut scopes, mut schema_url) = (None, Repeated::default(), &[][..]);
        each_field(message, |rest, field| {
            match field.number {
                1 => resource = Some(field.bytes()?),
                2 => scopes.count(rest, field.bytes())?,
                3 => schema_url = field.bytes()?,
                _ => {}
            }
            Ok(())
        })?;
        self.check(0)?;
        self.raw(b"{");
        if let Some(resource) = resource {
            self.raw(b"\"resource\":{");
            self.resource(resource)?;
            self.end_entry();
        }
        self.list(b"\"scopeSpans\":[", scopes, 2, Self::scope_spans)?;
        self.string_member(b"\"schemaUrl\":\"", schema_url)?;
        self.end_entry();
        Ok(())
    }

    fn resource(&mut self, message: &[u8]) -> Encoded {
        let (mut attributes, mut entities) = (Repeated::default(), Repeated::default());
        let mut dropped = 0;
        each_field(message, |rest, field| {
            match field.number {
                1 => attributes.count(rest, field.bytes())?,
                2 => dropped = uint32(field.varint()?),
                3 => entities.count(rest, field.bytes())?,
                _ => {}
            }
            Ok(())
        })?;
        self.attributes(attributes, 1)?;
        self.number_member(b"\"droppedAttributesCount\":", dropped);
        self.list(b"\"entityRefs\":[", entities, 3, Self::entity_ref)
    }

    fn entity_ref(&mut self, message: &[u8]) -> Encoded {
        let (mut schema_url, mut kind) = (&[][..], &[][..]);
        let (mut id_keys, mut description_keys) = (Repeated::default(), Repeated::default());
        each_field(message, |rest, field| {
            match field.number {
                1 => schema_url = field.bytes()?,
                2 => kind = field.bytes()?,
                3 => id_keys.count(rest, field.bytes())?,
                4 => description_keys.count(rest, field.bytes())?,
                _ => {}
            }
            Ok(())
        })?;
        self.check(0)?;
        self.raw(b"{");
        self.string_member(b"\"schemaUrl\":\"", schema_url)?;
        self.string_member(b"\"type\":\"", kind)?;
        self.list(b"\"idKeys\":[", id_keys, 3, Self::string_element)?;
        self.list(b"\"descriptionKeys\":[", description_keys, 4, Self::string_element)?;
        self.end_entry();
        Ok(())
    }

    fn string_element(&mut self, text: &[u8]) -> Encoded {
        self.raw(b"\"");
        self.string(text)?;
        self.raw(b"\",");
        Ok(())
    }

    fn scope_spans(&mut self, message: &[u8]) -> Encoded {
        let (mut scope, mut spans, mut schema_url) = (None, Repeated::default(), &[][..]);
        each_field(message, |rest, field| {
            match field.number {
                1 => scope = Some(field.bytes()?),
                2 => spans.count(rest, field.bytes())?,
                3 => schema_url = field.bytes()?,
                _ => {}
            }
            Ok(())
        })?;
        self.check(0)?;
        self.raw(b"{");
        if let Some(scope) = scope {
            self.raw(b"\"scope\":{");
            self.scope(scope)?;
            self.end_entry();
        }
        self.list(b"\"spans\":[", spans, 2, Self::span)?;
        self.string_member(b"\"schemaUrl\":\"", schema_url)?;
        self.end_entry();
        Ok(())
    }

    fn scope(&mut self, message: &[u8]) -> Encoded {
        let (mut name, mut version, mut dropped) = (&[][..], &[][..], 0);
        let mut attributes = Repeated::default();
        each_field(message, |rest, field| {
            match field.number {
                1 => name = field.bytes()?,
                2 => version = field.bytes()?,
                3 => attributes.count(rest, field.bytes())?,
                4 => dropped = uint32(field.varint()?),
                _ => {}
            }
            Ok(())
        })?;
        self.string_member(b"\"name\":\"", name)?;
        self.string_member(b"\"version\":\"", version)?;
        self.attributes(attributes, 3)?;
        self.number_member(b"\"droppedAttributesCount\":", dropped);
        Ok(())
    }

    fn span(&mut self, message: &[u8]) -> Encoded {
        let [mut trace_id, mut span_id, mut parent_span_id] = [&[][..]; 3];
        let (mut trace_state, mut name, mut status) = (&[][..], &[][..], None);
        let (mut kind, mut flags, mut start, mut end) = (0, 0, 0, 0);
        let [mut attributes, mut events, mut links] = [Repeated::default(); 3];
        let [mut dropped_attributes, mut dropped_events, mut dropped_links] = [0; 3];
        each_field(message, |rest, field| {
            match field.number {
                1 => trace_id = field.bytes()?,
                2 => span_id = field.bytes()?,
                3 => trace_state = field.bytes()?,
                4 => parent_span_id = field.bytes()?,
                5 => name = field.bytes()?,
                6 => kind = int32(field.varint()?),
                7 => start = field.fixed64()?,
                8 => end = field.fixed64()?,
                9 => attributes.count(rest, field.bytes())?,
                10 => dropped_attributes = uint32(field.varint()?),
                11 => events.count(rest, field.bytes())?,
                12 => dropped_events = uint32(field.varint()?),
                13 => links.count(rest, field.bytes())?,
                14 => dropped_links = uint32(field.varint()?),
                15 => status = Some(field.bytes()?),
                16 => flags = i64::from(field.fixed32()?),
                _ => {}
            }
            Ok(())
        })?;
        self.check(0)?;
        self.raw(b"{");
        self.hex_member(b"\"traceId\":", trace_id)?;
        self.hex_member(b"\"spanId\":", span_id)?;
        self.string_member(b"\"traceState\":\"", trace_state)?;
        self.hex_member(b"\"parentSpanId\":", parent_span_id)?;
        self.number_member(b"\"flags\":", flags);
        self.string_member(b"\"name\":\"", name)?;
        self.number_member(b"\"kind\":", kind);
        self.nanos_member(b"\"startTimeUnixNano\":\"", start);
        self.nanos_member(b"\"endTimeUnixNano\":\"", end);
        self.attributes(attributes, 9)?;
        self.number_member(b"\"droppedAttributesCount\":", dropped_attributes);
        self.list(b"\"events\":[", events, 11, Self::event)?;
        self.number_member(b"\"droppedEventsCount\":", dropped_events);
        self.list(b"\"links\":[", links, 13, Self::link)?;
        self.number_member(b"\"droppedLinksCount\":", dropped_links);
        if let Some(status) = status {
            self.status(status)?;
        }
        self.end_entry();
        Ok(())
    }

    fn event(&mut self, message: &[u8]) -> Encoded {
        let (mut time, mut name, mut dropped) = (0, &[][..], 0);
        let mut attributes = Repeated::default();
        each_field(message, |rest, field| {
            match field.number {
                1 => time = field.fixed64()?,
                2 => name = field.bytes()?,
                3 => attributes.count(rest, field.bytes())?,
                4 => dropped = uint32(field.varint()?),
                _ => {}
            }
            Ok(())
        })?;
        self.check(0)?;
        self.raw(b"{");
        self.nanos_member(b"\"timeUnixNano\":\"", time);
        self.string_member(b"\"name\":\"", name)?;
        self.attributes(attributes, 3)?;
        self.number_member(b"\"droppedAttributesCount\":", dropped);
        self.end_entry();
        Ok(())
    }

    fn link(&mut self, message: &[u8]) -> Encoded {
        let [mut trace_id, mut span_id, mut trace_state] = [&[][..]; 3];
        let (mut attributes, mut dropped, mut flags) = (Repeated::default(), 0, 0);
        each_field(message, |rest, field| {
            match field.number {
                1 => trace_id = field.bytes()?,
                2 => span_id = field.bytes()?,
                3 => trace_state = field.bytes()?,
                4 => attributes.count(rest, field.bytes())?,
                5 => dropped = uint32(field.varint()?),
                6 => flags = i64::from(field.fixed32()?),
                _ => {}
            }
            Ok(())
        })?;
        self.check(0)?;
        self.raw(b"{");
        self.hex_member(b"\"traceId\":", trace_id)?;
        self.hex_member(b"\"spanId\":", span_id)?;
        self.string_member(b"\"traceState\":\"", trace_state)?;
        self.attributes(attributes, 4)?;
        self.number_member(b"\"droppedAttributesCount\":", dropped);
        self.number_member(b"\"flags\":", flags);
        self.end_entry();
        Ok(())
    }

    fn status(&mut self, message: &[u8]) -> Encoded {
        let (mut text, mut code) = (&[][..], 0);
        each_field(message, |_, field| {
            match field.number {
                2 => text = field.bytes()?,
                3 => code = int32(field.varint()?),
                _ => {}
            }
            Ok(())
        })?;
        self.raw(b"\"status\":{");
        self.string_member(b"\"message\":\"", text)?;
        self.number_member(b"\"code\":", code);
        self.end_entry();
        Ok(())
    }

    /// Appends `name`, which ends with the bracket of an array, and an element for each of the fields with this
    /// `number`; nothing for none.
    #[inline(always)]
    pub(super) fn list<'m, const N: usize>(
        &mut self,
        name: &'static [u8; N],
        fields: Repeated<'m>,
        number: u32,
        mut element: impl FnMut(&mut Self, &'m [u8]) -> Encoded,
    ) -> Encoded {
        if fields.count > 0 {
            self.raw(name);
            fields.iter(number).try_for_each(|message| element(self, message))?;
            self.close(b']');
            self.raw(b",");
        }
        Ok(())
    }

    /// Ends an object that is an element or a member.
    #[inline(always)]
    fn end_entry(&mut self) {
        self.close(b'}');
        self.raw(b",");
    }
}

/// Calls `read` for each field of a message, with the message from the field on.
#[inline(always)]
fn each_field<'m>(
    message: &'m [u8],
    mut read: impl FnMut(&'m [u8], Field<'m>) -> Encoded,
) -> Encoded {
    let mut fields = Fields::new(message);
    while let (rest, Some(field)) = (fields.rest(), fields.next()) {
        read(rest, field?)?;
    }
    Ok(())
}

/// An enum: protobuf keeps the low 32 bits of the varint.
fn int32(varint: u64) -> i64 {
    i64::from(varint as i32)
}

fn uint32(varint: u64) -> i64 {
    i64::from(varint as u32)
}
