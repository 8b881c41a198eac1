//! The OpenTelemetry API's values, written as OTLP without a copy in between.

use opentelemetry::{Array as ApiArray, KeyValue, Value};
use spanwise_wire::write::{Array, EncodeValue, Scalar};

/// An API value that knows its `AnyValue` message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ApiValue<'a>(pub(crate) &'a Value);

/// Calls `$call` with `$inner` bound to something that is `EncodeValue`, for each kind of value.
///
/// Both enums can grow; a kind we do not know yet is written as its text.
macro_rules! each_kind {
    ($value:expr, $inner:ident => $call:expr) => {
        match $value {
            Value::Bool($inner) => $call,
            Value::I64($inner) => $call,
            Value::F64($inner) => $call,
            Value::String(text) => {
                let $inner = text.as_str();
                $call
            }
            Value::Array(ApiArray::Bool(items)) => {
                let $inner = items.as_slice();
                $call
            }
            Value::Array(ApiArray::I64(items)) => {
                let $inner = items.as_slice();
                $call
            }
            Value::Array(ApiArray::F64(items)) => {
                let $inner = items.as_slice();
                $call
            }
            Value::Array(ApiArray::String(items)) => {
                let $inner = Array(items.iter().map(|item| item.as_str()));
                $call
            }
            other => {
                let text = other.to_string();
                let $inner = text.as_str();
                $call
            }
        }
    };
}
pub(crate) use each_kind;

impl EncodeValue for ApiValue<'_> {
    fn encoded_len(&self, max_chars: usize) -> usize {
        each_kind!(self.0, value => value.encoded_len(max_chars))
    }

    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        each_kind!(self.0, value => value.encode(max_chars, out));
    }

    fn is_truncated(&self, max_chars: usize) -> bool {
        each_kind!(self.0, value => value.is_truncated(max_chars))
    }

    fn as_scalar(&self) -> Scalar<'_> {
        match self.0 {
            Value::String(text) => Scalar::Text(text.as_str()),
            Value::I64(value) => Scalar::Int(*value),
            Value::Bool(value) => Scalar::Bool(*value),
            Value::F64(value) => Scalar::Double(*value),
            _ => Scalar::Other,
        }
    }
}

/// API attributes as the pairs the wire crate takes.
pub(crate) fn pairs<'a>(
    attributes: impl IntoIterator<Item = &'a KeyValue>,
) -> impl Iterator<Item = (&'a str, ApiValue<'a>)> {
    attributes.into_iter().map(|pair| (pair.key.as_str(), ApiValue(&pair.value)))
}
