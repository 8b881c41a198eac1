//! The tokens of a condition.

use super::error::{OttlError, Place};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Bytes(Vec<u8>),
    Float(f64),
    Int(i64),
    String(String),
    /// An identifier that begins with a small letter, keywords included.
    Lower(String),
    /// An identifier that begins with a capital: a function or an enum.
    Upper(String),
    Comparison(Comparison),
    Math(MathOp),
    /// One of `( ) [ ] { } , . : =`.
    Punct(char),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MathOp {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// All tokens of `text`, each with its place.
///
/// As in the Collector, a sign in front of a digit belongs to the number: `1-1` is two numbers, `1 - 1` a difference.
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token, Place)>, OttlError> {
    let mut lexer = Lexer { rest: text, place: Place { line: 1, column: 1 } };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'t> {
    rest: &'t str,
    place: Place,
}

impl<'t> Lexer<'t> {
    fn next(&mut self) -> Result<Option<(Token, Place)>, OttlError> {
        let blank = |letter: char| letter.is_whitespace();
        let skipped = self.rest.len() - self.rest.trim_start_matches(blank).len();
        self.take(skipped);
        let place = self.place;
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let token = match first {
            '"' => self.string()?,
            '0'..='9' | '+' | '-' | '.' if self.is_number() => self.number()?,
            'a'..='z' => Token::Lower(self.identifier()),
            'A'..='Z' => Token::Upper(self.identifier()),
            _ => self.symbol(first)?,
        };
        Ok(Some((token, place)))
    }

    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        for letter in taken.chars() {
            if letter == '\n' {
                self.place = Place { line: self.place.line + 1, column: 1 };
            } else {
                self.place.column += 1;
            }
        }
        taken
    }

    fn identifier(&mut self) -> String {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let end = self.rest.find(|letter| !is_part(letter)).unwrap_or(self.rest.len());
        self.take(end).to_owned()
    }

    /// Whether a number begins here: `1`, `-1`, `.5`, `-.5`.
    fn is_number(&self) -> bool {
        let unsigned = self.rest.strip_prefix(['+', '-']).unwrap_or(self.rest);
        let fraction = unsigned.strip_prefix('.').unwrap_or(unsigned);
        fraction.starts_with(|letter: char| letter.is_ascii_digit())
    }

    fn number(&mut self) -> Result<Token, OttlError> {
        let place = self.place;
        let digits =
            |text: &str| text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        if let Some(hex) = self.rest.strip_prefix("0x") {
            let len = hex.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(hex.len());
            if len > 0 {
                return match bytes(hex.get(..len).unwrap_or_default()) {
                    Some(bytes) => {
                        self.take(2 + len);
                        Ok(Token::Bytes(bytes))
                    }
                    None => Err(OttlError::at(place, "a byte slice has an even number of digits")),
                };
            }
        }
        let text = self.rest;
        let sign = usize::from(text.starts_with(['+', '-']));
        let mut end = sign + digits(text.get(sign..).unwrap_or_default());
        let mut is_float = false;
        if let Some(fraction) = text.get(end..).and_then(|rest| rest.strip_prefix('.'))
            && fraction.starts_with(|letter: char| letter.is_ascii_digit())
        {
            is_float = true;
            end += 1 + digits(fraction);
            if let Some(exponent) = text.get(end..).and_then(|rest| rest.strip_prefix(['e', 'E'])) {
                let sign = usize::from(exponent.starts_with(['+', '-']));
                match digits(exponent.get(sign..).unwrap_or_default()) {
                    0 => {}
                    len => end += 1 + sign + len,
                }
            }
        }
        let text = self.take(end);
        let number = if is_float {
            text.parse().map(Token::Float).ok()
        } else {
            text.parse().map(Token::Int).ok()
        };
        number.ok_or_else(|| OttlError::at(place, format!("{text} is no number of 64 bits")))
    }

    fn string(&mut self) -> Result<Token, OttlError> {
        let place = self.place;
        let error = |message: String| OttlError::at(place, message);
        let mut end = 1;
        let mut is_escaped = false;
        for letter in self.rest.chars().skip(1) {
            end += letter.len_utf8();
            match letter {
                '"' if !is_escaped => {
                    let quoted = self.take(end);
                    let text = quoted.get(1..quoted.len() - 1).unwrap_or_default();
                    return unescaped(text).map(Token::String).map_err(error);
                }
                '\\' => is_escaped = !is_escaped,
                _ => is_escaped = false,
            }
        }
        Err(error("the string has no end".to_owned()))
    }

    fn symbol(&mut self, first: char) -> Result<Token, OttlError> {
        let comparisons = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<=", Comparison::LessOrEqual),
            (">", Comparison::Greater),
            ("<", Comparison::Less),
        ];
        for (text, comparison) in comparisons {
            if self.rest.starts_with(text) {
                self.take(text.len());
                return Ok(Token::Comparison(comparison));
            }
        }
        let token = match first {
            '+' => Token::Math(MathOp::Add),
            '-' => Token::Math(MathOp::Subtract),
            '*' => Token::Math(MathOp::Multiply),
            '/' => Token::Math(MathOp::Divide),
            '(' | ')' | '[' | ']' | '{' | '}' | ',' | '.' | ':' | '=' => Token::Punct(first),
            other => {
                return Err(OttlError::at(self.place, format!("unexpected character {other:?}")));
            }
        };
        self.take(1);
        Ok(token)
    }
}

/// The bytes of an even number of hexadecimal digits.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}

/// The text of a string literal, with Go's escapes replaced.
fn unescaped(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '\n']) {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let mut letters = escape.chars();
        let (Some('\\'), Some(kind)) = (letters.next(), letters.next()) else {
            return Err("a string cannot contain a line break; write `\\n`".to_owned());
        };
        let mut code = |digits: usize, radix: u32| {
            let (code, behind) = letters.as_str().split_at_checked(digits)?;
            letters = behind.chars();
            let is_code = code.chars().all(|digit| digit.is_digit(radix));
            is_code.then(|| u32::from_str_radix(code, radix).ok()).flatten()
        };
        let letter = match kind {
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            '\\' | '"' => Some(kind),
            // Bytes that are no ASCII would not be UTF-8.
            'x' => code(2, 16).filter(|code| *code < 0x80).and_then(char::from_u32),
            'u' => code(4, 16).and_then(char::from_u32),
            'U' => code(8, 16).and_then(char::from_u32),
            _ => None,
        };
        let Some(letter) = letter else {
            return Err(format!(
                "`\\{kind}` is no escape in a string; write `\\\\{kind}` for a backslash"
            ));
        };
        out.push(letter);
        rest = letters.as_str();
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Token]) {
        let found: Vec<Token> = tokens(text).unwrap().into_iter().map(|(token, _)| token).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn tokens_are_those_of_the_collector() {
        use Token::*;
        check("1-1", &[Int(1), Int(-1)]);
        check("1 - 1", &[Int(1), Math(MathOp::Subtract), Int(1)]);
        check("+.5 -1.5e3 7.", &[Float(0.5), Float(-1500.0), Int(7), Punct('.')]);
        check("0x0aFF", &[Bytes(vec![10, 255])]);
        check("a_1.B_2", &[Lower("a_1".into()), Punct('.'), Upper("B_2".into())]);
        check(r#""a\"\\\n\u00e9\x41""#, &[String("a\"\\\né\u{41}".into())]);
        check(
            "<= < >= > == != =",
            &[
                Comparison(super::Comparison::LessOrEqual),
                Comparison(super::Comparison::Less),
                Comparison(super::Comparison::GreaterOrEqual),
                Comparison(super::Comparison::Greater),
                Comparison(super::Comparison::Equal),
                Comparison(super::Comparison::NotEqual),
                Punct('='),
            ],
        );
    }

    #[test]
    fn errors_have_their_place() {
        let place = |text: &str| {
            tokens(text).map(|_| ()).map_err(|error| (error.place.line, error.place.column))
        };
        assert_eq!(place("a ==\n  é"), Err((2, 3)));
        assert_eq!(place("é"), Err((1, 1)));
        assert_eq!(place("a == \"b"), Err((1, 6)));
        assert_eq!(place(r#"a == "\d""#), Err((1, 6)));
        assert_eq!(place("0x1"), Err((1, 1)));
        assert_eq!(place("99999999999999999999"), Err((1, 1)));
        assert_eq!(place("\"\\"), Err((1, 1)));
        assert_eq!(place("\"\\u12\""), Err((1, 1)));
    }
}
