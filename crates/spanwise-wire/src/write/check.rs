//! Validation of an `AnyValue` message that foreign code wrote.

use crate::read::{Field, Fields, MAX_DEPTH, WireError};

/// Whether `bytes` are an `AnyValue` that a receiver accepts.
///
/// A receiver rejects a whole request for one malformed message, so the writer validates all foreign
/// bytes: fields have their wire type of OTLP, strings are UTF-8, and messages nest no deeper than
/// receivers accept. Unknown fields pass.
pub(super) fn is_any_value(bytes: &[u8]) -> bool {
    any_value(bytes, MAX_MESSAGES).is_ok()
}

fn any_value(message: &[u8], messages: u8) -> Result<(), WireError> {
    each_field(message, |field| match field.number {
        1 => is_text(field),
        2 | 3 | 8 => field.varint().map(drop),
        4 => field.fixed64().map(drop),
        5 => array(field.bytes()?, deeper(messages, 2)?),
        6 => map(field.bytes()?, deeper(messages, 3)?),
        7 => field.bytes().map(drop),
        _ => Ok(()),
    })
}

fn array(message: &[u8], messages: u8) -> Result<(), WireError> {
    each_field(message, |field| match field.number {
        1 => any_value(field.bytes()?, messages),
        _ => Ok(()),
    })
}

fn map(message: &[u8], messages: u8) -> Result<(), WireError> {
    each_field(message, |field| match field.number {
        1 => key_value(field.bytes()?, messages),
        _ => Ok(()),
    })
}

fn key_value(message: &[u8], messages: u8) -> Result<(), WireError> {
    each_field(message, |field| match field.number {
        1 => is_text(field),
        2 => any_value(field.bytes()?, messages),
        3 => field.varint().map(drop),
        _ => Ok(()),
    })
}

fn each_field<'a>(
    message: &'a [u8],
    mut check: impl FnMut(Field<'a>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    Fields::new(message).try_for_each(|field| check(field?))
}

fn is_text(field: Field<'_>) -> Result<(), WireError> {
    std::str::from_utf8(field.bytes()?).map(drop).map_err(|_| WireError::Utf8)
}

fn deeper(messages: u8, more: u8) -> Result<u8, WireError> {
    messages.checked_sub(more).ok_or(WireError::Depth)
}

/// Levels of messages below an `AnyValue`. An array is two levels, a map three. Common readers accept
/// a hundred levels, of which the span around the value takes up to six.
const MAX_MESSAGES: u8 = 2 * MAX_DEPTH;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::varint::put_message;

    fn nested(levels: usize, tags: &[u8]) -> Vec<u8> {
        fn put(out: &mut Vec<u8>, tags: &[u8]) {
            if let Some((&tag, rest)) = tags.split_first() {
                put_message(out, tag, |out| put(out, rest));
            }
        }
        let mut out = Vec::new();
        put(&mut out, &tags.repeat(levels));
        out
    }

    #[test]
    fn values_and_what_is_none() {
        let good: &[&[u8]] = &[
            b"",
            b"\x0a\x02ok",
            &[0x10, 1],
            &[0x18, 0xff, 1],
            &[0x21, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x2a, 0],
            &[0x2a, 2, 0x0a, 0],
            b"\x32\x0a\x0a\x08\x0a\x01k\x12\x03\x0a\x01v",
            b"\x3a\x02\xff\xfe",
            // A field of a later version.
            &[0x7a, 1, 0xff],
        ];
        for value in good {
            assert!(is_any_value(value), "{value:02x?}");
        }
        let bad: &[&[u8]] = &[
            &[0x0a],
            &[0x0a, 2, b'x'],
            &[0x0a, 1, 0xff],
            &[0x08, 1],
            &[0x12, 0],
            &[0x20, 0],
            &[0x28, 0],
            &[0x2a, 1, 0x0a],
            &[0x2a, 3, 0x0a, 1, 0x0a],
            &[0x2a, 2, 0x08, 0],
            b"\x32\x04\x0a\x02\x0a\x05",
            b"\x32\x05\x0a\x03\x0a\x01\xff",
            &[0x38, 0],
            &[0, 0],
            &[0x7b],
        ];
        for value in bad {
            assert!(!is_any_value(value), "{value:02x?}");
        }
    }

    #[test]
    fn values_deeper_than_the_limit_are_rejected() {
        let levels = usize::from(MAX_DEPTH);
        assert!(is_any_value(&nested(levels, &[0x2a, 0x0a])));
        assert!(!is_any_value(&nested(levels + 1, &[0x2a, 0x0a])));
        assert!(is_any_value(&nested(levels * 2 / 3, &[0x32, 0x0a, 0x12])));
        assert!(!is_any_value(&nested(levels * 2 / 3 + 1, &[0x32, 0x0a, 0x12])));
    }
}
