//! Literals in the text of database queries.

use crate::rule::{Action, Rule};

/// Replaces strings and numbers by `?`, as the semantic conventions ask of instrumentation (database spans, *Sanitization of
/// `db.query.text`*).
pub(super) fn rule() -> Rule {
    Rule::new(Action::Mask)
        .with_name("database_query")
        .with_keys(["db.query.text", "db.statement"])
        .with_replacement(r"(?s).+", replace)
}

fn replace(query: &str, _mask: &dyn Fn(&str) -> String, out: &mut String) -> bool {
    let before = out.len();
    let mut rest = query;
    let mut after_name = false;
    while let Some(letter) = rest.chars().next() {
        let literal = match letter {
            '\'' => quoted(rest, '\''),
            // A string of MySQL; of others it is a name, which is no datum either way.
            '"' => quoted(rest, '"'),
            '$' => dollar_quoted(rest),
            digit if digit.is_ascii_digit() && !after_name => number(rest),
            _ => 0,
        };
        if literal > 0 {
            out.push('?');
            rest = rest.get(literal..).unwrap_or_default();
            after_name = false;
            continue;
        }
        out.push(letter);
        after_name = letter.is_alphanumeric() || "_$@:".contains(letter);
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
    }
    out.get(before..) != Some(query)
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
