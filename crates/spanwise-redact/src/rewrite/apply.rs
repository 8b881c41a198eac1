//! The action of a rule on one text.

use super::masking::{Hash, HashKey, MASK, Masking};
use crate::compiled::CompiledRule;
use crate::rule::{Action, Replace, Rule};
use regex_automata::meta;

/// The result of a rule for a text or value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing is appended.
    Unchanged,
    /// Nothing is appended.
    Deleted,
    /// The new one is appended.
    Replaced,
}

/// A rule cannot run: the bytes are no text, no value, too deep, or have too many matches.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// The hashes of a rule. `None` if it does not hash; a build with one that does has a key.
pub(super) fn hash_of<'k>(rule: &Rule, key: Option<&'k HashKey>) -> Option<Hash<'k>> {
    let key = key.filter(|_| rule.action == Action::Hash)?;
    Some(Hash::new(key, rule.hash_bytes))
}

/// Whether a rule leaves the text to no rule behind it.
pub(super) fn is_ignored(rule: &CompiledRule, text: &[u8]) -> bool {
    rule.rule.action == Action::Ignore
        && rule.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
}

/// Applies a rule to a text, and appends the result to `out` if it is another one.
pub(super) fn apply(
    rule: &CompiledRule,
    text: &[u8],
    hash_key: Option<&HashKey>,
    out: &mut Vec<u8>,
) -> Result<Change, Unreadable> {
    let action = &rule.rule.action;
    let hash = hash_of(&rule.rule, hash_key);
    if let (Action::Delete, Some(pattern)) = (action, &rule.pattern)
        && rule.rule.value.as_ref().is_some_and(|value| value.replace.is_none())
    {
        return Ok(if pattern.is_match(text) { Change::Deleted } else { Change::Unchanged });
    }
    if let Some(value) = &rule.rule.value {
        let start = out.len();
        let mut masking = Masking::new(out, hash);
        return match replace_all(rule.pattern.as_ref(), value.replace, text, &mut masking) {
            Ok(true) if *action == Action::Delete => {
                out.truncate(start);
                Ok(Change::Deleted)
            }
            Ok(true) => Ok(Change::Replaced),
            Ok(false) => Ok(Change::Unchanged),
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        };
    }
    match action {
        Action::Delete => return Ok(Change::Deleted),
        Action::Mask if text == MASK => return Ok(Change::Unchanged),
        Action::Mask | Action::Hash => Masking::new(out, hash).secret_bytes(text),
        // No text has more characters than bytes.
        Action::Truncate(chars) if text.len() > *chars => {
            let text = std::str::from_utf8(text).map_err(|_| Unreadable)?;
            let Some((end, _)) = text.char_indices().nth(*chars) else {
                return Ok(Change::Unchanged);
            };
            out.extend_from_slice(text.as_bytes().get(..end).unwrap_or_default());
        }
        Action::Truncate(_) | Action::Allow | Action::Ignore | Action::Rename(_) => {
            return Ok(Change::Unchanged);
        }
    }
    Ok(Change::Replaced)
}

/// Appends the text with all matches replaced; false, and nothing appended, if none is.
fn replace_all(
    pattern: Option<&meta::Regex>,
    replace: Option<Replace>,
    bytes: &[u8],
    out: &mut Masking<'_>,
) -> Result<bool, Unreadable> {
    let Some(pattern) = pattern else {
        let text = std::str::from_utf8(bytes).map_err(|_| Unreadable)?;
        let start = out.len();
        let is_changed =
            replace.is_some_and(|replace| replace(text, out)) && out.appended(start) != Some(bytes);
        if !is_changed {
            out.truncate(start);
        }
        return Ok(is_changed);
    };
    let mut matches = pattern.find_iter(bytes).peekable();
    if matches.peek().is_none() {
        return Ok(false);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable)?;
    let (mut copied, mut is_changed, mut work) = (0, false, 0usize);
    for found in matches {
        // A search may look at all bytes that follow, even if its match is short.
        work = work.saturating_add(text.len() - found.start());
        if work > MAX_WORK {
            return Err(Unreadable);
        }
        // A match of bytes may begin or end inside of a character.
        let start = floor(text, found.start()).max(copied);
        let end = ceil(text, found.end());
        let Some(matched) = text.get(start..end).filter(|it| !it.is_empty()) else { continue };
        let before = out.len();
        out.text(text.get(copied..start).unwrap_or_default());
        let from = out.len();
        let is_match = match replace {
            Some(replace) => replace(matched, out),
            None => {
                out.secret(matched);
                true
            }
        };
        // A text that is masked already stays as it is.
        if is_match && out.appended(from) != Some(matched.as_bytes()) {
            (copied, is_changed) = (end, true);
        } else {
            out.truncate(before);
        }
    }
    if is_changed {
        out.text(text.get(copied..).unwrap_or_default());
    }
    Ok(is_changed)
}

/// The nearest boundary of a character at or before `index`.
fn floor(text: &str, index: usize) -> usize {
    (0..=index).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

/// The nearest boundary of a character at or after `index`.
fn ceil(text: &str, index: usize) -> usize {
    (index..=text.len()).find(|index| text.is_char_boundary(*index)).unwrap_or(text.len())
}

/// The most bytes that the searches in one text may look at: 0.2 s. A text of 64 KiB may have 2,000 matches, one of 1 MiB 128.
const MAX_WORK: usize = 1 << 27;
