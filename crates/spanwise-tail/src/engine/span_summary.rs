//! The fields of a span that are counted while its trace waits, read in one pass.

use spanwise_wire::read::{Field, Fields, WireError};

use crate::trace_view::Flags;

/// The fields of a span that the table of traces counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanSummary {
    /// `None` if the id does not have 16 bytes.
    pub(crate) trace_id: Option<[u8; 16]>,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) flags: Flags,
    /// Without a parent, or with an id of zeros.
    pub(crate) is_root: bool,
}

/// The fields while they are read; of a field that occurs twice the last occurrence counts.
#[derive(Default)]
struct Reader<'a> {
    trace_id: &'a [u8],
    parent: &'a [u8],
    start: u64,
    end: u64,
    status: i32,
    flags: u32,
}

impl SpanSummary {
    /// Reads the bytes of a `Span`, with the checks of [`SpanView::parse`](spanwise_wire::read::SpanView::parse).
    pub(crate) fn read(span: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::default();
        let mut rest = span;
        while let Some(key) = rest.first() {
            // Half of the fields are attributes, one behind the other.
            if let [ATTRIBUTES, len @ ..0x80, behind @ ..] = rest
                && let Some((_, behind)) = behind.split_at_checked(usize::from(*len))
            {
                rest = behind;
                continue;
            }
            rest = match (*key, rest) {
                // Most fields are strings or messages; only those of 128 bytes and more have a longer length.
                (key, [_, len @ ..0x80, behind @ ..]) if is_message(key) => {
                    let (bytes, rest) =
                        behind.split_at_checked(usize::from(*len)).ok_or(WireError::Truncated)?;
                    match key {
                        TRACE_ID => reader.trace_id = bytes,
                        PARENT => reader.parent = bytes,
                        STATUS => reader.read_status(bytes)?,
                        _ => {}
                    }
                    rest
                }
                (START, [_, behind @ ..]) => {
                    let (value, rest) = behind.split_first_chunk().ok_or(WireError::Truncated)?;
                    reader.start = u64::from_le_bytes(*value);
                    rest
                }
                (END, [_, behind @ ..]) => {
                    let (value, rest) = behind.split_first_chunk().ok_or(WireError::Truncated)?;
                    reader.end = u64::from_le_bytes(*value);
                    rest
                }
                (KIND, [_, ..0x80, rest @ ..]) => rest,
                (FLAGS, [_, FLAGS_HIGH, a, b, c, d, rest @ ..]) => {
                    reader.flags = u32::from_le_bytes([*a, *b, *c, *d]);
                    rest
                }
                _ => reader.read_any(rest)?,
            };
        }
        Ok(reader.summary())
    }
}

impl<'a> Reader<'a> {
    /// Reads one field of any form.
    #[inline(never)]
    fn read_any(&mut self, rest: &'a [u8]) -> Result<&'a [u8], WireError> {
        let mut fields = Fields::new(rest);
        if let Some(field) = fields.next() {
            self.put(field?)?;
        }
        Ok(fields.rest())
    }

    fn put(&mut self, field: Field<'a>) -> Result<(), WireError> {
        match field.number {
            1 => self.trace_id = field.bytes()?,
            2 | 3 | 5 | 9 | 11 | 13 => _ = field.bytes()?,
            4 => self.parent = field.bytes()?,
            6 | 10 | 12 | 14 => _ = field.varint()?,
            7 => self.start = field.fixed64()?,
            8 => self.end = field.fixed64()?,
            15 => self.read_status(field.bytes()?)?,
            16 => self.flags = field.fixed32()?,
            _ => {}
        }
        Ok(())
    }

    fn read_status(&mut self, status: &'a [u8]) -> Result<(), WireError> {
        for field in Fields::new(status) {
            let field = field?;
            match field.number {
                2 => _ = field.bytes()?,
                3 => self.status = field.varint()? as i32,
                _ => {}
            }
        }
        Ok(())
    }

    fn summary(&self) -> SpanSummary {
        let Self { trace_id, parent, start, end, status, flags } = *self;
        SpanSummary {
            trace_id: trace_id.try_into().ok(),
            start,
            end,
            flags: Flags::new(status, (start, end), flags),
            is_root: parent.is_empty() || *parent == [0; 8],
        }
    }
}

/// Whether a key is that of a known field of wire type 2.
#[inline]
fn is_message(key: u8) -> bool {
    matches!(key, TRACE_ID | 0x12 | 0x1a | PARENT | 0x2a | ATTRIBUTES | 0x5a | 0x6a | STATUS)
}

// opentelemetry/proto/trace/v1/trace.proto: keys of one byte, and the two bytes of `flags`.
const TRACE_ID: u8 = 0x0a;
const PARENT: u8 = 0x22;
const KIND: u8 = 0x30;
const START: u8 = 0x39;
const END: u8 = 0x41;
const ATTRIBUTES: u8 = 0x4a;
const STATUS: u8 = 0x7a;
const FLAGS: u8 = 0x85;
const FLAGS_HIGH: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::*;
    use spanwise_wire::read::SpanView;

    fn expected(span: &[u8]) -> Result<SpanSummary, WireError> {
        let view = SpanView::parse(span)?;
        Ok(SpanSummary {
            trace_id: view.trace_id(),
            start: view.start_unix_nanos(),
            end: view.end_unix_nanos(),
            flags: Flags::of(&view),
            is_root: view.is_root() || view.parent_span_id() == Some([0; 8]),
        })
    }

    #[test]
    fn a_summary_is_what_the_view_of_the_span_shows() {
        let mut state = 1u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        let pieces: [&[u8]; 21] = [
            &[0x0a, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
            &[0x0a, 2, 1, 2],
            &[0x12, 8, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0x1a, 0],
            &[0x22, 8, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x22, 8, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0x22, 0],
            &[0x2a, 1, b'n'],
            &[0x2a, 0x81, 0, b'n'],
            &[0x30, 3],
            &[0x30, 0x83, 0],
            &[0x39, 9, 0, 0, 0, 0, 0, 0, 0],
            &[0x41, 10, 0, 0, 0, 0, 0, 0, 0x80],
            &[0x41, 3, 0, 0, 0, 0, 0, 0, 0],
            &[0x4a, 4, 1, 2, 3, 4],
            &[0x50, 1],
            &[0x7a, 2, 0x18, 2],
            &[0x7a, 5, 0x12, 1, b'm', 0x18, 1],
            &[0x7a, 2, 0x18],
            &[0x85, 1, 1, 1, 0, 0],
            &[0xf8, 1, 5],
        ];
        let (mut readable, mut malformed) = (0, 0);
        for _ in 0..20_000 {
            let mut span: Vec<u8> =
                (0..next(8)).flat_map(|_| pieces[next(pieces.len())].iter().copied()).collect();
            if next(4) == 0 && !span.is_empty() {
                let at = next(span.len());
                span[at] = next(256) as u8;
                span.truncate(span.len() - next(2));
            }
            let found = SpanSummary::read(&span);
            assert_eq!(found, expected(&span), "{span:?}");
            *if found.is_ok() { &mut readable } else { &mut malformed } += 1;
        }
        assert!(readable > 5_000 && malformed > 1_000, "{readable} {malformed}");
    }
}
