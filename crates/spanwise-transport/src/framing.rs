//! The five-byte prefix of a gRPC message, reserved at the front of every request buffer.

use bytes::Bytes;

/// The length of the gRPC message prefix: `RequestLimits::with_prefix` of `spanwise-wire` reserves it
/// in front of a message, so that the message can be sent without a copy.
///
/// gRPC writes a flag and a big-endian length there; HTTP sends the bytes that follow.
pub const PREFIX: usize = 5;

/// Writes the gRPC prefix of an uncompressed message into the first [`PREFIX`] bytes of `buf`,
/// whose other bytes are the message.
///
/// Does nothing when `buf` is shorter than [`PREFIX`], or the message length exceeds `u32`.
pub(crate) fn write_prefix(buf: &mut [u8]) {
    let len = buf.len();
    if let (Some(prefix), Some(head)) = (prefix(len, false), buf.first_chunk_mut::<PREFIX>()) {
        *head = prefix;
    }
}

/// The gRPC prefix for `framed_len` bytes of prefix and message; `None` when the message length
/// exceeds `u32`.
pub(crate) fn prefix(framed_len: usize, gzip: bool) -> Option<[u8; PREFIX]> {
    let len = u32::try_from(framed_len.checked_sub(PREFIX)?).ok()?;
    let [a, b, c, d] = len.to_be_bytes();
    Some([u8::from(gzip), a, b, c, d])
}

/// The message of a unary gRPC response, and whether it is compressed.
///
/// `None` when `body` is not exactly one framed message.
pub(crate) fn message(body: &Bytes) -> Option<(Bytes, bool)> {
    let &[flag, ref len @ ..] = body.first_chunk::<PREFIX>()?;
    let message = body.slice(PREFIX..);
    let whole = u32::from_be_bytes(*len) as usize == message.len();
    (whole && flag <= 1).then_some((message, flag == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_flag_and_big_endian_length() {
        let mut buf = vec![0xff; PREFIX + 0x0102];
        write_prefix(&mut buf);
        assert_eq!(buf[..PREFIX], [0, 0, 0, 1, 2]);
        assert_eq!(buf[PREFIX..], [0xff; 0x0102]);
        write_prefix(&mut buf[..4]);
        assert_eq!(prefix(4, false), None);
        assert_eq!(prefix(PREFIX, true), Some([1, 0, 0, 0, 0]));
        assert_eq!(prefix(PREFIX + (1 << 32), false), None);
    }

    #[test]
    fn only_one_whole_message_is_an_answer() {
        let cases = [
            (&b""[..], None),
            (&[0, 0, 0, 0], None),
            (&[0, 0, 0, 0, 0], Some((&b""[..], false))),
            (&[1, 0, 0, 0, 1, 9], Some((&[9], true))),
            (&[0, 0, 0, 0, 2, 9], None),
            (&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0], None),
            (&[2, 0, 0, 0, 0], None),
            (&[0, 0xff, 0xff, 0xff, 0xff, 1], None),
        ];
        for (body, expected) in cases {
            let read = message(&Bytes::copy_from_slice(body));
            let read = read.as_ref().map(|(m, gzip)| (&m[..], *gzip));
            assert_eq!(read, expected, "{body:?}");
        }
    }
}
