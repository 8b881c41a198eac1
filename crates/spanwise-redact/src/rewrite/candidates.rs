//! The rules that may change a value.

use super::any_value::{MapEntry, push_key};
use super::apply::Unreadable;
use super::number::{Digits, whole};
use crate::compiled::{CompiledRules, RuleSet};
use crate::rule::Target;
use spanwise_wire::read::{FieldValue, Fields, MAX_DEPTH};

/// The rules that may change an attribute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search<'a> {
    pub(super) rules: &'a CompiledRules,
    pub(super) target: Target,
    /// The rules for the attribute's key.
    pub(super) matched: RuleSet,
}

impl Search<'_> {
    /// Of the rules for a name or message, those that may change it.
    #[inline]
    pub(super) fn text(self, text: &[u8]) -> RuleSet {
        let filter = self.rules.filter();
        let filtered = self.matched.and(filter.rules());
        let found = match filtered.is_empty() {
            true => self.matched,
            false => self.matched.without(filtered).or(filter.candidates(text, filtered)),
        };
        self.rules.unless_ignoring(found)
    }

    /// Of the rules for an attribute, those that may change its value, and those that may change entries of maps in it.
    #[inline]
    pub(super) fn value(self, key: &[u8], value: &[u8], path: &mut Vec<u8>) -> RuleSet {
        match value {
            // The usual values: a string below 128 bytes, and a number below 16,384.
            [STRING, len @ ..0x80, text @ ..] if text.len() == usize::from(*len) => self.text(text),
            [INT, low @ ..0x80] => self.number(i64::from(*low), key, value, path),
            [INT, low, high @ ..0x80] => {
                self.number(i64::from(low & 0x7f) | i64::from(*high) << 7, key, value, path)
            }
            _ => self.any(key, value, path),
        }
    }

    #[inline]
    fn number(self, number: i64, key: &[u8], value: &[u8], path: &mut Vec<u8>) -> RuleSet {
        let filter = self.rules.filter();
        if !filter.of_number(number).and(self.matched).is_empty() {
            return self.any(key, value, path);
        }
        self.rules.unless_ignoring(self.matched.without(filter.rules()))
    }

    #[inline(never)]
    fn any(self, key: &[u8], value: &[u8], path: &mut Vec<u8>) -> RuleSet {
        let nested = self.rules.nested(self.target).without(self.matched);
        if nested.is_empty() && self.matched.and(self.rules.filter().rules()).is_empty() {
            return self.rules.unless_ignoring(self.matched);
        }
        path.clear();
        path.extend_from_slice(key);
        let mut walk = Walk { search: self, nested, found: RuleSet::default(), path };
        let is_read = walk.value(value, 0).is_ok();
        let found = if is_read { walk.found } else { self.matched.or(nested) };
        self.rules.unless_ignoring(self.matched.without(self.rules.filter().rules()).or(found))
    }
}

/// A pass over a value.
struct Walk<'a> {
    search: Search<'a>,
    /// The rules whose keys may be those of entries.
    nested: RuleSet,
    found: RuleSet,
    path: &'a mut Vec<u8>,
}

impl Walk<'_> {
    /// # Errors
    /// A part of the value cannot be read, and may hold what a rule is for.
    fn value(&mut self, value: &[u8], depth: u8) -> Result<(), Unreadable> {
        if depth > MAX_DEPTH {
            return Err(Unreadable);
        }
        let mut fields = Fields::new(value);
        let Some(field) = fields.next() else { return Ok(()) };
        let field = field.map_err(|_| Unreadable)?;
        if !fields.rest().is_empty() {
            return Err(Unreadable);
        }
        match (field.number, field.value) {
            (1, FieldValue::Bytes(text)) => self.text(text),
            (7, FieldValue::Bytes(bytes)) => self.text(String::from_utf8_lossy(bytes).as_bytes()),
            (5, FieldValue::Bytes(array)) => {
                for element in Fields::new(array) {
                    let element = element.and_then(|it| it.bytes()).map_err(|_| Unreadable)?;
                    self.value(element, depth + 1)?;
                }
            }
            (6, FieldValue::Bytes(map)) => {
                for entry in Fields::new(map) {
                    let entry = entry.and_then(|it| it.bytes()).map_err(|_| Unreadable)?;
                    self.entry(MapEntry::read(entry)?, depth)?;
                }
            }
            (3, FieldValue::Varint(_)) | (4, FieldValue::Fixed64(_)) => {
                let filter = self.search.rules.filter();
                let number = whole(field.number, field.value);
                let rules = number.map_or(RuleSet::default(), |it| filter.of_number(it));
                if !rules.and(self.search.matched).is_empty() {
                    let digits = Digits::of(field.number, field.value);
                    digits.iter().for_each(|digits| self.text(digits.as_bytes()));
                }
            }
            (2, FieldValue::Varint(_)) => {}
            // A type that this version of OTLP does not have.
            _ => self.found = self.found.or(self.search.matched),
        }
        Ok(())
    }

    fn entry(&mut self, entry: MapEntry<'_>, depth: u8) -> Result<(), Unreadable> {
        let key = entry.key.unwrap_or_default();
        self.text(key);
        let path = self.path.len();
        if !self.nested.is_empty() {
            push_key(self.path, key)?;
            let rules = self.search.rules;
            let of_keys = rules.of_entry(key).or(rules.of_entry(self.path));
            self.found = self.found.or(of_keys.and(self.nested));
        }
        let result = entry.value.map_or(Ok(()), |value| self.value(value, depth + 1));
        self.path.truncate(path);
        result
    }

    fn text(&mut self, text: &[u8]) {
        let filter = self.search.rules.filter();
        let filtered = self.search.matched.and(filter.rules()).without(self.found);
        if !filtered.is_empty() {
            self.found = self.found.or(filter.candidates(text, filtered));
        }
    }
}

const STRING: u8 = 1 << 3 | 2;
const INT: u8 = 3 << 3;
