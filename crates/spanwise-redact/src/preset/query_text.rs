//! Literals in the text of database queries, and parameters.

use crate::rewrite::Masking;
use crate::rule::{Action, Rule};
use std::ops::Range;

/// Replaces strings and numbers by `?`, as the semantic conventions ask of instrumentation (database spans, *Sanitization of
/// `db.query.text`*).
pub(super) fn rules() -> Vec<Rule> {
    let mask = |name| Rule::new(Action::Mask).with_name(name);
    vec![
        mask("database_query")
            .with_keys(["db.query.text", "db.statement"])
            .with_function(SIEVE, replace),
        mask("database_query_parameter")
            .with_keys(["db.query.parameter.*", "db.operation.parameter.*"]),
    ]
}

/// A byte that begins a literal, and a digit that is no part of a name or parameter.
const SIEVE: &str = r#"['"]|\$[^0-9]|[^A-Za-z0-9_$@:\x80-\xfe][0-9]|[^ \t\r\n=(,<>+*/|%-]:[0-9]"#;

fn replace(query: &str, out: &mut Masking<'_>) -> bool {
    let others =
        Dialect::OTHERS.into_iter().filter(|(mark, _)| mark.iter().any(|it| query.contains(it)));
    let mut others = others.map(|(_, dialect)| dialect).peekable();
    if others.peek().is_none() {
        return replaced(query, Literals::new(query, Dialect::Usual), out);
    }
    // Whichever is meant, and a limit may have cut the query within a string: what is a literal in any of them is replaced.
    let mut all: Vec<_> = Literals::new(query, Dialect::Usual).collect();
    others.for_each(|dialect| all.extend(Literals::new(query, dialect)));
    all.sort_by_key(|literal| (literal.start, literal.end));
    all.dedup_by(|next, last| {
        let is_part = next.start < last.end;
        if is_part {
            last.end = last.end.max(next.end);
        }
        is_part
    });
    replaced(query, all, out)
}

/// Replaces literals, which come in their order.
fn replaced(
    query: &str,
    literals: impl IntoIterator<Item = Range<usize>>,
    out: &mut Masking<'_>,
) -> bool {
    let mut copied = 0;
    for literal in literals {
        out.text(query.get(copied..literal.start).unwrap_or_default());
        out.text("?");
        copied = literal.end;
    }
    if copied > 0 {
        out.text(query.get(copied..).unwrap_or_default());
    }
    copied > 0
}

/// Where databases differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// A letter behind `\` is part of a string.
    Usual,
    /// `\` is a letter: `'C:\'` is a whole string of most databases.
    PlainBackslash,
    /// `#` begins a comment of MySQL, and an operator of PostgreSQL.
    NumberSign,
    /// `[` begins a name of SQL Server, and a list of others.
    Bracket,
}

impl Dialect {
    /// All but the usual one, each with texts without one of which it is the same.
    const OTHERS: [(&'static [&'static str], Self); 3] = [
        (&[r"\'", r#"\""#], Self::PlainBackslash),
        (&["#"], Self::NumberSign),
        (&["["], Self::Bracket),
    ];
}

/// The places of the literals in a query. A quote in a comment begins none that goes on behind it.
struct Literals<'q> {
    query: &'q str,
    dialect: Dialect,
    at: usize,
    /// The end of the comment at this place.
    comment: Option<usize>,
    /// Strings such as `q'[it's]'` have an end.
    has_q: bool,
}

impl<'q> Literals<'q> {
    fn new(query: &'q str, dialect: Dialect) -> Self {
        Self { query, dialect, at: 0, comment: None, has_q: true }
    }

    /// Bytes to go on by, and whether they are a literal.
    fn step(&mut self, rest: &str) -> (usize, bool) {
        let (bytes, at, is_code) = (self.query.as_bytes(), self.at, self.comment.is_none());
        let literal = match rest.as_bytes() {
            [b'-', b'-', ..] if is_code => {
                self.comment = rest.find('\n').map(|end| at + end).or(Some(bytes.len()));
                return (2, false);
            }
            [b'/', b'*', ..] if is_code => {
                let end = rest.get(2..).and_then(|rest| rest.find("*/"));
                self.comment = end.map(|end| at + 2 + end).or(Some(bytes.len()));
                return (2, false);
            }
            [b'#', ..] if is_code && self.dialect == Dialect::NumberSign => {
                self.comment = rest.find('\n').map(|end| at + end).or(Some(bytes.len()));
                return (1, false);
            }
            [b'[', ..] if is_code && self.dialect == Dialect::Bracket => {
                let end = rest.find(']');
                if end.is_none() {
                    // No more of them: each would look at the whole rest.
                    self.dialect = Dialect::Usual;
                }
                return (end.map_or(1, |end| end + 1), false);
            }
            // A name of MySQL, which may have a quote.
            [b'`', ..] if is_code => {
                let end = rest.get(1..).and_then(|rest| rest.find('`'));
                return (end.map_or(1, |end| end + 2), false);
            }
            [b'\'', ..] if self.has_q && is_code && is_q_quoted(bytes, at) => {
                let len = q_quoted(rest);
                // Not Oracle. No more of them: each would look at the whole rest.
                self.has_q = len.is_some();
                len.unwrap_or_else(|| quoted(rest, '\'', self.dialect))
            }
            // A string of MySQL if the quotes are double; of others it is a name, which is no datum either way.
            [quote @ (b'\'' | b'"'), ..] => quoted(rest, char::from(*quote), self.dialect),
            [b'$', ..] => dollar_quoted(rest),
            [b'0'..=b'9', ..] if !is_name(bytes, at) => number(rest),
            _ => 0,
        };
        (literal.max(1), literal > 0)
    }
}

impl Iterator for Literals<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let rest = self.query.get(self.at..self.comment.unwrap_or(self.query.len()))?;
            let Some(skipped) = rest.bytes().position(is_start) else {
                self.at = self.comment.take()?;
                continue;
            };
            self.at += skipped;
            let (len, is_literal) = self.step(rest.get(skipped..)?);
            let start = self.at;
            self.at += len;
            if is_literal {
                return Some(start..self.at);
            }
        }
    }
}

/// Whether a literal, a comment or a name in quotes may begin with a byte.
fn is_start(byte: u8) -> bool {
    matches!(byte, b'\'' | b'"' | b'`' | b'$' | b'-' | b'/' | b'#' | b'[' | b'0'..=b'9')
}

/// Whether the byte before is a part of a name or parameter, and so is a digit here.
fn is_name(bytes: &[u8], at: usize) -> bool {
    match bytes.get(..at) {
        // `:1` is a parameter, and `"a":1` of a document is none.
        Some([before @ .., b':']) => before
            .last()
            .is_none_or(|byte| byte.is_ascii_whitespace() || b"=(,<>+*/|%-".contains(byte)),
        Some([.., byte]) => {
            byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"_$@".contains(byte)
        }
        _ => false,
    }
}

/// Bytes of a quoted string at the start of `text`, in which two quotes are part of it. One without an end has all.
fn quoted(text: &str, quote: char, dialect: Dialect) -> usize {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((index, letter)) = letters.next() {
        if letter == '\\' && dialect != Dialect::PlainBackslash {
            letters.next();
        } else if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return index + quote.len_utf8();
        }
    }
    text.len()
}

/// Whether the quote at this place may begin a string of Oracle such as `q'[it's]'`.
fn is_q_quoted(bytes: &[u8], at: usize) -> bool {
    let before = match bytes.get(..at) {
        Some([before @ .., b'n' | b'N', b'q' | b'Q'] | [before @ .., b'q' | b'Q']) => before,
        _ => return false,
    };
    before.last().is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
}

/// Bytes of a string of Oracle at its quote; `None` if it has no end.
fn q_quoted(text: &str) -> Option<usize> {
    let delimiter = text.get(1..)?.chars().next().filter(|letter| !letter.is_whitespace())?;
    let end = match delimiter {
        '[' => ']',
        '(' => ')',
        '{' => '}',
        '<' => '>',
        other => other,
    };
    let content = 1 + delimiter.len_utf8();
    let mut ends =
        text.get(content..)?.match_indices(end).map(|(index, end)| content + index + end.len());
    ends.find(|end| text.as_bytes().get(*end) == Some(&b'\'')).map(|end| end + 1)
}

/// Bytes of a string of PostgreSQL: `$$…$$` or `$tag$…$tag$`; 0 if it is none, such as the parameter `$1`.
fn dollar_quoted(text: &str) -> usize {
    let Some(tag) = text.get(1..).and_then(|rest| rest.find('$')) else { return 0 };
    let Some((mark, rest)) = text.split_at_checked(tag + 2) else { return 0 };
    let is_tag = |tag: &str| {
        tag.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
            && !tag.starts_with(|letter: char| letter.is_ascii_digit())
    };
    if !mark.get(1..=tag).is_some_and(is_tag) {
        return 0;
    }
    rest.find(mark).map_or(text.len(), |end| mark.len() + end + mark.len())
}

/// Bytes of a number at the start of `text`: `12`, `1.5e-3`, `0xff`.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        let after_exponent = matches!(bytes.get(end.wrapping_sub(1)), Some(b'e' | b'E'));
        if byte.is_ascii_alphanumeric()
            || b"._".contains(byte)
            || (b"+-".contains(byte) && after_exponent)
        {
            end += 1;
        } else {
            break;
        }
    }
    end
}
