//! `AnyValue` messages of the OpenTelemetry API's values, written without a copy in between.

use super::array::Array;
use super::encode::EncodeValue;
use crate::model::{Value, known};
use opentelemetry::{StringValue as ApiString, Value as ApiValue};

/// A kind that a later version of the API adds is written as its text.
impl EncodeValue for ApiValue {
    fn encoded_len(&self, max_chars: usize) -> usize {
        match known(self) {
            Some(value) => value.encoded_len(max_chars),
            None => self.to_string().encoded_len(max_chars),
        }
    }

    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        match known(self) {
            Some(value) => value.encode(max_chars, out),
            None => self.to_string().encode(max_chars, out),
        }
    }

    fn is_truncated(&self, max_chars: usize) -> bool {
        match known(self) {
            Some(value) => value.is_truncated(max_chars),
            None => self.to_string().is_truncated(max_chars),
        }
    }

    #[inline(always)]
    fn as_value(&self) -> Option<Value<'_>> {
        known(self)
    }
}

impl EncodeValue for [ApiString] {
    fn encoded_len(&self, max_chars: usize) -> usize {
        texts(self).encoded_len(max_chars)
    }

    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        texts(self).encode(max_chars, out);
    }

    fn is_truncated(&self, max_chars: usize) -> bool {
        texts(self).is_truncated(max_chars)
    }
}

fn texts(items: &[ApiString]) -> Array<impl Iterator<Item = &str> + Clone> {
    Array(items.iter().map(|item| item.as_str()))
}
