//! Bodies that no library would send.

use flate2::Compression;
use flate2::write::GzEncoder;
use spanwise_testkit::SplitMix64;
use std::io::{self, Write as _};

/// A name that must not be in a metric.
pub(super) const MARKER: &str = "chosen_by_a_hostile_client";

/// A request of one span with a name and ids.
pub(super) fn request(name: &[u8], trace_id: &[u8], span_id: &[u8]) -> Vec<u8> {
    let span = [field(1, trace_id), field(2, span_id), field(5, name)].concat();
    in_scope(&field(2, &span))
}

/// A request with this content of its only scope.
pub(super) fn in_scope(spans: &[u8]) -> Vec<u8> {
    field(1, &field(2, spans))
}

/// A field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2], &length(bytes.len())[..], bytes].concat()
}

/// A length as a number of variable length.
fn length(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 128 {
        bytes.push(number as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A request that ends too early.
pub(super) fn truncated(random: &mut SplitMix64) -> Vec<u8> {
    let mut bytes = request(MARKER.as_bytes(), &[7; 16], &[7; 8]);
    let len = 1 + random.below(bytes.len() as u64 - 1) as usize;
    bytes.truncate(len);
    bytes
}

pub(super) fn random(random: &mut SplitMix64) -> Vec<u8> {
    (0..128).flat_map(|_| random.next_u64().to_le_bytes()).collect()
}

/// A value in arrays, 100,000 deep.
pub(super) fn deep() -> Vec<u8> {
    // From the inside out: the length of an array, and that of the value with it.
    let (mut lengths, mut inner) = (Vec::new(), 0);
    for _ in 0..100_000 {
        let array = 1 + length(inner).len() + inner;
        lengths.push((array, inner));
        inner = 1 + length(array).len() + array;
    }
    let value = lengths.iter().rev().flat_map(|(array, inner)| {
        [vec![5 << 3 | 2], length(*array), vec![1 << 3 | 2], length(*inner)].concat()
    });
    in_scope(&field(2, &field(9, &field(2, &value.collect::<Vec<u8>>()))))
}

/// A million empty groups.
pub(super) fn groups() -> Vec<u8> {
    [0x0a, 0].repeat(1_000_000)
}

/// Spans of two bytes.
pub(super) fn tiny_spans() -> Vec<u8> {
    in_scope(&[0x12, 0].repeat(20_000))
}

/// A field that no version has.
pub(super) fn unknown_field() -> Vec<u8> {
    field(15, &[7; 1 << 20])
}

/// 64 MiB of zeros in less than a hundredth, as 64 members.
///
/// # Errors
/// None: it is written to memory.
pub(super) fn gzip_bomb() -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&[0; 1 << 20])?;
    Ok(encoder.finish()?.repeat(64))
}

/// A frame of zstd without content, whose window is 2 GiB.
pub(super) const ZSTD_WINDOW: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0];

/// Arrays of JSON without an end.
pub(super) fn open_arrays() -> Vec<u8> {
    b"[".repeat(1 << 20)
}

/// An attribute in arrays, 20,000 deep.
pub(super) fn deep_json() -> Vec<u8> {
    let open = r#"{"arrayValue":{"values":["#.repeat(20_000);
    let close = "]}}".repeat(20_000);
    let attribute = format!(r#"{{"key":"k","value":{open}{{}}{close}}}"#);
    let span = format!(r#"{{"attributes":[{attribute}]}}"#);
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#).into_bytes()
}

/// A number with a million digits.
pub(super) fn long_number() -> Vec<u8> {
    format!(r#"{{"resourceSpans":[{{"x":{}}}]}}"#, "9".repeat(1 << 20)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Request;
    use prost::Message as _;

    #[test]
    fn bodies_are_what_their_names_state() {
        let read = |bytes: &[u8]| Request::decode(bytes);
        let whole = read(&request(b"x", &[7; 16], &[7; 8])).unwrap();
        assert_eq!(spanwise_testkit::spans(&whole).count(), 1);
        let mut random = SplitMix64::new(1);
        for _ in 0..100 {
            assert!(read(&truncated(&mut random)).is_err());
        }
        assert_eq!(spanwise_testkit::spans(&read(&tiny_spans()).unwrap()).count(), 20_000);
        // Each length is right: it is deeper than any reader of protobuf goes.
        let deep = deep();
        assert!(deep.len() > 600_000);
        assert!(read(&deep).unwrap_err().to_string().contains("recursion limit"));
        assert!(gzip_bomb().unwrap().len() < 1 << 20);
        assert!(serde_json::from_slice::<serde_json::Value>(&open_arrays()).is_err());
    }
}
