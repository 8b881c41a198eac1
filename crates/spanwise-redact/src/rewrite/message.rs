//! One message: finds the fields that rules change, and copies the rest.

use super::apply::Applied;
use super::attribute::{attribute, text};
use super::rewriter::{Outcome, Rewriter, Siblings};
use super::shape::{DEPTH, Part, Shape};
use spanwise_wire::read::{Field, FieldValue, Fields};
use spanwise_wire::write::put_varint;

/// Buffers for rewritten messages, which a caller uses again.
#[derive(Debug, Default)]
pub struct Scratch {
    levels: [Vec<u8>; DEPTH],
}

/// The result for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rewritten {
    Unchanged,
    Changed,
}

impl Scratch {
    /// The rewritten message.
    pub(crate) fn result(&self) -> &[u8] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    /// Gives back the memory of large messages.
    pub(crate) fn shrink(&mut self) {
        self.levels.iter_mut().filter(|it| it.capacity() > MAX_RETAINED).for_each(|it| {
            *it = Vec::new();
        });
    }
}

impl Rewriter<'_> {
    /// Applies the rules to a message of this shape. The result is in `scratch` if it is changed.
    pub(crate) fn message(
        &mut self,
        shape: &Shape,
        message: &[u8],
        scratch: &mut Scratch,
    ) -> Rewritten {
        self.level(shape, message, &mut scratch.levels)
    }

    fn level(&mut self, shape: &Shape, message: &[u8], levels: &mut [Vec<u8>]) -> Rewritten {
        let Some((out, inner)) = levels.split_first_mut() else { return Rewritten::Unchanged };
        out.clear();
        let mut fields = Fields::new(message);
        let (mut copied, mut start) = (0, 0);
        let mut is_changed = false;
        loop {
            let field = match fields.next() {
                Some(Ok(field)) => field,
                None => break,
                // The rest cannot be read, and may hold anything: it is left out.
                Some(Err(_)) => {
                    let readable = message.get(copied..start).unwrap_or_default();
                    out.extend_from_slice(readable);
                    (self.applied)(Applied::malformed());
                    return Rewritten::Changed;
                }
            };
            let end = message.len() - fields.rest().len();
            if let Some(part) = shape.part(field.number) {
                // All before this field, should it change.
                let before = message.get(copied..start).unwrap_or_default();
                if self.field(part, field, message, (before, out, inner)) == Rewritten::Changed {
                    (copied, is_changed) = (end, true);
                }
            }
            start = end;
        }
        if !is_changed {
            return Rewritten::Unchanged;
        }
        out.extend_from_slice(message.get(copied..).unwrap_or_default());
        Rewritten::Changed
    }

    /// Applies the rules to one field. If they change it, `before` and the changed field, unless it is deleted, are appended.
    fn field(
        &mut self,
        part: Part,
        field: Field<'_>,
        message: &[u8],
        (before, out, inner): (&[u8], &mut Vec<u8>, &mut [Vec<u8>]),
    ) -> Rewritten {
        let FieldValue::Bytes(bytes) = field.value else {
            // The field has another type than that of the message: no reader takes it, and none may show it.
            out.extend_from_slice(before);
            (self.applied)(Applied::malformed());
            return Rewritten::Changed;
        };
        let tag = field.number << 3 | 2;
        match part {
            Part::Message(shape) => {
                if self.level(shape, bytes, inner) == Rewritten::Unchanged {
                    return Rewritten::Unchanged;
                }
                out.extend_from_slice(before);
                put(out, tag, inner.first().map_or(&[], Vec::as_slice));
            }
            Part::Attribute(target) => {
                if self.rules.is_free(target) {
                    return Rewritten::Unchanged;
                }
                let others = Siblings::new(message, field.number);
                match attribute(self, target, bytes, others) {
                    Outcome::Unchanged => return Rewritten::Unchanged,
                    Outcome::Deleted => out.extend_from_slice(before),
                    Outcome::Replaced(attribute) => {
                        out.extend_from_slice(before);
                        put(out, tag, &attribute);
                    }
                }
            }
            Part::Text(target) => {
                if self.rules.is_free(target) {
                    return Rewritten::Unchanged;
                }
                let Some(text) = text(self, target, bytes) else { return Rewritten::Unchanged };
                out.extend_from_slice(before);
                put(out, tag, text.as_bytes());
            }
        }
        Rewritten::Changed
    }
}

/// Appends a field of bytes.
fn put(out: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    put_varint(out, u64::from(tag));
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Bytes that a buffer retains for the next message.
const MAX_RETAINED: usize = 64 << 10;
