//! Arrays of values.

use super::depth::Level;
use super::encode::EncodeValue;
use super::tags::{ARRAY, ARRAY_ITEM};
use super::varint::{bytes_len, put_message};
use crate::limits::MAX_SPAN_BYTES;

/// An array whose elements come from an iterator that can be walked twice.
///
/// Arrays nest up to [`MAX_DEPTH`](crate::read::MAX_DEPTH) levels. Receivers reject deeper ones, so
/// the writer drops such an attribute.
///
/// # Cost
/// Linear in the number of elements, at any depth: each method calls an element once.
///
/// ```
/// use spanwise_wire::write::{Array, EncodeValue};
///
/// let ports = [80u16, 443];
/// let value = Array(ports.iter().map(|&port| i64::from(port)));
/// let mut out = Vec::new();
/// value.encode(usize::MAX, &mut out);
/// assert_eq!(out.len(), value.encoded_len(usize::MAX));
/// ```
#[derive(Debug, Clone)]
pub struct Array<I>(pub I);

impl<I> EncodeValue for Array<I>
where
    I: Iterator + Clone,
    I::Item: EncodeValue,
{
    fn encoded_len(&self, max_chars: usize) -> usize {
        // Nested too deeply: no buffer has space for this length.
        let Some(_level) = Level::enter() else { return usize::MAX };
        let items = self.0.clone().map(|item| bytes_len(item.encoded_len(max_chars)));
        bytes_len(items.fold(0, usize::saturating_add))
    }

    /// The length of the array is filled in after its elements are written. Computing it first would
    /// call each element once more for every array around it.
    fn encode(&self, max_chars: usize, out: &mut Vec<u8>) {
        let Some(_level) = Level::enter() else { return };
        put_message(out, ARRAY, |out| {
            for item in self.0.clone() {
                put_message(out, ARRAY_ITEM, |out| item.encode(max_chars, out));
                // The clone of an iterator may have no end where the first clone had one.
                if out.len() > MAX_SPAN_BYTES {
                    break;
                }
            }
        });
    }

    fn is_truncated(&self, max_chars: usize) -> bool {
        let Some(_level) = Level::enter() else { return false };
        self.0.clone().any(|item| item.is_truncated(max_chars))
    }
}
