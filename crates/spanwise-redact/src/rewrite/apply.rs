//! The report of one action, and replacements in one text.

use crate::compiled::CompiledRule;
use crate::rule::{Action, Rule, Target};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write as _;

/// One action, for counts and explanations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Applied<'a> {
    /// `None` when no rule did it: the bytes could not be read.
    pub(crate) rule: Option<usize>,
    pub(crate) target: Target,
    pub(crate) key: &'a str,
    /// The rule could not run, and the value was deleted.
    pub(crate) failed: bool,
}

impl Applied<'_> {
    /// A part of a message that cannot be read, and was left out.
    pub(super) fn malformed() -> Self {
        Applied { rule: None, target: Target::SpanAttribute, key: "", failed: true }
    }
}

/// The result of a rule for a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text {
    Unchanged,
    Deleted,
    Replaced(String),
}

/// Whether a rule leaves the text to no rule behind it.
pub(super) fn is_ignored(rule: &CompiledRule, text: &str) -> bool {
    rule.rule.action == Action::Ignore
        && rule.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
}

/// Applies the action of a rule to a text.
pub(super) fn apply(rule: &CompiledRule, text: &str, hash_key: Option<&[u8]>) -> Text {
    let action = &rule.rule.action;
    let Some(pattern) = &rule.pattern else {
        return match action {
            Action::Delete => Text::Deleted,
            Action::Truncate(chars) => match text.char_indices().nth(*chars) {
                Some((end, _)) => Text::Replaced(text.get(..end).unwrap_or_default().to_owned()),
                None => Text::Unchanged,
            },
            Action::Mask | Action::Hash => Text::Replaced(replacement(&rule.rule, text, hash_key)),
            Action::Allow | Action::Ignore | Action::Rename(_) => Text::Unchanged,
        };
    };
    if *action == Action::Ignore {
        return Text::Unchanged;
    }
    if *action == Action::Delete {
        return if pattern.is_match(text) { Text::Deleted } else { Text::Unchanged };
    }
    let replace = rule.rule.value.as_ref().and_then(|value| value.replace);
    let mask = |secret: &str| replacement(&rule.rule, secret, hash_key);
    let mut out = String::new();
    let (mut copied, mut is_changed) = (0, false);
    for found in pattern.find_iter(text) {
        // A match of bytes may begin or end inside of a character.
        let start = floor(text, found.start()).max(copied);
        let end = ceil(text, found.end());
        let Some(matched) = text.get(start..end).filter(|it| !it.is_empty()) else { continue };
        let before = out.len();
        out.push_str(text.get(copied..start).unwrap_or_default());
        let replaced = match replace {
            Some(replace) => {
                let from = out.len();
                // A text that is masked already stays as it is.
                replace(matched, &mask, &mut out) && out.get(from..) != Some(matched)
            }
            None => {
                out.push_str(&mask(matched));
                true
            }
        };
        if replaced {
            (copied, is_changed) = (end, true);
        } else {
            out.truncate(before);
        }
    }
    if !is_changed {
        return Text::Unchanged;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Text::Replaced(out)
}

/// The mask, or the hash of `secret`.
fn replacement(rule: &Rule, secret: &str, hash_key: Option<&[u8]>) -> String {
    let hash = match (&rule.action, hash_key) {
        (Action::Hash, Some(key)) => Hmac::<Sha256>::new_from_slice(key).ok(),
        // A build with a rule that hashes has a key.
        _ => None,
    };
    let Some(mut hash) = hash else { return MASK.to_owned() };
    hash.update(secret.as_bytes());
    let digest = hash.finalize().into_bytes();
    digest.iter().take(rule.hash_bytes).fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// The nearest boundary of a character at or before `index`.
fn floor(text: &str, index: usize) -> usize {
    (0..=index).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

/// The nearest boundary of a character at or after `index`.
fn ceil(text: &str, index: usize) -> usize {
    (index..=text.len()).find(|index| text.is_char_boundary(*index)).unwrap_or(text.len())
}

/// The mask of the Collector's processor `redaction`.
pub(super) const MASK: &str = "****";
