//! Numbers, ids and bytes in OTLP/JSON.

use super::error::JsonProblem;
use super::scanner::{Scanned, Scanner};

impl Scanner<'_> {
    /// Reads an integer of `min` to `max`, as a number or as a string with a number (ProtoJSON accepts
    /// both for every integer).
    pub(super) fn integer(
        &mut self,
        min: i128,
        max: i128,
        accepted: &'static str,
    ) -> Scanned<i128> {
        let before = self.clone();
        let value = match self.peek() {
            Some(b'"') => {
                let text = self.string()?.unescaped();
                let mut number = Scanner::new(text.as_bytes());
                number.number().ok().filter(|number| number.len() == text.len()).and_then(integer)
            }
            Some(b'-' | b'0'..=b'9') => integer(self.number()?),
            _ => None,
        };
        match value.filter(|value| (min..=max).contains(value)) {
            Some(value) => Ok(value),
            None => before.error(JsonProblem::Value(accepted)),
        }
    }

    /// Reads an enum, which OTLP/JSON has as an integer only.
    pub(super) fn enumeration(&mut self) -> Scanned<i32> {
        const ACCEPTED: &str = "the integer of an enum, not its name";
        if self.peek() == Some(b'"') {
            return self.error(JsonProblem::Value(ACCEPTED));
        }
        let value = self.integer(i32::MIN.into(), i32::MAX.into(), ACCEPTED)?;
        Ok(i32::try_from(value).unwrap_or_default())
    }

    /// Reads a double: a number, a string with one, or `"NaN"`, `"Infinity"` or `"-Infinity"`.
    pub(super) fn double(&mut self) -> Scanned<f64> {
        let before = self.clone();
        let value = match self.peek() {
            Some(b'"') => {
                let text = self.string()?.unescaped();
                match &*text {
                    "NaN" => Some(f64::NAN),
                    "Infinity" => Some(f64::INFINITY),
                    "-Infinity" => Some(f64::NEG_INFINITY),
                    text => {
                        let mut number = Scanner::new(text.as_bytes());
                        let number = number.number().ok().filter(|n| n.len() == text.len());
                        number.and_then(finite)
                    }
                }
            }
            Some(b'-' | b'0'..=b'9') => finite(self.number()?),
            _ => None,
        };
        match value {
            Some(value) => Ok(value),
            None => before.error(JsonProblem::Value(
                "a number within 64 bits, \"NaN\", \"Infinity\" or \"-Infinity\"",
            )),
        }
    }

    /// Reads an id of `N` bytes in hexadecimal; `None` if it is empty.
    pub(super) fn id<const N: usize>(
        &mut self,
        accepted: &'static str,
    ) -> Scanned<Option<[u8; N]>> {
        let before = self.clone();
        self.peek();
        let text = self.string()?.unescaped();
        if text.is_empty() {
            return Ok(None);
        }
        let mut id = [0; N];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let digit = |digit: u8| char::from(digit).to_digit(16);
        let is_id = pairs.len() == N
            && rest.is_empty()
            && id.iter_mut().zip(pairs).all(|(byte, [high, low])| {
                let bits = digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low);
                bits.map(|bits| *byte = bits as u8).is_some()
            });
        if is_id { Ok(Some(id)) } else { before.error(JsonProblem::Value(accepted)) }
    }

    /// Appends bytes given in base64, with the standard or the URL alphabet, with or without padding.
    pub(super) fn base64_into(&mut self, out: &mut Vec<u8>) -> Scanned<()> {
        let before = self.clone();
        let text = self.string()?.unescaped();
        let digits = text.trim_end_matches('=').as_bytes();
        let is_padded =
            digits.len() == text.len() || (text.len() % 4 == 0 && text.len() - digits.len() <= 2);
        let (mut bits, mut count, mut is_valid) = (0u32, 0, is_padded && digits.len() % 4 != 1);
        for digit in digits {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => {
                    is_valid = false;
                    break;
                }
            };
            bits = bits << 6 | u32::from(value);
            count += 6;
            if count >= 8 {
                count -= 8;
                out.push((bits >> count) as u8);
            }
        }
        if is_valid { Ok(()) } else { before.error(JsonProblem::Value("bytes in base64")) }
    }
}

/// The integer that a number of JSON is; `1.0` and `1e3` are integers.
fn integer(number: &str) -> Option<i128> {
    if let Ok(value) = number.parse() {
        return Some(value);
    }
    let value: f64 = number.parse().ok()?;
    // Above 2⁵³ a number with an exponent would be rounded.
    (value.fract() == 0.0 && value.abs() <= (1u64 << 53) as f64).then_some(value as i128)
}

fn finite(number: &str) -> Option<f64> {
    number.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_numbers_or_strings() {
        let read = |json: &str| {
            let mut scanner = Scanner::new(json.as_bytes());
            let value = scanner.integer(-5, u64::MAX.into(), "a number");
            value.map_err(|error| error.position)
        };
        for (json, value) in [
            ("0", 0),
            ("-5", -5),
            ("\"17\"", 17),
            ("1.0", 1),
            ("\"1e3\"", 1000),
            ("18446744073709551615", u64::MAX.into()),
            ("\"18446744073709551615\"", u64::MAX.into()),
        ] {
            assert_eq!(read(json), Ok(value), "{json}");
        }
        for json in [
            "-6",
            "1.5",
            "\"\"",
            "\" 1\"",
            "\"1 \"",
            "\"0x1\"",
            "1e30",
            "18446744073709551616",
            "true",
            "[]",
        ] {
            assert_eq!(read(json), Err(0), "{json}");
        }
    }

    #[test]
    fn doubles_are_numbers_or_their_names() {
        let read = |json: &str| Scanner::new(json.as_bytes()).double().ok();
        for (json, value) in [
            ("1", 1.0),
            ("-0.5e-3", -0.0005),
            ("\"2.5\"", 2.5),
            ("\"Infinity\"", f64::INFINITY),
            ("\"-Infinity\"", f64::NEG_INFINITY),
        ] {
            assert_eq!(read(json), Some(value), "{json}");
        }
        assert!(read("\"NaN\"").is_some_and(f64::is_nan));
        for json in ["1e999", "\"nan\"", "\"inf\"", "\"\"", "null", "true"] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    #[test]
    fn ids_are_hexadecimal_in_any_case() {
        let read = |json: &str| Scanner::new(json.as_bytes()).id::<2>("an id").ok();
        assert_eq!(read("\"aB09\""), Some(Some([0xab, 0x09])));
        assert_eq!(read("\"\""), Some(None));
        for json in ["\"aB0\"", "\"aB0900\"", "\"aB0g\"", "\"+B09\"", "12", "null"] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    #[test]
    fn base64_has_either_alphabet_and_optional_padding() {
        let read = |json: &str| {
            let mut out = Vec::new();
            Scanner::new(json.as_bytes()).base64_into(&mut out).ok().map(|()| out)
        };
        for (json, bytes) in [
            ("\"\"", &b""[..]),
            ("\"Zg==\"", b"f"),
            ("\"Zg\"", b"f"),
            ("\"Zm8=\"", b"fo"),
            ("\"Zm9v\"", b"foo"),
            ("\"+/+/\"", &[0xfb, 0xff, 0xbf]),
            ("\"-_-_\"", &[0xfb, 0xff, 0xbf]),
        ] {
            assert_eq!(read(json).as_deref(), Some(bytes), "{json}");
        }
        for json in ["\"Z\"", "\"Zg=\"", "\"Zm9v=\"", "\"Z===\"", "\"Zm9v!\"", "\"=\"", "1"] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
