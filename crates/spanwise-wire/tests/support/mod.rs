//! A naive model of a span being written, on prost's types.

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value};
use proptest::collection::vec;
use proptest::prelude::*;
use spanwise_wire::Value;
use spanwise_wire::write::EncodeValue;

/// A [`Value`] that owns what it is made of.
#[derive(Debug, Clone)]
pub enum Owned {
    Str(String),
    Bool(bool),
    I64(i64),
    F64(f64),
    Bytes(Vec<u8>),
    Strs(Vec<String>),
    Bools(Vec<bool>),
    I64s(Vec<i64>),
    F64s(Vec<f64>),
}

impl Owned {
    pub fn with<R>(&self, f: impl FnOnce(Value<'_>) -> R) -> R {
        match self {
            Self::Str(text) => f(Value::Str(text)),
            Self::Bool(value) => f(Value::Bool(*value)),
            Self::I64(value) => f(Value::I64(*value)),
            Self::F64(value) => f(Value::F64(*value)),
            Self::Bytes(bytes) => f(Value::Bytes(bytes)),
            Self::Strs(texts) => {
                f(Value::Strs(&texts.iter().map(String::as_str).collect::<Vec<_>>()))
            }
            Self::Bools(values) => f(Value::Bools(values)),
            Self::I64s(values) => f(Value::I64s(values)),
            Self::F64s(values) => f(Value::F64s(values)),
        }
    }

    /// The value as prost's type, cut to `chars`.
    pub fn any_value(&self, chars: usize) -> AnyValue {
        use any_value::Value::*;
        let array = |values: Vec<any_value::Value>| {
            let values = values.into_iter().map(|value| AnyValue { value: Some(value) });
            ArrayValue(self::ArrayValue { values: values.collect() })
        };
        let value = match self {
            Self::Str(text) => StringValue(cut(text, chars)),
            Self::Bool(value) => BoolValue(*value),
            Self::I64(value) => IntValue(*value),
            Self::F64(value) => DoubleValue(*value),
            Self::Bytes(bytes) => BytesValue(bytes.iter().copied().take(chars).collect()),
            Self::Strs(texts) => {
                array(texts.iter().map(|text| StringValue(cut(text, chars))).collect())
            }
            Self::Bools(values) => array(values.iter().copied().map(BoolValue).collect()),
            Self::I64s(values) => array(values.iter().copied().map(IntValue).collect()),
            Self::F64s(values) => array(values.iter().copied().map(DoubleValue).collect()),
        };
        AnyValue { value: Some(value) }
    }

    /// Whether a limit of `chars` takes something away.
    pub fn is_cut(&self, chars: usize) -> bool {
        match self {
            Self::Str(text) => text.chars().count() > chars,
            Self::Bytes(bytes) => bytes.len() > chars,
            Self::Strs(texts) => texts.iter().any(|text| text.chars().count() > chars),
            _ => false,
        }
    }
}

impl EncodeValue for Owned {
    fn encoded_len(&self, max_chars: usize) -> usize {
        self.with(|value| value.encoded_len(max_chars))
    }

    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        self.with(|value| value.encode(max_chars, out));
    }

    fn is_truncated(&self, max_chars: usize) -> bool {
        self.with(|value| value.is_truncated(max_chars))
    }
}

pub fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// Attributes, what was left out of them, and how many values were cut.
#[derive(Debug, Default)]
pub struct Collection {
    pub attributes: Vec<KeyValue>,
    pub dropped: u32,
    pub cut: u32,
}

impl Collection {
    pub fn put(&mut self, limit: u32, chars: usize, key: &str, value: &Owned) {
        let entry = KeyValue {
            key: key.into(),
            value: Some(value.any_value(chars)),
            ..KeyValue::default()
        };
        if let Some(old) = self.attributes.iter_mut().find(|old| old.key == key) {
            *old = entry;
        } else if key.is_empty() || self.attributes.len() >= limit as usize {
            self.dropped += 1;
            return;
        } else {
            self.attributes.push(entry);
        }
        self.cut += u32::from(value.is_cut(chars));
    }

    pub fn of(limit: u32, chars: usize, attributes: &[(String, Owned)]) -> Self {
        let mut collection = Self::default();
        attributes.iter().for_each(|(key, value)| collection.put(limit, chars, key, value));
        collection
    }
}

/// The order of attributes means nothing.
pub fn sorted(mut attributes: Vec<KeyValue>) -> Vec<KeyValue> {
    attributes.sort_by(|a, b| a.key.cmp(&b.key));
    attributes
}

/// Few keys, so that they meet again: empty, around each length at which something changes, alike
/// in all that a fingerprint looks at; and some at random.
pub fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just(String::new()),
        6 => "[ab]",
        3 => "[abé]{2,9}",
        3 => prop::sample::select(vec!["http.request.method", "url.path", "server.port"])
            .prop_map(String::from),
        4 => "[xyz]".prop_map(|middle| format!("the same{middle}all over")),
        3 => prop::sample::select(vec![100usize, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 300])
            .prop_map(|len| "k".repeat(len)),
        1 => "\\PC{0,12}",
    ]
}

pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\\PC{0,12}",
        1 => "[aé漢🦀]{0,12}",
        // Lengths of one and two bytes, and of three.
        2 => (90usize..135).prop_map(|len| "t".repeat(len)),
        1 => (40usize..70).prop_map(|len| "漢".repeat(len)),
        1 => (16_300usize..16_400).prop_map(|len| "T".repeat(len)),
    ]
}

pub fn value() -> impl Strategy<Value = Owned> {
    let double = || prop_oneof![any::<f64>(), any::<u64>().prop_map(f64::from_bits)];
    let int = || prop_oneof![any::<i64>(), -200i64..200];
    prop_oneof![
        4 => text().prop_map(Owned::Str),
        1 => any::<bool>().prop_map(Owned::Bool),
        2 => int().prop_map(Owned::I64),
        1 => double().prop_map(Owned::F64),
        1 => vec(any::<u8>(), 0..200).prop_map(Owned::Bytes),
        1 => vec(text(), 0..4).prop_map(Owned::Strs),
        1 => vec(any::<bool>(), 0..5).prop_map(Owned::Bools),
        1 => vec(int(), 0..20).prop_map(Owned::I64s),
        1 => vec(double(), 0..20).prop_map(Owned::F64s),
    ]
}

pub fn attributes(most: usize) -> impl Strategy<Value = Vec<(String, Owned)>> {
    vec((key(), value()), 0..most)
}
