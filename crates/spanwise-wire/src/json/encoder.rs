//! The pieces of JSON text.

use std::io::Write as _;

use super::error::FromProtobufError;

/// Appends JSON to a buffer, within a limit.
///
/// A member or an element ends with a comma, which [`close`](Self::close) replaces by the bracket: no
/// piece has to know whether another one precedes it.
pub(super) struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    /// The length of `out` in front of the text.
    start: usize,
    max_bytes: usize,
}

pub(super) type Encoded = Result<(), FromProtobufError>;

impl<'o> Encoder<'o> {
    /// Appends at most `max_bytes` to `out`.
    pub(super) fn new(out: &'o mut Vec<u8>, max_bytes: usize) -> Self {
        Self { start: out.len(), out, max_bytes }
    }

    /// Appends text as it is.
    #[inline(always)]
    pub(super) fn raw(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    /// Ends an object or an array.
    #[inline(always)]
    pub(super) fn close(&mut self, bracket: u8) {
        match self.out.last_mut() {
            // No value ends with a comma: that of a string is in front of its quote.
            Some(last) if *last == b',' => *last = bracket,
            _ => self.out.push(bracket),
        }
    }

    /// Checks the limit, before the caller appends `len` bytes or more.
    ///
    /// Every entry of a list and every string calls it, so that the buffer exceeds the limit by the
    /// names of a message at most.
    #[inline(always)]
    pub(super) fn check(&self, len: usize) -> Encoded {
        if (self.out.len() - self.start).saturating_add(len) > self.max_bytes {
            return Err(self.too_large());
        }
        Ok(())
    }

    #[cold]
    fn too_large(&self) -> FromProtobufError {
        FromProtobufError::TooLarge { max_bytes: self.max_bytes }
    }

    /// Appends `name`, which ends with a quote, and a string; nothing for an empty one.
    ///
    /// The length of the name is known to the compiler here and below: its copy is a few stores.
    #[inline(always)]
    pub(super) fn string_member<const N: usize>(
        &mut self,
        name: &'static [u8; N],
        text: &[u8],
    ) -> Encoded {
        if !text.is_empty() {
            self.raw(name);
            self.string(text)?;
            self.raw(b"\",");
        }
        Ok(())
    }

    /// Appends `name` with its colon, and bytes in hexadecimal; nothing for none.
    #[inline(always)]
    pub(super) fn hex_member<const N: usize>(
        &mut self,
        name: &'static [u8; N],
        id: &[u8],
    ) -> Encoded {
        if id.is_empty() {
            return Ok(());
        }
        self.raw(name);
        if let Ok(id) = <&[u8; 16]>::try_from(id) {
            self.raw(&quoted_hex::<16, 35>(id));
        } else if let Ok(id) = <&[u8; 8]>::try_from(id) {
            self.raw(&quoted_hex::<8, 19>(id));
        } else {
            self.check(id.len().saturating_mul(2))?;
            self.raw(b"\"");
            id.iter().for_each(|byte| self.raw(&HEX[usize::from(*byte)]));
            self.raw(b"\",");
        }
        Ok(())
    }

    /// Appends `name` with its colon, and an integer; nothing for 0.
    #[inline(always)]
    pub(super) fn number_member<const N: usize>(&mut self, name: &'static [u8; N], value: i64) {
        if value != 0 {
            self.raw(name);
            self.integer(value);
            self.raw(b",");
        }
    }

    /// Appends `name`, which ends with a quote, and an unsigned 64-bit integer as a string; nothing for 0.
    #[inline(always)]
    pub(super) fn nanos_member<const N: usize>(&mut self, name: &'static [u8; N], value: u64) {
        if value != 0 {
            self.raw(name);
            self.unsigned(value);
            self.raw(b"\",");
        }
    }

    /// Appends an integer.
    #[inline]
    pub(super) fn integer(&mut self, value: i64) {
        if value < 0 {
            self.raw(b"-");
        }
        self.unsigned(value.unsigned_abs());
    }

    /// Appends an unsigned integer.
    #[inline]
    pub(super) fn unsigned(&mut self, value: u64) {
        if value < 100 {
            let skipped = usize::from(value < 10);
            return self.raw(&pair(value as u32)[skipped..]);
        }
        if value < 10_000 {
            let [[a, b], [c, d]] = [pair(value as u32 / 100), pair(value as u32 % 100)];
            return self.raw(&[a, b, c, d][usize::from(value < 1000)..]);
        }
        let mut digits = [0; 24];
        let (groups, _) = digits.as_chunks_mut::<8>();
        if let [high, middle, low] = groups {
            // 32 bits a group: their divisions are cheaper.
            *low = eight_digits((value % EIGHT) as u32);
            *middle = eight_digits((value / EIGHT % EIGHT) as u32);
            *high = eight_digits((value / EIGHT / EIGHT) as u32);
        }
        let zeros = digits.len() - value.ilog10() as usize - 1;
        self.raw(&digits[zeros..]);
    }

    /// Appends a number, or the string that proto3 has for one that JSON cannot write.
    pub(super) fn double(&mut self, value: f64) {
        if value.is_nan() {
            return self.raw(b"\"NaN\"");
        }
        if value.is_infinite() {
            return self.raw(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
        }
        let whole = value as i64;
        if whole as f64 == value
            && whole.unsigned_abs() < 1 << 53
            && (whole != 0 || !value.is_sign_negative())
        {
            return self.integer(whole);
        }
        // The shortest digits that read back as the same value; in exponents, where all digits would be
        // hundreds.
        let written = write!(self.out, "{value:?}");
        debug_assert!(written.is_ok(), "a Vec accepts every write");
    }

    /// Appends the characters of a string, without its quotes. U+FFFD replaces what is not UTF-8.
    #[inline(always)]
    pub(super) fn string(&mut self, text: &[u8]) -> Encoded {
        self.check(text.len())?;
        if is_plain(text) {
            self.raw(text);
            return Ok(());
        }
        self.escaped(text)
    }

    #[cold]
    #[inline(never)]
    fn escaped(&mut self, text: &[u8]) -> Encoded {
        for chunk in text.utf8_chunks() {
            let mut rest = chunk.valid().as_bytes();
            while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
                let (plain, special) = rest.split_at(at);
                self.raw(plain);
                if let [byte, after @ ..] = special {
                    self.escape(*byte);
                    rest = after;
                }
                self.check(rest.len())?;
            }
            self.raw(rest);
            if !chunk.invalid().is_empty() {
                self.raw("\u{fffd}".as_bytes());
                self.check(0)?;
            }
        }
        Ok(())
    }

    fn escape(&mut self, byte: u8) {
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            _ => {
                self.raw(b"\\u00");
                return self.raw(&HEX[usize::from(byte)]);
            }
        };
        self.raw(&[b'\\', short]);
    }

    /// Appends bytes in base64 (RFC 4648, 4), with padding.
    pub(super) fn base64(&mut self, bytes: &[u8]) -> Encoded {
        self.check(bytes.len().div_ceil(3).saturating_mul(4))?;
        let digit = |bits: u32| BASE64[(bits & 63) as usize];
        let (groups, rest) = bytes.as_chunks::<3>();
        for [a, b, c] in groups {
            let bits = u32::from_be_bytes([0, *a, *b, *c]);
            self.raw(&[digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), digit(bits)]);
        }
        match *rest {
            [a] => {
                let bits = u32::from(a) << 16;
                self.raw(&[digit(bits >> 18), digit(bits >> 12), b'=', b'=']);
            }
            [a, b] => {
                let bits = u32::from_be_bytes([0, a, b, 0]);
                self.raw(&[digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), b'=']);
            }
            _ => {}
        }
        Ok(())
    }
}

/// An id of `N` bytes in hexadecimal, in quotes and with a comma: `T` bytes.
#[inline(always)]
fn quoted_hex<const N: usize, const T: usize>(id: &[u8; N]) -> [u8; T] {
    let mut text = [b'"'; T];
    for (pair, byte) in text[1..].as_chunks_mut::<2>().0.iter_mut().zip(id) {
        *pair = HEX[usize::from(*byte)];
    }
    text[T - 1] = b',';
    text
}

#[inline(always)]
fn eight_digits(value: u32) -> [u8; 8] {
    let (high, low) = (value / 10_000, value % 10_000);
    let [[a, b], [c, d]] = [pair(high / 100), pair(high % 100)];
    let [[e, f], [g, h]] = [pair(low / 100), pair(low % 100)];
    [a, b, c, d, e, f, g, h]
}

/// The digits of a number below 100.
#[inline(always)]
fn pair(value: u32) -> [u8; 2] {
    PAIRS[value as usize % PAIRS.len()]
}

/// Ten to the number of digits in a group.
const EIGHT: u64 = 100_000_000;

/// Whether `text` is ASCII that JSON writes as it is.
#[inline(always)]
fn is_plain(text: &[u8]) -> bool {
    let (blocks, rest) = text.as_chunks::<16>();
    if !blocks.iter().all(block_is_plain) {
        return false;
    }
    // The ends of the text overlap, instead of a loop over the bytes that are left.
    if let Some(last) = text.last_chunk::<16>() {
        return rest.is_empty() || block_is_plain(last);
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        return word_is_plain(*first) && word_is_plain(*last);
    }
    if let (Some([a, b, c, d]), Some([w, x, y, z])) = (text.first_chunk(), text.last_chunk()) {
        return word_is_plain([*a, *b, *c, *d, *w, *x, *y, *z]);
    }
    text.iter().all(|byte| *byte < 0x80 && !needs_escape(*byte))
}

/// Without a branch, so that the compiler makes one vector of the block.
#[inline(always)]
fn block_is_plain(block: &[u8; 16]) -> bool {
    let mut special = 0;
    for byte in block {
        special |= u8::from(byte.wrapping_sub(0x20) >= 0x60)
            | u8::from(*byte == b'"')
            | u8::from(*byte == b'\\');
    }
    special == 0
}

/// Eight bytes at once. The high bit of a byte is set in a term if the byte is special; a borrow may set
/// it in the byte above too.
#[inline(always)]
fn word_is_plain(bytes: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let word = u64::from_ne_bytes(bytes);
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = is_zero(word ^ (ONES * b'"' as u64));
    let backslash = is_zero(word ^ (ONES * b'\\' as u64));
    (word | below_space | quote | backslash) & (ONES << 7) == 0
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

/// The pairs of digits; 128 entries, so that no index needs a check.
static PAIRS: [[u8; 2]; 128] = {
    let mut pairs = [[0; 2]; 128];
    let mut value = 0;
    while value < 100 {
        pairs[value] = [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8];
        value += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(encode: impl FnOnce(&mut Encoder<'_>)) -> String {
        let mut out = Vec::new();
        encode(&mut Encoder::new(&mut out, 1 << 20));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_special_byte_at_any_place_is_escaped() {
        for special in (0..=255u8).filter(|b| *b < 0x20 || *b >= 0x7f || b"\"\\ ".contains(b)) {
            for len in 1..40 {
                for at in 0..len {
                    let mut text = vec![b'a'; len];
                    text[at] = special;
                    let json = encoded(|json| json.string(&text).unwrap());
                    let middle = match special {
                        b' ' | 0x7f => char::from(special).to_string(),
                        b'"' => "\\\"".to_owned(),
                        b'\\' => "\\\\".to_owned(),
                        b'\n' => "\\n".to_owned(),
                        b'\r' => "\\r".to_owned(),
                        b'\t' => "\\t".to_owned(),
                        0x08 => "\\b".to_owned(),
                        0x0c => "\\f".to_owned(),
                        0..0x20 => format!("\\u{special:04x}"),
                        _ => "\u{fffd}".to_owned(),
                    };
                    let (front, back) = ("a".repeat(at), "a".repeat(len - at - 1));
                    assert_eq!(json, format!("{front}{middle}{back}"));
                }
            }
        }
        let text = "Käse \u{1f9c0}, \"fein\"";
        let json = encoded(|json| json.string(text.as_bytes()).unwrap());
        assert_eq!(json, "Käse \u{1f9c0}, \\\"fein\\\"");
    }

    #[test]
    fn integers_have_their_digits() {
        for shift in 0..64 {
            for value in [(1u64 << shift) - 1, 1 << shift, u64::MAX >> shift] {
                assert_eq!(encoded(|json| json.unsigned(value)), value.to_string());
                let value = value as i64;
                assert_eq!(encoded(|json| json.integer(value)), value.to_string());
            }
        }
        for value in (0..20).map(|zeros| 10u64.pow(zeros)).flat_map(|ten| [ten - 1, ten]) {
            assert_eq!(encoded(|json| json.unsigned(value)), value.to_string());
        }
    }

    #[test]
    fn doubles_read_back_bit_for_bit() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0.0"),
            (1.0, "1"),
            (-17.0, "-17"),
            (0.1, "0.1"),
            (1e300, "1e300"),
            (-2.5e-9, "-2.5e-9"),
            (9_007_199_254_740_993.0, "9007199254740992.0"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ];
        for (value, text) in cases {
            assert_eq!(encoded(|json| json.double(value)), text);
        }
        for value in [f64::MAX, f64::MIN_POSITIVE, 5e-324, std::f64::consts::PI, 1e15, 1e16, 1e17] {
            let text = encoded(|json| json.double(value));
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
        }
    }

    #[test]
    fn base64_is_rfc_4648() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, text) in cases {
            assert_eq!(encoded(|json| json.base64(bytes.as_bytes()).unwrap()), text);
        }
        assert_eq!(encoded(|json| json.base64(&[0xfb, 0xff, 0xbf]).unwrap()), "+/+/");
    }
}
