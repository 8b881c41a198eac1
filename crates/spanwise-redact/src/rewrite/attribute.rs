//! Attributes, names and messages.

use super::apply::{Applied, MASK, Text, apply, is_ignored};
use super::rewriter::{Outcome, Rewriter, Siblings};
use super::value::{ValueResult, any_bytes, is_value_ignored, rewrite_value};
use crate::compiled::RuleSet;
use crate::rule::{Action, Target};
use spanwise_wire::read::Fields;
use spanwise_wire::write::{put_bytes, put_message};
use std::borrow::Cow;

/// Applies the rules to an attribute, an encoded `KeyValue`.
#[inline]
pub(super) fn attribute(
    rewriter: &mut Rewriter<'_>,
    target: Target,
    attribute: &[u8],
    siblings: Siblings<'_>,
) -> Outcome {
    let (mut key, mut value) = (None, None);
    for field in Fields::new(attribute) {
        match field.and_then(|field| Ok((field.number, field.bytes()?))) {
            Ok((1, bytes)) if key.is_none() => key = Some(bytes),
            Ok((2, bytes)) if value.is_none() => value = Some(bytes),
            // Readers would disagree about a key or value in pieces; no one knows what another field shows.
            _ => return failed(rewriter, target, key.unwrap_or_default(), None),
        }
    }
    let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
    let rules = rewriter.rules.of_attribute(target, key);
    if let Some(rule) = rewriter.rules.not_allowed(target, rules) {
        rewriter.report(rule, target, &String::from_utf8_lossy(key));
        return Outcome::Deleted;
    }
    let rules = rewriter.rules.that_may_change(rules, |is_match| any_bytes(value, is_match));
    if rules.is_empty() {
        return Outcome::Unchanged;
    }
    change(rewriter, (target, rules), (key, value), siblings)
}

/// Applies these rules, which may change the value.
#[cold]
fn change(
    rewriter: &mut Rewriter<'_>,
    (target, rules): (Target, RuleSet),
    (key, value): (&[u8], &[u8]),
    siblings: Siblings<'_>,
) -> Outcome {
    let Ok(mut new_key) = String::from_utf8(key.to_vec()) else {
        // No receiver takes a key that is no text.
        return failed(rewriter, target, key, rules.iter().next());
    };
    let mut new_value = Cow::Borrowed(value);
    let mut is_changed = false;
    for index in rules.iter() {
        let Some(rule) = rewriter.rules.get(index) else { continue };
        if rule.rule.action == Action::Ignore {
            if is_value_ignored(rule, &new_value) {
                break;
            }
            continue;
        }
        if let Action::Rename(to) = &rule.rule.action {
            if *to == new_key {
                continue;
            }
            rewriter.report(index, target, &new_key);
            if siblings.has(to) {
                return Outcome::Deleted;
            }
            (new_key, is_changed) = (to.clone(), true);
            continue;
        }
        match rewrite_value(rule, &new_value, rewriter.hash_key) {
            ValueResult::Unchanged => continue,
            ValueResult::Failed => return failed(rewriter, target, key, Some(index)),
            ValueResult::Deleted => {
                rewriter.report(index, target, &new_key);
                return Outcome::Deleted;
            }
            ValueResult::Replaced(replaced) => {
                rewriter.report(index, target, &new_key);
                (new_value, is_changed) = (replaced.into(), true);
            }
        }
    }
    if !is_changed {
        return Outcome::Unchanged;
    }
    let mut out = Vec::with_capacity(new_key.len() + new_value.len() + 12);
    put_bytes(&mut out, KEY, new_key.as_bytes());
    put_message(&mut out, VALUE, |out| out.extend_from_slice(&new_value));
    Outcome::Replaced(out)
}

/// The attribute cannot be read, so it is deleted.
#[cold]
fn failed(rewriter: &mut Rewriter<'_>, target: Target, key: &[u8], rule: Option<usize>) -> Outcome {
    let key = String::from_utf8_lossy(key);
    (rewriter.applied)(Applied { rule, target, key: &key, failed: true });
    Outcome::Deleted
}

/// Applies the rules to a name or message. `None` if they leave it as it is.
pub(super) fn text(rewriter: &mut Rewriter<'_>, target: Target, bytes: &[u8]) -> Option<String> {
    let rules = rewriter.rules.of_text(target);
    let rules = rewriter.rules.that_may_change(rules, |is_match| is_match(bytes));
    if rules.is_empty() {
        return None;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        (rewriter.applied)(Applied { rule: None, target, key: "", failed: true });
        return Some(MASK.to_owned());
    };
    let mut new: Option<String> = None;
    for index in rules.iter() {
        let Some(rule) = rewriter.rules.get(index) else { continue };
        if is_ignored(rule, new.as_deref().unwrap_or(text)) {
            break;
        }
        let replaced = match apply(rule, new.as_deref().unwrap_or(text), rewriter.hash_key) {
            Text::Unchanged => continue,
            // A span without a name is none that a backend can show.
            Text::Deleted => MASK.to_owned(),
            Text::Replaced(replaced) => replaced,
        };
        rewriter.report(index, target, "");
        new = Some(replaced);
    }
    new
}

const KEY: u8 = 1 << 3 | 2;
const VALUE: u8 = 2 << 3 | 2;
