//! A span as policies read it: the values of the keys that they look for, and the rest when one asks for it.

use std::cell::OnceCell;
use std::ops::Deref;

use spanwise_wire::read::{Fields, SpanView, ValueView};

use crate::keys::KeyIndex;

/// A span with the values of the keys that policies look for, found in one pass. Most conditions need no more: other fields are read
/// when one of them is asked for.
pub(crate) struct SpanFacts<'a> {
    encoded: EncodedSpan<'a>,
    keys: &'a [Box<str>],
    /// The encoded values of up to [`FEW_KEYS`] keys.
    few: [Option<&'a [u8]>; FEW_KEYS],
    /// The encoded values of more keys.
    many: Box<[Option<&'a [u8]>]>,
    /// In place of the encoded values, those of a span with attributes in an unusual form.
    unusual: Box<[Option<ValueView<'a>>]>,
    /// The name, if the pass found it.
    name: Option<&'a [u8]>,
    /// Apart: many times larger than the facts, and not needed by most conditions.
    view: OnceCell<Box<SpanView<'a>>>,
}

/// A `Span` message that [`SpanView::of`] can read, with those of its `Resource` and `InstrumentationScope`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EncodedSpan<'a> {
    pub(crate) span: &'a [u8],
    pub(crate) resource: &'a [u8],
    pub(crate) scope: &'a [u8],
}

impl<'a> From<SpanView<'a>> for EncodedSpan<'a> {
    fn from(view: SpanView<'a>) -> Self {
        Self { span: view.bytes(), resource: view.resource(), scope: view.scope() }
    }
}

impl<'a> SpanFacts<'a> {
    /// Finds the values of `keys`.
    #[inline]
    pub(crate) fn new(encoded: EncodedSpan<'a>, keys: &'a [Box<str>]) -> Self {
        let mut facts = Self {
            encoded,
            keys,
            few: [None; FEW_KEYS],
            many: Box::default(),
            unusual: Box::default(),
            name: None,
            view: OnceCell::new(),
        };
        if keys.is_empty() {
            return facts;
        }
        let values = if keys.len() <= FEW_KEYS {
            &mut facts.few[..]
        } else {
            facts.many = vec![None; keys.len()].into();
            &mut facts.many
        };
        let mut search = Search { keys, values, name: &[] };
        match search.run(encoded.span) {
            Some(()) => facts.name = Some(search.name),
            None => facts.read_unusual(),
        }
        facts
    }

    #[cold]
    fn read_unusual(&mut self) {
        let mut values = vec![None; self.keys.len()];
        self.select_attributes(self.keys, &mut values);
        self.unusual = values.into();
    }

    /// The value of an attribute of the span.
    #[inline]
    pub(crate) fn value(&self, key: KeyIndex) -> Option<ValueView<'a>> {
        match self.encoded_value(key) {
            Some(value) => ValueView::parse(value).ok(),
            None => self.unusual.get(key.get()).copied().flatten(),
        }
    }

    /// Whether the value of an attribute of the span is this text.
    #[inline]
    pub(crate) fn has_text(&self, key: KeyIndex, text: &str) -> bool {
        match self.encoded_value(key) {
            // The text is UTF-8, and a string that is not differs from it.
            Some([STRING, len @ ..0x80, value @ ..]) if value.len() == usize::from(*len) => {
                value == text.as_bytes()
            }
            None if self.unusual.is_empty() => false,
            _ => self.value(key).and_then(|value| value.as_str()) == Some(text),
        }
    }

    #[inline]
    fn encoded_value(&self, key: KeyIndex) -> Option<&'a [u8]> {
        if !self.unusual.is_empty() {
            return None;
        }
        let values = if self.many.is_empty() { &self.few[..] } else { &self.many };
        values.get(key.get()).copied().flatten()
    }

    /// Whether the span has this name.
    #[inline]
    pub(crate) fn is_named(&self, name: &str) -> bool {
        match self.name {
            Some(found) => found == name.as_bytes(),
            None => self.name() == Ok(name),
        }
    }

    /// The bytes of the `Resource` message; empty if there is none.
    pub(crate) fn resource(&self) -> &'a [u8] {
        self.encoded.resource
    }

    /// The value of an attribute of the span's resource.
    pub(crate) fn resource_value(&self, key: KeyIndex) -> Option<ValueView<'a>> {
        self.keys.get(key.get()).and_then(|key| self.resource_attribute(key))
    }

    /// The value that the span's resource has for `key`.
    pub(crate) fn resource_attribute(&self, key: &str) -> Option<ValueView<'a>> {
        // The span itself is not read.
        SpanView::of(&[], self.encoded.resource, &[]).ok()?.resource_attribute(key)
    }
}

impl<'a> Deref for SpanFacts<'a> {
    type Target = SpanView<'a>;

    fn deref(&self) -> &SpanView<'a> {
        let EncodedSpan { span, resource, scope } = self.encoded;
        let read = || SpanView::of(span, resource, scope).unwrap_or_default();
        self.view.get_or_init(|| Box::new(read()))
    }
}

/// One pass over the fields of a span.
struct Search<'v, 'a> {
    keys: &'a [Box<str>],
    values: &'v mut [Option<&'a [u8]>],
    name: &'a [u8],
}

impl<'a> Search<'_, 'a> {
    /// Finds the values and the name; `None` if a field has a form that most senders do not write.
    #[inline]
    fn run(&mut self, span: &'a [u8]) -> Option<()> {
        let mut rest = span;
        while let [key, behind @ ..] = rest {
            rest = match (*key, behind) {
                (ATTRIBUTES, [len @ ..0x80, behind @ ..]) => {
                    let (entry, behind) = behind.split_at_checked(usize::from(*len))?;
                    match entry {
                        [KEY, len @ ..0x80, rest @ ..]
                            if let Some((key, [VALUE, len @ ..0x80, value @ ..])) =
                                rest.split_at_checked(usize::from(*len))
                                && value.len() == usize::from(*len) =>
                        {
                            self.put(key, value);
                        }
                        _ => self.put_any(entry)?,
                    }
                    behind
                }
                (8..0x80, [len @ ..0x80, behind @ ..]) if key & 7 == 2 => {
                    let (bytes, behind) = behind.split_at_checked(usize::from(*len))?;
                    if *key == NAME {
                        self.name = bytes;
                    }
                    behind
                }
                (START | END, _) => behind.get(8..)?,
                (KIND, [..0x80, behind @ ..]) => behind,
                _ => self.read_any(rest)?,
            };
        }
        Some(())
    }

    /// Reads one field of any form.
    #[inline(never)]
    fn read_any(&mut self, rest: &'a [u8]) -> Option<&'a [u8]> {
        let mut fields = Fields::new(rest);
        let field = fields.next()?.ok()?;
        match field.number {
            5 => self.name = field.bytes().ok()?,
            9 => self.put_any(field.bytes().ok()?)?,
            _ => {}
        }
        Some(fields.rest())
    }

    /// An entry of 128 bytes and more: its key and its value, and nothing else.
    #[inline(never)]
    fn put_any(&mut self, entry: &'a [u8]) -> Option<()> {
        let mut fields = Fields::new(entry);
        let mut next = |number| {
            let field = fields.next()?.ok()?;
            if field.number == number { field.bytes().ok() } else { None }
        };
        let (key, value) = (next(1)?, next(2)?);
        if !fields.rest().is_empty() {
            return None;
        }
        self.put(key, value);
        Some(())
    }

    /// Of a key that occurs twice the last entry counts.
    #[inline]
    fn put(&mut self, key: &[u8], value: &'a [u8]) {
        // Most keys differ in their length or at their end, so that few of them are compared.
        let is_wanted = |wanted: &str| {
            let wanted = wanted.as_bytes();
            wanted.len() == key.len() && wanted.last() == key.last() && wanted == key
        };
        if let Some(place) = self.keys.iter().position(|key| is_wanted(key))
            && let Some(found) = self.values.get_mut(place)
        {
            *found = Some(value);
        }
    }
}

/// The values of up to this many keys need no allocation for each span.
const FEW_KEYS: usize = 6;

// opentelemetry/proto/trace/v1/trace.proto and common/v1/common.proto: keys of one byte
const NAME: u8 = 0x2a;
const KIND: u8 = 0x30;
const START: u8 = 0x39;
const END: u8 = 0x41;
const ATTRIBUTES: u8 = 0x4a;
/// `KeyValue.key` and `KeyValue.value`
const KEY: u8 = 0x0a;
const VALUE: u8 = 0x12;
/// `AnyValue.string_value`
const STRING: u8 = 0x0a;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyPool;

    fn message(key: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![key];
        spanwise_wire::write::put_varint(&mut out, bytes.len() as u64);
        out.extend_from_slice(bytes);
        out
    }

    #[test]
    fn the_facts_are_what_the_view_of_the_span_shows() {
        let mut state = 1u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        let long = [b'l'; 200];
        let entry = |key: &[u8], value: &[u8]| {
            message(ATTRIBUTES, &[message(KEY, key), message(VALUE, value)].concat())
        };
        let reversed = [message(VALUE, &message(STRING, b"x")), message(KEY, b"a")].concat();
        let twice = [&message(KEY, b"a")[..], &message(VALUE, &message(STRING, b"x"))].concat();
        let twice = [&twice[..], &message(VALUE, &[0x18, 3])].concat();
        let pieces: Vec<Vec<u8>> = vec![
            message(0x0a, &[7; 16]),
            message(NAME, b"name"),
            message(NAME, b"\xff"),
            message(NAME, &long),
            vec![KIND, 3],
            vec![KIND, 0x83, 0],
            [&[START][..], &[9; 8]].concat(),
            [&[END][..], &[9; 8]].concat(),
            vec![0x50, 1],
            vec![0x85, 1, 1, 0, 0, 0],
            message(0x7a, &[0x18, 2]),
            entry(b"a", &message(STRING, b"x")),
            entry(b"a", &message(STRING, b"\xff")),
            entry(b"a", &message(STRING, &long)),
            entry(b"a", &[0x18, 0xc8, 1]),
            entry(b"a", &[0x18]),
            entry(b"b", &message(STRING, b"x")),
            entry(b"bb", &message(STRING, b"y")),
            entry(&long, &message(STRING, b"x")),
            entry(b"c", &[]),
            message(ATTRIBUTES, &reversed),
            message(ATTRIBUTES, &twice),
            message(ATTRIBUTES, &message(KEY, b"a")),
            message(ATTRIBUTES, b"\xff"),
            vec![0xca, 0, 3, KEY, 1, b'a'],
        ];
        let texts = ["x", "", "name", std::str::from_utf8(&long).unwrap()];
        let (mut unusual, mut usual) = (0, 0);
        for names in [&["a", "b", "bb", "c"][..], &["q", "r", "s", "t", "u", "bb", "c", "a"]] {
            let pool = KeyPool::default();
            let indexes: Vec<KeyIndex> = names.iter().map(|name| pool.index(name)).collect();
            let keys = pool.into_keys();
            for _ in 0..10_000 {
                let span: Vec<u8> =
                    (0..next(7)).flat_map(|_| pieces[next(pieces.len())].clone()).collect();
                let view = SpanView::parse(&span).unwrap();
                let encoded = EncodedSpan { span: &span, resource: &[], scope: &[] };
                let facts = SpanFacts::new(encoded, &keys);
                *if facts.unusual.is_empty() { &mut usual } else { &mut unusual } += 1;
                for (index, name) in indexes.iter().zip(names) {
                    let value = view.attribute(name);
                    assert_eq!(facts.value(*index), value, "{span:?}");
                    for text in texts {
                        let has_text = value.and_then(|value| value.as_str()) == Some(text);
                        assert_eq!(facts.has_text(*index, text), has_text, "{span:?}");
                    }
                }
                for text in texts {
                    assert_eq!(facts.is_named(text), view.name() == Ok(text), "{span:?}");
                }
                assert_eq!(facts.kind(), view.kind());
            }
        }
        assert!(usual > 5_000 && unusual > 5_000, "{usual} {unusual}");
    }
}
