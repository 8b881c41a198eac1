//! JSON text (RFC 8259) as a stream of values, borrowed from its bytes.

use std::borrow::Cow;

use super::error::{JsonError, JsonProblem};

/// Reads JSON from its first byte.
///
/// [`object`](Scan::object) and [`array`](Scan::array) call back for each member and element, which the
/// callback has to read. The recursion is the caller's; what it does not know it passes to
/// [`skip`](Self::skip), which does not recurse.
#[derive(Clone)]
pub(super) struct Scanner<'a> {
    json: &'a [u8],
    at: usize,
}

pub(super) type Scanned<T> = Result<T, JsonError>;

/// The characters of a string.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonString<'a> {
    /// Between the quotes. UTF-8; escapes are valid.
    pub(super) raw: &'a str,
    pub(super) has_escapes: bool,
}

/// A reader around a [`Scanner`]: the callbacks of its objects and arrays get the reader itself.
pub(super) trait Scan<'a>: Sized {
    fn scanner(&mut self) -> &mut Scanner<'a>;

    /// Reads an object; `member` reads the value of each name.
    #[inline]
    fn object(&mut self, mut member: impl FnMut(&mut Self, &str) -> Scanned<()>) -> Scanned<()> {
        self.scanner().expect(b'{', "`{`")?;
        if self.scanner().eat(b'}') {
            return Ok(());
        }
        loop {
            let name = self.scanner().string()?;
            self.scanner().expect(b':', "`:`")?;
            match name.has_escapes {
                false => member(self, name.raw)?,
                true => member(self, &name.unescaped())?,
            }
            if !self.scanner().eat(b',') {
                return self.scanner().expect(b'}', "`,` or `}`");
            }
        }
    }

    /// Reads an array; `element` reads each element.
    #[inline]
    fn array(&mut self, mut element: impl FnMut(&mut Self) -> Scanned<()>) -> Scanned<()> {
        self.scanner().expect(b'[', "`[`")?;
        if self.scanner().eat(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            if !self.scanner().eat(b',') {
                return self.scanner().expect(b']', "`,` or `]`");
            }
        }
    }
}

impl<'a> Scan<'a> for Scanner<'a> {
    fn scanner(&mut self) -> &mut Scanner<'a> {
        self
    }
}

impl<'a> Scanner<'a> {
    pub(super) fn new(json: &'a [u8]) -> Self {
        Self { json, at: 0 }
    }

    pub(super) fn error<T>(&self, problem: JsonProblem) -> Scanned<T> {
        Err(JsonError { problem, position: self.at })
    }

    /// The first byte of the next value.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        let rest = self.json.get(self.at..).unwrap_or_default();
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        if rest.first().is_some_and(is_space) {
            self.at += rest.iter().position(|byte| !is_space(byte)).unwrap_or(rest.len());
        }
        self.json.get(self.at).copied()
    }

    /// Skips `byte` if it comes next.
    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Skips `null` if it comes next.
    #[inline]
    pub(super) fn eat_null(&mut self) -> Scanned<bool> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        self.literal(b"null", "null").map(|()| true)
    }

    fn expect(&mut self, byte: u8, name: &'static str) -> Scanned<()> {
        if self.eat(byte) { Ok(()) } else { self.error(JsonProblem::Expected(name)) }
    }

    fn literal(&mut self, text: &'static [u8], name: &'static str) -> Scanned<()> {
        if !self.json.get(self.at..).unwrap_or_default().starts_with(text) {
            return self.error(JsonProblem::Expected(name));
        }
        self.at += text.len();
        Ok(())
    }

    /// Nothing but white space is left.
    pub(super) fn end(&mut self) -> Scanned<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.error(JsonProblem::Expected("the end of the text")),
        }
    }

    /// Reads a string.
    pub(super) fn string(&mut self) -> Scanned<JsonString<'a>> {
        if self.peek() != Some(b'"') {
            return self.error(JsonProblem::Expected("a string"));
        }
        let start = self.at + 1;
        let (mut at, mut has_escapes) = (start, false);
        loop {
            let rest = self.json.get(at..).unwrap_or_default();
            let Some(len) = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)) else {
                self.at = self.json.len();
                return self.error(JsonProblem::Expected("the end of a string"));
            };
            at += len;
            match rest.get(len..) {
                Some([b'"', ..]) => break,
                Some([b'\\', escape @ ..]) if let Some(len) = escape_len(escape) => {
                    has_escapes = true;
                    at += 1 + len;
                }
                _ => {
                    self.at = at;
                    return self.error(JsonProblem::String);
                }
            }
        }
        match std::str::from_utf8(self.json.get(start..at).unwrap_or_default()) {
            Ok(raw) => {
                self.at = at + 1;
                Ok(JsonString { raw, has_escapes })
            }
            Err(error) => {
                self.at = start + error.valid_up_to();
                self.error(JsonProblem::String)
            }
        }
    }

    /// Reads `true` or `false`.
    pub(super) fn bool(&mut self) -> Scanned<bool> {
        match self.peek() {
            Some(b't') => self.literal(b"true", "true").map(|()| true),
            Some(b'f') => self.literal(b"false", "false").map(|()| false),
            _ => self.error(JsonProblem::Value("true or false")),
        }
    }

    /// Reads the text of a number.
    pub(super) fn number(&mut self) -> Scanned<&'a str> {
        self.peek();
        let rest = self.json.get(self.at..).unwrap_or_default();
        let Some(len) = number_len(rest) else { return self.error(JsonProblem::Number) };
        self.at += len;
        let text = rest.get(..len).unwrap_or_default();
        // Digits, signs, points and exponents are ASCII.
        Ok(std::str::from_utf8(text).unwrap_or_default())
    }

    /// Skips a value of any kind, nested up to [`MAX_SKIPPED_DEPTH`] levels.
    pub(super) fn skip(&mut self) -> Scanned<()> {
        // One bit a level, the innermost one the lowest: set for an object.
        let (mut is_object, mut depth) = (0u64, 0u32);
        loop {
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == MAX_SKIPPED_DEPTH {
                        return self.error(JsonProblem::Depth);
                    }
                    self.at += 1;
                    let (object, close) = if open == b'{' { (1, b'}') } else { (0, b']') };
                    if !self.eat(close) {
                        (is_object, depth) = (is_object << 1 | object, depth + 1);
                        self.skip_name(object == 1)?;
                        continue;
                    }
                }
                Some(b'"') => drop(self.string()?),
                Some(b't' | b'f') => drop(self.bool()?),
                Some(b'n') => drop(self.eat_null()?),
                Some(b'-' | b'0'..=b'9') => drop(self.number()?),
                _ => return self.error(JsonProblem::Expected("a value")),
            }
            // A value has ended, and maybe what it is in.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let in_object = is_object & 1 == 1;
                if self.eat(b',') {
                    self.skip_name(in_object)?;
                    break;
                }
                match in_object {
                    true => self.expect(b'}', "`,` or `}`")?,
                    false => self.expect(b']', "`,` or `]`")?,
                }
                (is_object, depth) = (is_object >> 1, depth - 1);
            }
        }
    }

    fn skip_name(&mut self, in_object: bool) -> Scanned<()> {
        if in_object {
            self.string()?;
            self.expect(b':', "`:`")?;
        }
        Ok(())
    }
}

impl<'a> JsonString<'a> {
    /// The string without escapes.
    pub(super) fn unescaped(self) -> Cow<'a, str> {
        if !self.has_escapes {
            return Cow::Borrowed(self.raw);
        }
        let mut text = Vec::with_capacity(self.raw.len());
        self.unescape_into(&mut text);
        Cow::Owned(String::from_utf8(text).unwrap_or_default())
    }

    /// Appends the string without escapes. U+FFFD replaces a surrogate without its other half.
    pub(super) fn unescape_into(self, out: &mut Vec<u8>) {
        let mut rest = self.raw;
        while let Some((plain, escape)) = rest.split_once('\\') {
            out.extend_from_slice(plain.as_bytes());
            let (c, len) = match escape.as_bytes().first() {
                Some(b'n') => ('\n', 1),
                Some(b'r') => ('\r', 1),
                Some(b't') => ('\t', 1),
                Some(b'b') => ('\u{8}', 1),
                Some(b'f') => ('\u{c}', 1),
                Some(b'u') => code_point(escape),
                Some(other) => (char::from(*other), 1),
                None => break,
            };
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest = escape.get(len..).unwrap_or_default();
        }
        out.extend_from_slice(rest.as_bytes());
    }
}

/// The character of `uXXXX` at the start of `escape`, or of two that are a surrogate pair, and the length
/// of its text.
fn code_point(escape: &str) -> (char, usize) {
    let unit = |text: Option<&str>| text.and_then(|text| u32::from_str_radix(text, 16).ok());
    let first = unit(escape.get(1..5)).unwrap_or_default();
    if let 0xd800..0xdc00 = first
        && escape.get(5..7) == Some("\\u")
        && let Some(second @ 0xdc00..0xe000) = unit(escape.get(7..11))
    {
        let c = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER), 11);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 5)
}

/// The length of the escape behind a backslash; `None` if it is not valid.
fn escape_len(escape: &[u8]) -> Option<usize> {
    match escape {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(1),
        [b'u', digits @ ..] => {
            let is_hex = digits.get(..4)?.iter().all(u8::is_ascii_hexdigit);
            is_hex.then_some(5)
        }
        _ => None,
    }
}

/// The length of the number at the start of `text` (RFC 8259, 6); `None` if there is none, or if
/// something that no number contains follows.
fn number_len(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
    };
    let mut len = usize::from(text.first() == Some(&b'-'));
    len += match (text.get(len), digits(len)) {
        (_, 0) => return None,
        // No leading zeros.
        (Some(b'0'), 2..) => return None,
        (_, whole) => whole,
    };
    if text.get(len) == Some(&b'.') {
        len += 1 + Some(digits(len + 1)).filter(|fraction| *fraction > 0)?;
    }
    if let Some(b'e' | b'E') = text.get(len) {
        let sign = usize::from(matches!(text.get(len + 1), Some(b'+' | b'-')));
        len += 1 + sign + Some(digits(len + 1 + sign)).filter(|exponent| *exponent > 0)?;
    }
    Some(len)
}

/// Levels of arrays and objects in a value that is skipped.
const MAX_SKIPPED_DEPTH: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(json: &str) -> Result<(), (JsonProblem, usize)> {
        let mut scanner = Scanner::new(json.as_bytes());
        let end = scanner.skip().and_then(|()| scanner.end());
        end.map_err(|error| (error.problem, error.position))
    }

    #[test]
    fn json_is_skipped_and_nothing_else() {
        let valid = [
            "null",
            " true ",
            "false",
            "0",
            "-0",
            "12",
            "1.5",
            "-1e9",
            "1E+9",
            "0.1e-2",
            "\"\"",
            "\"a\\u00e9\\n\\/\\\"\"",
            "[]",
            "{}",
            "[ ]",
            "{ }",
            "[1,2]",
            "[[],[{}]]",
            "{\"a\":1,\"b\":[{\"c\":null}]}",
            "\r\n\t[ 1 , { \"a\" : \"b\" } ]",
        ];
        for json in valid {
            assert_eq!(skipped(json), Ok(()), "{json}");
        }
        let invalid = [
            ("", 0),
            (" ", 1),
            ("nul", 0),
            ("tru", 0),
            ("01", 0),
            ("-", 0),
            ("1.", 0),
            ("1e", 0),
            (".5", 0),
            ("+1", 0),
            ("\"", 1),
            ("\"\\x\"", 1),
            ("\"\\u12g4\"", 1),
            ("\"a\nb\"", 2),
            ("[", 1),
            ("[1", 2),
            ("[1,]", 3),
            ("[1}", 2),
            ("{\"a\"}", 4),
            ("{\"a\":}", 5),
            ("{\"a\":1,}", 7),
            ("{a:1}", 1),
            ("1 2", 2),
            ("[]]", 2),
            ("NaN", 0),
            ("'a'", 0),
        ];
        for (json, position) in invalid {
            assert_eq!(skipped(json).map_err(|(_, at)| at), Err(position), "{json}");
        }
        assert!(Scanner::new(b"\"\xff\"").string().is_err_and(|error| error.position == 1));
    }

    #[test]
    fn the_depth_is_bounded() {
        let nested = |levels: usize| {
            let (open, close) = ("[{\"a\":".repeat(levels / 2), "}]".repeat(levels / 2));
            skipped(&format!("{open}1{close}"))
        };
        assert_eq!(nested(MAX_SKIPPED_DEPTH as usize), Ok(()));
        assert_eq!(nested(66).map_err(|(problem, _)| problem), Err(JsonProblem::Depth));
        assert_eq!(nested(1_000_000).map_err(|(problem, _)| problem), Err(JsonProblem::Depth));
    }

    #[test]
    fn escapes_are_replaced_by_their_characters() {
        let cases = [
            (r#""""#, ""),
            (r#""plain ü""#, "plain ü"),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""a\u00e9z""#, "aéz"),
            (r#""\uD83E\uDDC0!""#, "\u{1f9c0}!"),
            (r#""\ud83e""#, "\u{fffd}"),
            (r#""\ud83e\u0041""#, "\u{fffd}A"),
            (r#""\udDC0\ud83e\ud83e\uddc0""#, "\u{fffd}\u{fffd}\u{1f9c0}"),
            (r#""\u0000""#, "\0"),
        ];
        for (json, text) in cases {
            let string = Scanner::new(json.as_bytes()).string().unwrap();
            assert_eq!(string.unescaped(), text, "{json}");
        }
    }
}
