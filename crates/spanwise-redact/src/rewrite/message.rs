//! One message: finds the fields that rules reach, and copies the rest.

use super::output::Output;
use super::plan::{Plan, Step};
use super::rewriter::{Buffers, Rewriter, Siblings};
use super::shape::{DEPTH, Part, Shape};
use crate::compiled::CompiledRules;
use spanwise_wire::read::{Field, FieldValue, Fields};
use spanwise_wire::write::put_bytes;

/// Buffers for rewritten messages, which a caller uses again: those of a thread that redacts. After the first messages nothing is
/// allocated. Each buffer retains at most 64 KiB.
#[derive(Debug, Default)]
pub struct Scratch {
    levels: [Vec<u8>; DEPTH],
    buffers: Buffers,
    is_used: bool,
}

impl Scratch {
    /// The rewritten message.
    pub(crate) fn result(&self) -> &[u8] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    /// Gives back the memory of large messages.
    #[cold]
    fn shrink(&mut self) {
        let Buffers { value, next, path } = &mut self.buffers;
        let buffers = self.levels.iter_mut().chain([value, next, path]);
        buffers.filter(|it| it.capacity() > MAX_RETAINED).for_each(|it| *it = Vec::new());
        self.is_used = false;
    }
}

impl Rewriter<'_> {
    /// Applies the rules to a message of this shape. Whether it is changed: the result is in `scratch`.
    #[inline]
    pub(crate) fn message(&mut self, shape: &Shape, message: &[u8], scratch: &mut Scratch) -> bool {
        if scratch.is_used {
            scratch.shrink();
        }
        // Most spans are as they are, and need no more than this.
        let rest = skip(self.rules, self.plans.of(shape), message);
        if rest.is_empty() {
            return false;
        }
        let Scratch { levels, buffers, is_used } = scratch;
        *is_used = self.level(shape, (message, rest), levels, buffers);
        *is_used
    }

    /// Applies the rules to a message, of which no rule changes the fields before `rest`.
    fn level(
        &mut self,
        shape: &Shape,
        (message, mut rest): (&[u8], &[u8]),
        levels: &mut [Vec<u8>],
        buffers: &mut Buffers,
    ) -> bool {
        let Some((out, inner)) = levels.split_first_mut() else { return false };
        let mut output = Output::new(out, message);
        let mut siblings = Siblings::new(message, shape);
        while !rest.is_empty() {
            let mut fields = Fields::new(rest);
            let field = fields.next();
            let start = message.len() - rest.len();
            rest = fields.rest();
            let end = message.len() - rest.len();
            match field {
                Some(Ok(field)) => {
                    output.field(field.number, start, end);
                    self.field(shape, field, &mut siblings, (&mut output, inner, buffers));
                }
                // The rest cannot be read, and may hold anything: it is left out.
                Some(Err(_)) => {
                    self.malformed();
                    output.cut(start);
                }
                None => {}
            }
            rest = skip(self.rules, self.plans.of(shape), rest);
        }
        output.finish()
    }

    /// Applies the rules to one field.
    #[inline(never)]
    fn field(
        &mut self,
        shape: &Shape,
        field: Field<'_>,
        siblings: &mut Siblings<'_>,
        (output, inner, buffers): (&mut Output<'_>, &mut [Vec<u8>], &mut Buffers),
    ) {
        let Some(part) = shape.part(field.number) else { return };
        if !self.rules.targets().overlaps(part.targets()) {
            return;
        }
        let FieldValue::Bytes(bytes) = field.value else {
            // The field has another type than that of the message: no reader takes it, and none may show it.
            self.malformed();
            return output.delete();
        };
        match part {
            Part::Attribute(target) => {
                self.attribute(target, bytes, siblings, (output, buffers));
            }
            Part::Text(target) => self.text(target, bytes, output, buffers),
            Part::Message(shape) => {
                let rest = skip(self.rules, self.plans.of(shape), bytes);
                if !rest.is_empty() && self.level(shape, (bytes, rest), inner, buffers) {
                    let new = inner.first().map_or(&[][..], Vec::as_slice);
                    let (out, tag) = output.replace();
                    put_bytes(out, tag, new);
                }
            }
        }
    }
}

/// The fields from the first one on that needs more than a quick look.
#[inline(never)]
fn skip<'m>(rules: &CompiledRules, plan: &Plan, message: &'m [u8]) -> &'m [u8] {
    let of_target = rules.of_target(plan.target());
    let mut rest = message;
    while let [tag, after @ ..] = rest {
        if *tag == plan.attribute() {
            match attribute(rest) {
                Some((key, value, next)) if rules.is_unchanged(of_target, key, value) => {
                    rest = next;
                    continue;
                }
                _ => break,
            }
        }
        let next = match (plan.step(*tag), after) {
            (Step::SkipBytes, [len @ ..0x80, after @ ..]) => match after.get(usize::from(*len)..) {
                Some(next) => next,
                None => break,
            },
            (Step::Text, [len @ ..0x80, after @ ..]) => {
                match after.split_at_checked(usize::from(*len)) {
                    Some((text, next)) if rules.is_text_unchanged(plan.text(), text) => next,
                    _ => break,
                }
            }
            (Step::SkipVarint, [..0x80, next @ ..])
            | (Step::SkipFixed64, [_, _, _, _, _, _, _, _, next @ ..])
            | (Step::SkipFixed32, [_, _, _, _, next @ ..])
            | (Step::SkipLongFixed32, [1..0x80, _, _, _, _, next @ ..]) => next,
            _ => break,
        };
        rest = next;
    }
    rest
}

/// The key, the value and the bytes after a field that is a `KeyValue` below 128 bytes and has nothing else.
#[inline(always)]
fn attribute(field: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    // The tag, which the caller knows, the length, the tag of the key, its length.
    let head = u32::from_le_bytes(*field.first_chunk()?);
    if head & 0x80ff_8000 != u32::from(KEY) << 16 {
        return None;
    }
    let (len, key) = ((head >> 8 & 0x7f) as usize, (head >> 24) as usize);
    let (field, next) = field.split_at_checked(len + 2)?;
    match field.get(4..)?.split_at_checked(key)? {
        (key, [VALUE, len @ ..0x80, value @ ..]) if value.len() == usize::from(*len) => {
            Some((key, value, next))
        }
        _ => None,
    }
}

const KEY: u8 = 1 << 3 | 2;
const VALUE: u8 = 2 << 3 | 2;
/// Bytes that a buffer retains for the next message.
const MAX_RETAINED: usize = 64 << 10;
