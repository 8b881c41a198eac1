//! `AnyValue` messages of the model's values.

use super::encode::EncodeValue;
use crate::model::{OwnedValue, Value};

/// Evaluates `$call` with `$inner` bound to the data of the [`Value`], which is [`EncodeValue`].
macro_rules! each_kind {
    ($value:expr, $inner:ident => $call:expr) => {
        match $value {
            Value::Str($inner) => $call,
            Value::Bool($inner) => $call,
            Value::I64($inner) => $call,
            Value::U64($inner) => $call,
            Value::F64($inner) => $call,
            Value::Bytes($inner) => $call,
            Value::Strs($inner) => $call,
            Value::Bools($inner) => $call,
            Value::I64s($inner) => $call,
            Value::F64s($inner) => $call,
            Value::Strings($inner) => $call,
            #[cfg(feature = "opentelemetry")]
            Value::ApiStrings($inner) => $call,
            Value::Array($inner) => $call,
            Value::Char($inner) => $call,
            Value::Absent => {
                let $inner = None::<bool>;
                $call
            }
        }
    };
}

impl EncodeValue for Value<'_> {
    fn encoded_len(&self, max_chars: usize) -> usize {
        each_kind!(self, value => value.encoded_len(max_chars))
    }

    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        each_kind!(self, value => value.encode(max_chars, out));
    }

    #[inline(always)]
    fn as_value(&self) -> Option<Value<'_>> {
        Some(*self)
    }

    fn is_truncated(&self, max_chars: usize) -> bool {
        each_kind!(self, value => value.is_truncated(max_chars))
    }
}

impl EncodeValue for OwnedValue {
    fn encoded_len(&self, max_chars: usize) -> usize {
        Value::from(self).encoded_len(max_chars)
    }

    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        Value::from(self).encode(max_chars, out);
    }

    #[inline(always)]
    fn as_value(&self) -> Option<Value<'_>> {
        Some(Value::from(self))
    }

    fn is_truncated(&self, max_chars: usize) -> bool {
        Value::from(self).is_truncated(max_chars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_len_is_the_length_that_encode_appends() {
        let long = "x".repeat(300);
        let mixed = [OwnedValue::I64(1), OwnedValue::Absent, OwnedValue::from(vec!["x"])];
        let values = [
            Value::Str(""),
            Value::Str(&long),
            Value::Bool(false),
            Value::I64(-1),
            Value::I64(i64::MAX),
            Value::U64(u64::MAX),
            Value::Char('é'),
            Value::Absent,
            Value::F64(f64::NAN),
            Value::Bytes(b"\x00\xff"),
            Value::Strs(&["a", &long, ""]),
            Value::Bools(&[true, false]),
            Value::I64s(&[]),
            Value::F64s(&[0.0, -0.0]),
            Value::Strings(&["b".to_owned()]),
            Value::Array(&mixed),
        ];
        for value in values {
            for limit in [0, 1, 100, usize::MAX] {
                let mut out = Vec::new();
                value.encode(limit, &mut out);
                assert_eq!(out.len(), value.encoded_len(limit), "{value:?} at {limit}");
            }
        }
    }
}
