//! Spans of the world: their bytes, and the facts that policies decide by.

use crate::random::Random;

/// A span that the world sends. Equal bytes are sent again as a duplicate.
#[derive(Debug, Clone)]
pub(crate) struct MadeSpan {
    pub(crate) trace: [u8; 16],
    pub(crate) bytes: Vec<u8>,
    pub(crate) facts: Facts,
    pub(crate) shape: Shape,
    /// The index of its resource and scope.
    pub(crate) group: usize,
}

/// How far a span is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Valid,
    /// A readable id, and a broken field behind it.
    Malformed,
    /// A trace id of another length.
    InvalidId,
    /// Larger than the memory of the sampler.
    Oversize,
}

/// The parts of a span that policies read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) start_ms: u64,
    pub(crate) end_ms: u64,
    /// `Status.code`.
    pub(crate) status: u8,
    /// The attribute `key` is `value N`.
    pub(crate) key: Option<u8>,
    /// The attribute `number`.
    pub(crate) number: Option<i64>,
    /// The attribute `flag`.
    pub(crate) flag: Option<bool>,
    pub(crate) is_root: bool,
}

impl Facts {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let start_ms = random.below(2_000);
        Self {
            start_ms,
            end_ms: start_ms + random.pick(&[(6, 10), (2, 500), (1, 1_000), (1, 3_000)]),
            status: random.pick(&[(6, 0), (2, 1), (1, 2)]),
            key: random.one_in(2).then(|| random.below(4) as u8),
            number: random.one_in(3).then(|| random.below(100) as i64 - 20),
            flag: random.one_in(4).then(|| random.one_in(2)),
            is_root: random.one_in(4),
        }
    }
}

/// Writes the `Span` message of these facts, with `padding` more bytes in its name.
pub(crate) fn encode(
    trace: [u8; 16],
    id: u64,
    facts: &Facts,
    padding: usize,
    random: &mut Random,
) -> Vec<u8> {
    let trace_id = nested(1, &trace);
    let mut rest = nested(2, &id.to_be_bytes());
    if !facts.is_root {
        rest.extend(nested(4, &[7; 8]));
    } else if random.one_in(3) {
        // Some libraries write the parent of a root as zeros.
        rest.extend(nested(4, &[0; 8]));
    }
    rest.extend(nested(5, &vec![b'a' + (id % 26) as u8; padding + 1]));
    for (field, millis) in [(7, facts.start_ms), (8, facts.end_ms)] {
        rest.push(field << 3 | 1);
        rest.extend((EPOCH_NANOS + millis * 1_000_000).to_le_bytes());
    }
    if let Some(value) = facts.key {
        rest.extend(attribute("key", &nested(1, format!("value {value}").as_bytes())));
    }
    if let Some(number) = facts.number {
        let mut value = vec![3 << 3];
        put_varint(number as u64, &mut value);
        rest.extend(attribute("number", &value));
    }
    if let Some(flag) = facts.flag {
        rest.extend(attribute("flag", &[2 << 3, u8::from(flag)]));
    }
    if facts.status > 0 {
        rest.extend(nested(15, &[3 << 3, facts.status]));
    }
    // Most libraries write the id first.
    if random.one_in(8) { [rest, trace_id].concat() } else { [trace_id, rest].concat() }
}

fn attribute(key: &str, value: &[u8]) -> Vec<u8> {
    nested(9, &[nested(1, key.as_bytes()), nested(2, value)].concat())
}

/// A field of wire type 2.
pub(crate) fn nested(number: u8, message: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    put_varint(message.len() as u64, &mut out);
    out.extend_from_slice(message);
    out
}

pub(crate) fn put_varint(mut value: u64, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// An arbitrary time in 2026.
const EPOCH_NANOS: u64 = 1_780_000_000_000_000_000;
