//! The rules of one action on an `AnyValue`: strings, numbers in digits, and the elements of arrays and maps.

use super::apply::{Change, Unreadable, apply, hash_of, is_ignored};
use super::masking::{HashKey, MASK, Masking};
use super::number::Digits;
use crate::compiled::{CompiledRule, CompiledRules};
use crate::rule::Action;
use spanwise_wire::read::{FieldValue, Fields, MAX_DEPTH};
use spanwise_wire::write::{put_bytes, put_message};

/// Applies one rule to values.
pub(super) struct ValueRewriter<'a> {
    pub(super) rules: &'a CompiledRules,
    pub(super) rule: &'a CompiledRule,
    pub(super) index: usize,
    pub(super) hash_key: Option<&'a HashKey>,
    /// The keys of the attribute and of the maps around a value, joined by dots.
    pub(super) path: &'a mut Vec<u8>,
}

impl ValueRewriter<'_> {
    /// Applies the rule to an encoded `AnyValue`, and appends the result if it is another one. `is_covered`: the rule applies to the
    /// whole value; otherwise to entries of maps that have one of its keys.
    ///
    /// # Errors
    /// The value cannot be read, and the rule may apply to a part of it. Bytes may have been appended.
    pub(super) fn value(
        &mut self,
        value: &[u8],
        is_covered: bool,
        depth: u8,
        out: &mut Vec<u8>,
    ) -> Result<Change, Unreadable> {
        if is_covered && self.rule.rule.value.is_none() {
            match self.rule.rule.action {
                Action::Delete => return Ok(Change::Deleted),
                Action::Mask | Action::Hash => return Ok(self.whole(value, out)),
                _ => {}
            }
        }
        if depth > MAX_DEPTH {
            return Err(Unreadable);
        }
        let mut fields = Fields::new(value);
        let Some(field) = fields.next() else { return Ok(Change::Unchanged) };
        let field = field.map_err(|_| Unreadable)?;
        if !fields.rest().is_empty() {
            // A second value, which only some readers would show.
            return Err(Unreadable);
        }
        let is_for_strings = self.rule.rule.is_for_strings && self.rule.rule.value.is_some();
        match (field.number, field.value) {
            (2..=7, _) if is_for_strings && depth == 0 => Ok(Change::Unchanged),
            (5, FieldValue::Bytes(array)) => self.array(array, is_covered, depth, out),
            (6, FieldValue::Bytes(map)) => self.map(map, is_covered, depth, out),
            _ if !is_covered => Ok(Change::Unchanged),
            (1, FieldValue::Bytes(text)) => self.text(text, out),
            (7, FieldValue::Bytes(bytes)) => {
                self.text(String::from_utf8_lossy(bytes).as_bytes(), out)
            }
            (2, FieldValue::Varint(_)) => Ok(Change::Unchanged),
            (3, FieldValue::Varint(_)) | (4, FieldValue::Fixed64(_)) => {
                let is_matched = !matches!(self.rule.rule.action, Action::Truncate(_));
                match Digits::of(field.number, field.value).filter(|_| is_matched) {
                    Some(digits) => self.text(digits.as_bytes(), out),
                    None => Ok(Change::Unchanged),
                }
            }
            // A type that this version of OTLP does not have.
            _ => Err(Unreadable),
        }
    }

    /// Masks or hashes a whole value, of any type: it becomes a string.
    fn whole(&self, value: &[u8], out: &mut Vec<u8>) -> Change {
        let mut fields = Fields::new(value);
        let field = fields.next().and_then(Result::ok).filter(|_| fields.rest().is_empty());
        let digits = field.and_then(|field| match field.number {
            3 => Digits::of(3, field.value),
            _ => None,
        });
        let text = match field.map(|field| (field.number, field.value)) {
            Some((1, FieldValue::Bytes(text))) => {
                if self.rule.rule.action == Action::Mask && text == MASK {
                    return Change::Unchanged;
                }
                text
            }
            // Equal values have equal bytes.
            _ => digits.as_ref().map_or(value, Digits::as_bytes),
        };
        let hash = hash_of(&self.rule.rule, self.hash_key);
        put_message(out, STRING, |out| Masking::new(out, hash).secret_bytes(text));
        Change::Replaced
    }

    fn text(&self, text: &[u8], out: &mut Vec<u8>) -> Result<Change, Unreadable> {
        let start = out.len();
        let change = put_message(out, STRING, |out| apply(self.rule, text, self.hash_key, out))?;
        if change != Change::Replaced {
            out.truncate(start);
        }
        Ok(change)
    }

    /// An array: an element that is deleted leaves the others.
    fn array(
        &mut self,
        array: &[u8],
        is_covered: bool,
        depth: u8,
        out: &mut Vec<u8>,
    ) -> Result<Change, Unreadable> {
        list(ARRAY, array, out, |element, out| {
            let start = out.len();
            let change = put_message(out, ELEMENT, |out| {
                let change = self.value(element, is_covered, depth + 1, out)?;
                if change == Change::Unchanged {
                    out.extend_from_slice(element);
                }
                Ok(change)
            })?;
            if change == Change::Deleted {
                out.truncate(start);
            }
            Ok(change != Change::Unchanged)
        })
    }

    /// A map: a value that is deleted takes its key along; a key is a text like any other.
    fn map(
        &mut self,
        map: &[u8],
        is_covered: bool,
        depth: u8,
        out: &mut Vec<u8>,
    ) -> Result<Change, Unreadable> {
        list(MAP, map, out, |entry, out| {
            let entry = MapEntry::read(entry)?;
            let start = out.len();
            let change =
                put_message(out, ELEMENT, |out| self.entry(entry, is_covered, depth, out))?;
            if change == Change::Deleted {
                out.truncate(start);
            }
            Ok(change != Change::Unchanged)
        })
    }

    fn entry(
        &mut self,
        entry: MapEntry<'_>,
        is_covered: bool,
        depth: u8,
        out: &mut Vec<u8>,
    ) -> Result<Change, Unreadable> {
        let (mut key_change, start) = (Change::Unchanged, out.len());
        let key = entry.key.unwrap_or_default();
        if is_covered && self.rule.rule.value.is_some() {
            key_change =
                put_message(out, ELEMENT, |out| apply(self.rule, key, self.hash_key, out))?;
        }
        match key_change {
            Change::Replaced => {}
            Change::Deleted => return Ok(Change::Deleted),
            Change::Unchanged => {
                out.truncate(start);
                entry.key.into_iter().for_each(|key| put_bytes(out, ELEMENT, key));
            }
        }
        let Some(value) = entry.value else { return Ok(key_change) };
        let path = self.path.len();
        let is_covered = is_covered || self.has_key(key)?;
        let change = put_message(out, MAP_VALUE, |out| {
            let change = self.value(value, is_covered, depth + 1, out)?;
            if change == Change::Unchanged {
                out.extend_from_slice(value);
            }
            Ok(change)
        });
        self.path.truncate(path);
        match change? {
            Change::Unchanged => Ok(key_change),
            change => Ok(change),
        }
    }

    /// Appends a key to the path. Whether the rule has it, alone or with the path.
    fn has_key(&mut self, key: &[u8]) -> Result<bool, Unreadable> {
        if self.rule.rule.keys.is_empty() {
            return Ok(false);
        }
        push_key(self.path, key)?;
        let own = self.rules.of_entry(key);
        Ok(own.contains(self.index) || self.rules.of_entry(self.path).contains(self.index))
    }
}

/// Whether a rule leaves the attribute to no rule behind it: a string or whole number that its pattern matches, or one with its key.
pub(super) fn is_value_ignored(rule: &CompiledRule, value: &[u8]) -> bool {
    if rule.pattern.is_none() {
        return rule.rule.action == Action::Ignore;
    }
    let mut fields = Fields::new(value);
    let field = fields.next();
    // A second value, which only some readers would show, is not ignored.
    match field {
        Some(Ok(field)) if fields.rest().is_empty() => match (field.number, field.value) {
            (1, FieldValue::Bytes(text)) => {
                std::str::from_utf8(text).is_ok() && is_ignored(rule, text)
            }
            (3, number) if !rule.rule.is_for_strings => {
                Digits::of(3, number).is_some_and(|digits| is_ignored(rule, digits.as_bytes()))
            }
            _ => false,
        },
        _ => false,
    }
}

/// Appends a dot and a key to a path.
///
/// # Errors
/// The path is too long.
pub(super) fn push_key(path: &mut Vec<u8>, key: &[u8]) -> Result<(), Unreadable> {
    if path.len() + key.len() > MAX_PATH {
        return Err(Unreadable);
    }
    path.push(b'.');
    path.extend_from_slice(key);
    Ok(())
}

/// An entry of a `KeyValueList`.
#[derive(Debug, Clone, Copy)]
pub(super) struct MapEntry<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

impl<'a> MapEntry<'a> {
    /// # Errors
    /// It is no entry, has a part twice, or one that this version of OTLP does not have.
    pub(super) fn read(entry: &'a [u8]) -> Result<Self, Unreadable> {
        let (mut key, mut value) = (None, None);
        for field in Fields::new(entry) {
            match field.and_then(|field| Ok((field.number, field.bytes()?))) {
                Ok((1, bytes)) if key.is_none() => key = Some(bytes),
                Ok((2, bytes)) if value.is_none() => value = Some(bytes),
                _ => return Err(Unreadable),
            }
        }
        Ok(Self { key, value })
    }
}

/// Appends a list of messages, each through `element`, which returns whether it changes one. Nothing is appended if none does.
fn list(
    tag: u8,
    elements: &[u8],
    out: &mut Vec<u8>,
    mut element: impl FnMut(&[u8], &mut Vec<u8>) -> Result<bool, Unreadable>,
) -> Result<Change, Unreadable> {
    let start = out.len();
    let is_changed = put_message(out, tag, |out| {
        let mut is_changed = false;
        for field in Fields::new(elements) {
            let field = field.map_err(|_| Unreadable)?;
            if field.number != 1 {
                return Err(Unreadable);
            }
            is_changed |= element(field.bytes().map_err(|_| Unreadable)?, out)?;
        }
        Ok(is_changed)
    })?;
    if is_changed {
        return Ok(Change::Replaced);
    }
    out.truncate(start);
    Ok(Change::Unchanged)
}

/// The longest path of keys, in bytes, so that deep maps with long keys cost no more than others.
const MAX_PATH: usize = 1_024;
const STRING: u8 = 1 << 3 | 2;
const ARRAY: u8 = 5 << 3 | 2;
const MAP: u8 = 6 << 3 | 2;
const ELEMENT: u8 = 1 << 3 | 2;
const MAP_VALUE: u8 = 2 << 3 | 2;
