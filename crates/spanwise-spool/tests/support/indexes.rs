//! Requests and indexes of them.
#![allow(dead_code, reason = "each test file uses a part")]

use spanwise_spool::index::{
    IndexBuilder, IndexError, RecordFacts, RecordPlace, SegmentIdentity, SegmentIndex,
};
use spanwise_wire::write::{put_bytes, put_message};

pub const SEED: u64 = 0x5eed;

/// A span in a request: of a trace, with a start and an end.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub trace: u128,
    pub start: u64,
    pub end: u64,
}

pub fn span(trace: u128) -> Span {
    Span { trace, start: 1000, end: 2000 }
}

/// A request with the spans of each service.
pub fn request(services: &[(&str, &[Span])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (service, spans) in services {
        put_message(&mut out, 0x0a, |group| {
            if !service.is_empty() {
                put_message(group, 0x0a, |resource| {
                    put_message(resource, 0x0a, |attribute| {
                        put_bytes(attribute, 0x0a, b"service.name");
                        put_message(attribute, 0x12, |value| {
                            put_bytes(value, 0x0a, service.as_bytes());
                        });
                    });
                });
            }
            put_message(group, 0x12, |scope| {
                for span in *spans {
                    put_message(scope, 0x12, |out| {
                        put_bytes(out, 0x0a, &span.trace.to_be_bytes());
                        put_bytes(out, 0x12, &[1; 8]);
                        out.push(0x39);
                        out.extend_from_slice(&span.start.to_le_bytes());
                        out.push(0x41);
                        out.extend_from_slice(&span.end.to_le_bytes());
                    });
                }
            });
        });
    }
    out
}

/// Adds a record to an index.
pub fn add(builder: &mut IndexBuilder, number: u32, request: &[u8]) -> RecordFacts {
    let facts = RecordFacts::read(request, builder.seed());
    assert_eq!(builder.add(place(number), &facts), number);
    facts
}

pub fn place(number: u32) -> RecordPlace {
    RecordPlace { record: number + 2, offset: 64 + u64::from(number) * 1000, len: 1000 }
}

pub const SEGMENT: SegmentIdentity =
    SegmentIdentity { id: 7, created_unix_nanos: 99, len: 64 << 20 };

/// The numbers of the records that the sealed index has for a trace, and the number of pages read.
pub fn find(index: &SegmentIndex, file: &[u8], trace: u128) -> Result<(Vec<u32>, u32), IndexError> {
    let (mut records, id) = (Vec::new(), trace.to_be_bytes());
    let pages = index.pages_of(id);
    let read = pages.end - pages.start;
    for page in pages {
        let bytes = index.page_bytes(page);
        let bytes = file.get(bytes.start as usize..bytes.end as usize).unwrap();
        index.find_in_page(page, bytes, id, &mut records)?;
    }
    Ok((records, read))
}

pub fn sealed(records: &[Vec<u8>], segment: SegmentIdentity) -> Vec<u8> {
    let mut builder = IndexBuilder::new(SEED);
    for (number, record) in records.iter().enumerate() {
        let _facts = add(&mut builder, number as u32, record);
    }
    let sealed = builder.seal(segment);
    let len = sealed.file_len();
    let bytes = sealed.into_bytes();
    assert_eq!(bytes.len() as u64, len);
    bytes
}

/// Trace `n` of a generator with random ids.
pub fn random(n: u64) -> u128 {
    let mix = |value: u64| {
        let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ value >> 31
    };
    let (a, b) = (mix(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)), mix(!n));
    u128::from(a) << 64 | u128::from(b)
}

/// Records of `spans` spans whose traces have `per_trace` spans each, one after the other.
pub fn records(count: u64, spans: u64, per_trace: u64) -> Vec<Vec<u8>> {
    let record = |record| {
        let spans: Vec<_> =
            (0..spans).map(|at| span(random((record * spans + at) / per_trace))).collect();
        request(&[("shop", &spans)])
    };
    (0..count).map(record).collect()
}
