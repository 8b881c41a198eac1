//! `AnyValue`: strings, numbers in digits, and the elements of arrays and maps.

use super::apply::{Text, apply, is_ignored};
use crate::compiled::CompiledRule;
use crate::rule::Action;
use spanwise_wire::read::{Field, FieldValue, Fields, MAX_DEPTH};
use spanwise_wire::write::{put_bytes, put_message};
use std::borrow::Cow;

/// The result of a rule for a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ValueResult {
    Unchanged,
    Deleted,
    /// The changed `AnyValue`.
    Replaced(Vec<u8>),
    /// The value cannot be read.
    Failed,
}

/// Whether `is_match` holds for a text in the value: a string, a number in digits, or an element. True for a value that cannot be read,
/// so that the rules look at it.
#[inline]
pub(super) fn any_bytes(value: &[u8], is_match: &dyn Fn(&[u8]) -> bool) -> bool {
    // The usual value: one short string.
    if let [STRING, len @ ..0x80, text @ ..] = value
        && text.len() == usize::from(*len)
    {
        return is_match(text);
    }
    any_field(value, is_match, 0)
}

fn any_field(value: &[u8], is_match: &dyn Fn(&[u8]) -> bool, depth: usize) -> bool {
    if depth > usize::from(MAX_DEPTH) {
        return true;
    }
    let mut fields = Fields::new(value);
    let Some(field) = fields.next() else { return false };
    !fields.rest().is_empty()
        || match field {
            Err(_) => true,
            Ok(field) => match (field.number, field.value) {
                (1 | 7, FieldValue::Bytes(text)) => is_match(text),
                (3, FieldValue::Varint(number)) => {
                    has_digits(number as i64) && is_match((number as i64).to_string().as_bytes())
                }
                (5, FieldValue::Bytes(array)) => any_element(array, 1, is_match, depth),
                (6, FieldValue::Bytes(map)) => any_element(map, 2, is_match, depth),
                (2..=4, _) => false,
                _ => true,
            },
        }
}

/// The elements of an `ArrayValue`, or those of a `KeyValueList` with the value in field 2.
fn any_element(list: &[u8], value_in: u32, is_match: &dyn Fn(&[u8]) -> bool, depth: usize) -> bool {
    Fields::new(list).any(|field| {
        let Ok(element) = field.and_then(|field| field.bytes()) else { return true };
        if value_in == 1 {
            return any_field(element, is_match, depth + 1);
        }
        Fields::new(element).any(|part| {
            match part.and_then(|part| Ok((part.number, part.bytes()?))) {
                Ok((1, key)) => is_match(key),
                Ok((2, value)) => any_field(value, is_match, depth + 1),
                _ => true,
            }
        })
    })
}

/// Whether a number is long enough to be anybody's: of a card or an account.
fn has_digits(number: i64) -> bool {
    number.unsigned_abs() >= 10_000
}

/// Whether a rule leaves the attribute to no rule behind it: a string or whole number that its pattern matches, or one with its key.
pub(super) fn is_value_ignored(rule: &CompiledRule, value: &[u8]) -> bool {
    if rule.pattern.is_none() {
        return true;
    }
    let mut fields = Fields::new(value);
    let field = fields.next();
    // A second value, which only some readers would show, is not ignored.
    let text = match field {
        Some(Ok(field)) if fields.rest().is_empty() => match (field.number, field.value) {
            (1, FieldValue::Bytes(text)) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
            (3, FieldValue::Varint(number)) if !rule.rule.is_for_strings => {
                Some(Cow::Owned((number as i64).to_string()))
            }
            _ => None,
        },
        _ => None,
    };
    text.is_some_and(|text| is_ignored(rule, &text))
}

/// Applies the action of a rule to an encoded `AnyValue`.
pub(super) fn rewrite_value(
    rule: &CompiledRule,
    value: &[u8],
    hash_key: Option<&[u8]>,
) -> ValueResult {
    if rule.pattern.is_none() {
        match rule.rule.action {
            Action::Delete => return ValueResult::Deleted,
            Action::Mask | Action::Hash => return whole(rule, value, hash_key),
            _ => {}
        }
    }
    if rule.rule.is_for_strings && !matches!(value, [] | [STRING, ..]) {
        let mut fields = Fields::new(value);
        return match fields.next() {
            // A second value, which only some readers would show, may be a string.
            Some(Ok(Field { number: 2..=7, .. })) if fields.rest().is_empty() => {
                ValueResult::Unchanged
            }
            _ => ValueResult::Failed,
        };
    }
    match elements(rule, value, hash_key, 0) {
        Ok(result) => result,
        Err(Unreadable) => ValueResult::Failed,
    }
}

/// Masks or hashes a whole value, of any type: it becomes a string.
fn whole(rule: &CompiledRule, value: &[u8], hash_key: Option<&[u8]>) -> ValueResult {
    let text = match Fields::new(value).next() {
        Some(Ok(field)) => match (field.number, field.value) {
            (1, FieldValue::Bytes(text)) => String::from_utf8_lossy(text).into_owned(),
            (3, FieldValue::Varint(number)) => (number as i64).to_string(),
            // Equal values have equal bytes.
            _ => hexadecimal(value),
        },
        Some(Err(_)) => return ValueResult::Failed,
        None => String::new(),
    };
    match apply(rule, &text, hash_key) {
        Text::Replaced(text) => ValueResult::Replaced(string(&text)),
        Text::Deleted => ValueResult::Deleted,
        Text::Unchanged => ValueResult::Unchanged,
    }
}

/// Applies a rule to the strings, digits and elements of a value.
fn elements(
    rule: &CompiledRule,
    value: &[u8],
    hash_key: Option<&[u8]>,
    depth: usize,
) -> Result<ValueResult, Unreadable> {
    if depth > usize::from(MAX_DEPTH) {
        return Err(Unreadable);
    }
    let mut fields = Fields::new(value);
    let Some(field) = fields.next() else { return Ok(ValueResult::Unchanged) };
    let field = field.map_err(|_| Unreadable)?;
    if !fields.rest().is_empty() {
        // A second value, which only some readers would show.
        return Err(Unreadable);
    }
    let text = match (field.number, field.value) {
        (1, FieldValue::Bytes(text)) => {
            let text = std::str::from_utf8(text).map_err(|_| Unreadable)?;
            return Ok(of_text(apply(rule, text, hash_key)));
        }
        (7, FieldValue::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        (3, FieldValue::Varint(number)) if !matches!(rule.rule.action, Action::Truncate(_)) => {
            (number as i64).to_string()
        }
        (5, FieldValue::Bytes(array)) => return array_value(rule, array, hash_key, depth),
        (6, FieldValue::Bytes(map)) => return map_value(rule, map, hash_key, depth),
        (2..=4, _) => return Ok(ValueResult::Unchanged),
        _ => return Err(Unreadable),
    };
    Ok(of_text(apply(rule, &text, hash_key)))
}

fn of_text(text: Text) -> ValueResult {
    match text {
        Text::Unchanged => ValueResult::Unchanged,
        Text::Deleted => ValueResult::Deleted,
        Text::Replaced(text) => ValueResult::Replaced(string(&text)),
    }
}

/// An array: an element that is deleted leaves the others.
fn array_value(
    rule: &CompiledRule,
    array: &[u8],
    hash_key: Option<&[u8]>,
    depth: usize,
) -> Result<ValueResult, Unreadable> {
    let (mut out, mut is_changed) = (Vec::with_capacity(array.len()), false);
    for field in Fields::new(array) {
        let element = field.and_then(|field| field.bytes()).map_err(|_| Unreadable)?;
        let new = match elements(rule, element, hash_key, depth + 1)? {
            ValueResult::Unchanged => element,
            ValueResult::Replaced(ref new) => {
                is_changed = true;
                put_bytes(&mut out, ELEMENT, new);
                continue;
            }
            ValueResult::Deleted => {
                is_changed = true;
                continue;
            }
            ValueResult::Failed => return Err(Unreadable),
        };
        put_bytes(&mut out, ELEMENT, new);
    }
    Ok(list(is_changed, ARRAY, &out))
}

/// A map: a value that is deleted takes its key along; a key is a text like any other.
fn map_value(
    rule: &CompiledRule,
    map: &[u8],
    hash_key: Option<&[u8]>,
    depth: usize,
) -> Result<ValueResult, Unreadable> {
    let (mut out, mut is_changed) = (Vec::with_capacity(map.len()), false);
    for field in Fields::new(map) {
        let entry = field.and_then(|field| field.bytes()).map_err(|_| Unreadable)?;
        let (mut key, mut value) = ("", &[][..]);
        for part in Fields::new(entry) {
            match part.and_then(|part| Ok((part.number, part.bytes()?))).map_err(|_| Unreadable)? {
                (1, bytes) => key = std::str::from_utf8(bytes).map_err(|_| Unreadable)?,
                (2, bytes) => value = bytes,
                _ => {}
            }
        }
        let new_key = match rule.pattern.is_some().then(|| apply(rule, key, hash_key)) {
            None | Some(Text::Unchanged) => None,
            Some(Text::Deleted) => {
                is_changed = true;
                continue;
            }
            Some(Text::Replaced(key)) => Some(key),
        };
        let new_value = match elements(rule, value, hash_key, depth + 1)? {
            ValueResult::Unchanged => None,
            ValueResult::Replaced(value) => Some(value),
            ValueResult::Deleted => {
                is_changed = true;
                continue;
            }
            ValueResult::Failed => return Err(Unreadable),
        };
        is_changed |= new_key.is_some() || new_value.is_some();
        put_message(&mut out, ELEMENT, |out| {
            put_bytes(out, ELEMENT, new_key.as_deref().unwrap_or(key).as_bytes());
            put_bytes(out, MAP_VALUE, new_value.as_deref().unwrap_or(value));
        });
    }
    Ok(list(is_changed, MAP, &out))
}

fn list(is_changed: bool, tag: u8, contents: &[u8]) -> ValueResult {
    if !is_changed {
        return ValueResult::Unchanged;
    }
    let mut value = Vec::with_capacity(contents.len() + 6);
    put_bytes(&mut value, tag, contents);
    ValueResult::Replaced(value)
}

/// An `AnyValue` with this string.
fn string(text: &str) -> Vec<u8> {
    let mut value = Vec::with_capacity(text.len() + 6);
    put_bytes(&mut value, STRING, text.as_bytes());
    value
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes are no `AnyValue`, or one deeper than [`MAX_DEPTH`].
struct Unreadable;

const STRING: u8 = 1 << 3 | 2;
const ARRAY: u8 = 5 << 3 | 2;
const MAP: u8 = 6 << 3 | 2;
const ELEMENT: u8 = 1 << 3 | 2;
const MAP_VALUE: u8 = 2 << 3 | 2;
