//! Trace requests that identify themselves: the bytes of each follow from its number.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// SplitMix64: the same seed yields the same numbers.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A uniform number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(end)) >> 64) as u64
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }
}

/// A request with its number of spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub number: u64,
    pub spans: u64,
    pub bytes: Vec<u8>,
}

/// The requests of a run: each is made once, and compared often.
pub struct Requests {
    padding: u64,
    made: BTreeMap<u64, Request>,
}

impl Requests {
    /// Requests whose first span has an attribute of at most `padding` random bytes.
    pub fn new(padding: u64) -> Self {
        Self { padding, made: BTreeMap::new() }
    }

    pub fn get(&mut self, number: u64) -> &Request {
        self.made.entry(number).or_insert_with(|| request(number, self.padding))
    }
}

/// The moment at which all tests begin.
pub fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// The request of this number: 1 to 9 spans, the first of which has an attribute of random bytes, up to `padding`.
pub fn request(number: u64, padding: u64) -> Request {
    let mut random = Random(number ^ 0x5eed_0000_0000_0000);
    let spans = 1 + random.below(9);
    let len = random.below(padding + 1);
    request_of(number, spans, len)
}

/// The request of this number with `spans` spans and an attribute of `len` random bytes.
pub fn request_of(number: u64, spans: u64, len: u64) -> Request {
    let mut random = Random(number ^ 0xfeed_0000_0000_0000);
    let mut scope = Vec::new();
    for index in 0..spans {
        let mut span = Vec::new();
        field(&mut span, 1, &trace_id(number, index));
        field(&mut span, 2, &(number << 8 | (index & 0xff) | 1 << 63).to_be_bytes());
        field(&mut span, 5, format!("GET /orders/{number}").as_bytes());
        let nanos = 1_700_000_000_000_000_000 + number * 1_000_000 + index;
        fixed(&mut span, 7, nanos);
        fixed(&mut span, 8, nanos + 500);
        if index == 0 && len > 0 {
            let mut noise = Vec::with_capacity(len as usize + 8);
            while noise.len() < len as usize {
                noise.extend_from_slice(&random.next_u64().to_le_bytes());
            }
            noise.truncate(len as usize);
            let mut value = Vec::new();
            field(&mut value, 7, &noise);
            let mut attribute = Vec::new();
            field(&mut attribute, 1, b"payload");
            field(&mut attribute, 2, &value);
            field(&mut span, 9, &attribute);
        }
        field(&mut scope, 2, &span);
    }
    let mut resource_spans = Vec::new();
    let mut value = Vec::new();
    field(&mut value, 1, b"checkout");
    let mut attribute = Vec::new();
    field(&mut attribute, 1, b"service.name");
    field(&mut attribute, 2, &value);
    let mut resource = Vec::new();
    field(&mut resource, 1, &attribute);
    field(&mut resource_spans, 1, &resource);
    field(&mut resource_spans, 2, &scope);
    let mut bytes = Vec::new();
    field(&mut bytes, 1, &resource_spans);
    Request { number, spans, bytes }
}

/// The trace id of a span: the request's number and the span's index, so that each span has a trace of its own.
pub fn trace_id(number: u64, index: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(number + 1).to_be_bytes());
    id[8..].copy_from_slice(&(index + 1).to_be_bytes());
    id
}

/// The number of the request that these bytes are, by the trace id of their first span; `None` if they are none.
pub fn number_of(bytes: &[u8]) -> Option<u64> {
    let resource_spans = find(bytes, 1)?;
    let scope = find(resource_spans, 2)?;
    let span = find(scope, 2)?;
    let id = find(span, 1)?;
    u64::from_be_bytes(id.get(..8)?.try_into().ok()?).checked_sub(1)
}

/// The content of the first field of this number, which has a length.
fn find(mut message: &[u8], number: u64) -> Option<&[u8]> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match key & 7 {
            0 => _ = varint(&mut message)?,
            1 => message = message.get(8..)?,
            2 => {
                let len = usize::try_from(varint(&mut message)?).ok()?;
                let content = message.get(..len)?;
                if key >> 3 == number {
                    return Some(content);
                }
                message = message.get(len..)?;
            }
            _ => return None,
        }
    }
    None
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn field(out: &mut Vec<u8>, number: u64, content: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn fixed(out: &mut Vec<u8>, number: u64, value: u64) {
    put_varint(out, number << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
