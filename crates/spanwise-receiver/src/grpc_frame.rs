//! The length-prefixed message of gRPC.

use bytes::Bytes;

use crate::refusal::{CUT_SHORT, Refusal};

/// Removes the prefix of a gRPC message; also returns its compressed flag.
pub(crate) fn unframe(mut body: Bytes) -> Result<(bool, Bytes), Refusal> {
    let expected = prefixed_len(&body).ok_or(Refusal::Broken("no gRPC message"))?;
    let compressed = match body[0] {
        0 => false,
        1 => true,
        _ => return Err(Refusal::Broken("not a gRPC message")),
    };
    if body.len() < expected {
        return Err(Refusal::Broken(CUT_SHORT));
    }
    if body.len() > expected {
        return Err(Refusal::Broken("more than one gRPC message"));
    }
    Ok((compressed, body.split_off(PREFIX)))
}

/// Length of the gRPC message that starts with `bytes`, its prefix included.
pub(crate) fn prefixed_len(bytes: &[u8]) -> Option<usize> {
    let &[_, a, b, c, d] = bytes.first_chunk()?;
    (u32::from_be_bytes([a, b, c, d]) as usize).checked_add(PREFIX)
}

/// Bytes of the compressed flag and the length.
pub(crate) const PREFIX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unframe_accepts_exactly_one_message() {
        type Read = Result<(bool, &'static [u8]), ()>;
        let table: &[(&'static [u8], Read)] = &[
            (b"\0\0\0\0\0", Ok((false, b""))),
            (b"\0\0\0\0\x02ab", Ok((false, b"ab"))),
            (b"\x01\0\0\0\x02ab", Ok((true, b"ab"))),
            (b"\x02\0\0\0\x02ab", Err(())),
            (b"\0\0\0\0\x02a", Err(())),
            (b"\0\0\0\0\x02abc", Err(())),
            (b"\0\0\0\0", Err(())),
            (b"", Err(())),
        ];
        for (bytes, expected) in table {
            let read = unframe(Bytes::from_static(bytes)).map_err(|_| ());
            assert_eq!(read, expected.map(|(flag, body)| (flag, Bytes::copy_from_slice(body))));
        }
    }
}
