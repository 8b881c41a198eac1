//! Attributes, names and messages.

use super::any_value::{ValueRewriter, is_value_ignored};
use super::apply::{Change, apply, is_ignored};
use super::candidates::Search;
use super::masking::MASK;
use super::output::Output;
use super::rewriter::{Buffers, Rewriter, Siblings};
use crate::compiled::RuleSet;
use crate::rule::{Action, Target};
use spanwise_wire::read::Fields;
use spanwise_wire::write::{put_bytes, put_message};

/// An encoded `KeyValue`.
#[derive(Debug, Clone, Copy)]
struct KeyValue<'a> {
    target: Target,
    key: &'a [u8],
    value: &'a [u8],
    /// It has more than a key and a value.
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Known,
    /// It has fields that this version of OTLP does not have.
    Unknown,
    /// It has several keys or values, of which readers take one or the other, or cannot be read.
    Malformed,
}

impl Rewriter<'_> {
    /// Applies the rules to an attribute.
    pub(super) fn attribute(
        &mut self,
        target: Target,
        bytes: &[u8],
        siblings: &mut Siblings<'_>,
        (output, buffers): (&mut Output<'_>, &mut Buffers),
    ) {
        let attribute = KeyValue::read(target, bytes);
        let matched = self.rules.of_attribute(target, attribute.key);
        if let Some(rule) = self.rules.not_allowed(target, matched) {
            self.report(rule, target, attribute.key);
            output.delete();
            return;
        }
        let matched = self.rules.without_allow(matched);
        let search = Search { rules: self.rules, target, matched };
        let candidates = search.value(attribute.key, attribute.value, &mut buffers.path);
        if !candidates.is_empty() || attribute.form != Form::Known {
            self.change(attribute, (search, candidates), siblings, (output, buffers));
        }
    }
}

impl<'a> KeyValue<'a> {
    fn read(target: Target, bytes: &'a [u8]) -> Self {
        let (mut key, mut value, mut form) = (None, None, Form::Known);
        for field in Fields::new(bytes) {
            match field.map(|field| (field.number, field.bytes().ok())) {
                Ok((1, Some(bytes))) if key.is_none() => key = Some(bytes),
                Ok((2, Some(bytes))) if value.is_none() => value = Some(bytes),
                Ok((3.., _)) if form == Form::Known => form = Form::Unknown,
                Ok((3.., _)) => {}
                Ok(_) | Err(_) => form = Form::Malformed,
            }
        }
        Self { target, key: key.unwrap_or_default(), value: value.unwrap_or_default(), form }
    }
}

impl Rewriter<'_> {
    /// Applies the rules that may change an attribute.
    #[cold]
    #[inline(never)]
    fn change(
        &mut self,
        attribute: KeyValue<'_>,
        (search, candidates): (Search<'_>, RuleSet),
        siblings: &mut Siblings<'_>,
        (output, buffers): (&mut Output<'_>, &mut Buffers),
    ) {
        let KeyValue { target, key, value, form } = attribute;
        let fails = match form {
            Form::Known => false,
            Form::Unknown => !search.matched.is_empty(),
            Form::Malformed => true,
        };
        if fails {
            self.fail(candidates.next(0), target, key);
            output.delete();
            return;
        }
        let (mut todo, mut from) = (candidates, 0);
        let (mut new_key, mut is_value_new) = (key, false);
        let rules = self.rules;
        while let Some(index) = todo.next(from) {
            from = index + 1;
            let Some(rule) = rules.get(index) else { continue };
            if rule.rule.action == Action::Ignore {
                let value = if is_value_new { buffers.value.as_slice() } else { value };
                if is_value_ignored(rule, value) {
                    break;
                }
                continue;
            }
            if let Action::Rename(to) = &rule.rule.action {
                if to.as_bytes() == new_key {
                    continue;
                }
                self.report(index, target, new_key);
                if !siblings.claim(rules, to) {
                    output.delete();
                    return;
                }
                new_key = to.as_bytes();
                continue;
            }
            let Buffers { value: current, next, path } = &mut *buffers;
            let old = if is_value_new { current.as_slice() } else { value };
            next.clear();
            path.clear();
            path.extend_from_slice(key);
            let is_covered = search.matched.contains(index);
            let hash_key = self.hash_key;
            let mut rewriter = ValueRewriter { rules, rule, index, hash_key, path };
            match rewriter.value(old, is_covered, 0, next) {
                Ok(Change::Unchanged) => continue,
                Ok(Change::Replaced) => {}
                Ok(Change::Deleted) => {
                    self.report(index, target, new_key);
                    output.delete();
                    return;
                }
                Err(_) => {
                    self.fail(Some(index), target, new_key);
                    output.delete();
                    return;
                }
            }
            self.report(index, target, new_key);
            std::mem::swap(current, next);
            is_value_new = true;
            // A later rule may match in the new value alone.
            todo = todo.or(search.value(key, current, path));
        }
        let new_value = if is_value_new { buffers.value.as_slice() } else { value };
        if new_key == key && new_value == value {
            return;
        }
        let (out, tag) = output.replace();
        put_message(out, tag, |out| {
            put_bytes(out, KEY, new_key);
            put_bytes(out, VALUE, new_value);
        });
    }

    /// Applies the rules to a name or message.
    #[inline]
    pub(super) fn text(
        &mut self,
        target: Target,
        text: &[u8],
        output: &mut Output<'_>,
        buffers: &mut Buffers,
    ) {
        let matched = self.rules.of_text(target);
        let search = Search { rules: self.rules, target, matched };
        let candidates = search.text(text);
        if !candidates.is_empty() {
            self.change_text(text, (search, candidates), output, buffers);
        }
    }

    #[cold]
    #[inline(never)]
    fn change_text(
        &mut self,
        text: &[u8],
        (search, candidates): (Search<'_>, RuleSet),
        output: &mut Output<'_>,
        buffers: &mut Buffers,
    ) {
        let Buffers { value: current, next, .. } = buffers;
        current.clear();
        current.extend_from_slice(text);
        let (mut todo, mut from) = (candidates, 0);
        let rules = self.rules;
        while let Some(index) = todo.next(from) {
            from = index + 1;
            let Some(rule) = rules.get(index) else { continue };
            if is_ignored(rule, current) {
                break;
            }
            next.clear();
            match apply(rule, current, self.hash_key, next) {
                Ok(Change::Unchanged) => continue,
                Ok(Change::Replaced) => self.report(index, search.target, b""),
                // A span without a name is none that a backend can show.
                Ok(Change::Deleted) if current == MASK => continue,
                Ok(Change::Deleted) => {
                    self.report(index, search.target, b"");
                    next.extend_from_slice(MASK);
                }
                Err(_) => {
                    self.fail(Some(index), search.target, b"");
                    next.clear();
                    next.extend_from_slice(MASK);
                }
            }
            std::mem::swap(current, next);
            todo = todo.or(search.text(current));
        }
        if *current != text {
            let (out, tag) = output.replace();
            put_bytes(out, tag, current);
        }
    }
}

const KEY: u8 = 1 << 3 | 2;
const VALUE: u8 = 2 << 3 | 2;
