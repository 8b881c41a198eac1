//! Messages with their fields in another order.

use spanwise_wire::read::{FieldValue, Fields};

/// The same fields in another order, down to the spans' own fields.
pub fn shuffle(message: &[u8], seed: u64, levels: u8) -> Vec<u8> {
    let mut parts = Vec::new();
    let mut fields = Fields::new(message);
    let mut rest = message;
    while let Some(field) = fields.next() {
        let field = field.unwrap();
        let part = &rest[..rest.len() - fields.rest().len()];
        rest = fields.rest();
        parts.push(match field.value {
            // Numbers 1 and 2 hold the messages at each of these levels.
            FieldValue::Bytes(inner) if levels > 0 && is_group(levels, field.number) => {
                raw(field.number as u8, &shuffle(inner, seed, levels - 1))
            }
            _ => part.to_vec(),
        });
    }
    let mut state = seed | 1;
    for i in (1..parts.len()).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        parts.swap(i, (state >> 33) as usize % (i + 1));
    }
    parts.concat()
}

pub fn is_group(levels: u8, number: u32) -> bool {
    match levels {
        3 => number == 1,
        _ => number == 2,
    }
}

pub fn raw(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}

pub fn message(number: u8, parts: &[&[u8]]) -> Vec<u8> {
    raw(number, &parts.concat())
}
