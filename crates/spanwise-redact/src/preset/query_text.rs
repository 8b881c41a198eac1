//! Literals in the text of database queries.

use crate::rewrite::Masking;
use crate::rule::{Action, Rule};

/// Replaces strings and numbers by `?`, as the semantic conventions ask of instrumentation (database spans, *Sanitization of
/// `db.query.text`*).
pub(super) fn rule() -> Rule {
    Rule::new(Action::Mask)
        .with_name("database_query")
        .with_keys(["db.query.text", "db.statement"])
        .with_function(SIEVE, replace)
}

/// A byte that begins a literal, and a digit that is no part of a name or parameter.
const SIEVE: &str = r#"['"]|\$[^0-9]|[^A-Za-z0-9_$@:\x80-\xfe][0-9]"#;

fn replace(query: &str, out: &mut Masking<'_>) -> bool {
    let bytes = query.as_bytes();
    let (mut copied, mut at, mut is_changed) = (0, 0, false);
    while let Some(skipped) = bytes.get(at..).and_then(|it| it.iter().position(is_start)) {
        at += skipped;
        let Some(byte) = bytes.get(at) else { break };
        let rest = || query.get(at..).unwrap_or_default();
        let literal = match byte {
            b'\'' => quoted(rest(), '\''),
            // A string of MySQL; of others it is a name, which is no datum either way.
            b'"' => quoted(rest(), '"'),
            b'$' => dollar_quoted(rest()),
            b'0'..=b'9' if !is_name(bytes, at) => number(rest()),
            _ => 0,
        };
        if literal == 0 {
            at += 1;
            continue;
        }
        out.text(query.get(copied..at).unwrap_or_default());
        out.text("?");
        at += literal;
        copied = at;
        is_changed = true;
    }
    if is_changed {
        out.text(query.get(copied..).unwrap_or_default());
    }
    is_changed
}

/// Whether a literal may begin with a byte.
fn is_start(byte: &u8) -> bool {
    matches!(byte, b'\'' | b'"' | b'$' | b'0'..=b'9')
}

/// Whether the byte before is a part of a name or parameter, and so is a digit here.
fn is_name(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    before.is_some_and(|byte| {
        byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"_$@:".contains(byte)
    })
}

/// Bytes of a quoted string at the start of `text`: two quotes and `\` with a letter are part of it. One without an end has all.
fn quoted(text: &str, quote: char) -> usize {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((index, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return index + quote.len_utf8();
        }
    }
    text.len()
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
        if byte.is_ascii_alphanumeric() || *byte == b'.' || (b"+-".contains(byte) && after_exponent)
        {
            end += 1;
        } else {
            break;
        }
    }
    end
}
