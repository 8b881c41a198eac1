//! Requests are compressed with a dictionary of the first ones.

use crate::support;

use std::fs;

use spanwise_spool::format::{RECORD_HEADER_BYTES, RecordHeader, RecordKind, RecordPart};
use spanwise_spool::{Spool, SpoolError};
use support::{TempDirectory, at, open, request};

/// Requests that are enough for a dictionary, and as many that use it.
const REQUESTS: u64 = 400;
const SPANS: u64 = 20;

#[test]
fn a_dictionary_makes_small_requests_smaller_and_survives_restarts() {
    let directory = TempDirectory::new();
    let (mut spool, _) = Spool::builder().open_in(open(&directory), at(0)).unwrap();
    store(&mut spool, 0..REQUESTS);
    let first = dictionaries(&directory);
    assert_eq!(first.len(), 2, "two copies in the first segment");
    let [before, after] = [false, true].map(|is_after| mean_payload(&directory, is_after));
    assert!(after * 10 < before * 7, "{after} of {before} bytes");
    drop(spool);

    let (mut spool, recovery) = Spool::builder().open_in(open(&directory), at(1)).unwrap();
    assert_eq!(recovery.spans, REQUESTS * SPANS);
    read_all(&mut spool, 0..REQUESTS);
}

#[test]
fn a_segment_with_two_damaged_copies_uses_the_dictionary_of_another() {
    let directory = TempDirectory::new();
    let builder = || Spool::builder().with_max_bytes(64 << 20).with_segment_bytes(4 << 20);
    let (mut spool, _) = builder().open_in(open(&directory), at(0)).unwrap();
    store(&mut spool, 0..REQUESTS);
    drop(spool);
    // The next process begins a segment of its own with the dictionary.
    let (mut spool, _) = builder().open_in(open(&directory), at(0)).unwrap();
    store(&mut spool, REQUESTS..REQUESTS + 1);
    drop(spool);
    let (mut spool, _) = builder().open_in(open(&directory), at(0)).unwrap();
    store(&mut spool, REQUESTS + 1..REQUESTS + 2);
    drop(spool);
    let segments = directory.segments();
    assert_eq!(segments.len(), 3);
    let mut bytes = fs::read(&segments[1]).unwrap();
    let copies = dictionaries_of(&bytes);
    assert_eq!(copies.len(), 2);
    for header in copies {
        bytes[header.payload_offset() as usize] ^= 1;
    }
    fs::write(&segments[1], bytes).unwrap();

    let (mut spool, _) = builder().open_in(open(&directory), at(1)).unwrap();
    read_all(&mut spool, 0..REQUESTS + 2);
    assert_eq!(spool.take_losses().total(), 0);
}

#[test]
fn a_compressor_of_another_thread_shares_the_dictionary() {
    let directory = TempDirectory::new();
    let (mut spool, _) = Spool::builder().open_in(open(&directory), at(0)).unwrap();
    let mut compressor = spool.compressor();
    for number in 0..REQUESTS {
        let request = request(number, SPANS);
        let compressed = compressor.compress(at(0), &request, SPANS).unwrap();
        assert_eq!(compressed.raw_bytes(), request.len() as u64);
        spool.append_compressed(at(0), compressed).unwrap();
    }
    spool.sync(at(0)).unwrap();
    assert_eq!(dictionaries(&directory).len(), 2);
    read_all(&mut spool, 0..REQUESTS);

    let other_directory = TempDirectory::new();
    let (mut other, _) = Spool::builder().open_in(open(&other_directory), at(0)).unwrap();
    let compressed = compressor.compress(at(0), &request(0, SPANS), SPANS).unwrap();
    let error = other.append_compressed(at(0), compressed).unwrap_err();
    assert!(matches!(error, SpoolError::Compression { .. }), "{error}");
    assert_eq!(other.stats().unsynced_records, 0);
}

#[test]
fn small_segments_have_no_dictionary() {
    let directory = TempDirectory::new();
    let builder = Spool::builder().with_max_bytes(16 << 20).with_segment_bytes(1 << 20);
    let (mut spool, _) = builder.open_in(open(&directory), at(0)).unwrap();
    store(&mut spool, 0..REQUESTS);
    assert_eq!(dictionaries(&directory).len(), 0);
}

fn store(
    spool: &mut Spool<spanwise_spool::storage::DirectoryStorage>,
    numbers: std::ops::Range<u64>,
) {
    for number in numbers {
        spool.append(at(0), &request(number, SPANS), SPANS).unwrap();
    }
    spool.sync(at(0)).unwrap();
}

fn read_all(
    spool: &mut Spool<spanwise_spool::storage::DirectoryStorage>,
    numbers: std::ops::Range<u64>,
) {
    for number in numbers {
        let stored = spool.read_next(at(1)).unwrap().unwrap();
        assert_eq!(stored.request, request(number, SPANS), "request {number}");
        spool.acknowledge(stored.id);
    }
    assert_eq!(spool.read_next(at(1)).unwrap(), None);
}

fn dictionaries(directory: &TempDirectory) -> Vec<RecordHeader> {
    let segments = directory.segments();
    segments.iter().flat_map(|path| dictionaries_of(&fs::read(path).unwrap())).collect()
}

/// Bytes of a payload of spans, with a dictionary or without.
fn mean_payload(directory: &TempDirectory, has_dictionary: bool) -> u64 {
    let headers = headers_of(&fs::read(&directory.segments()[0]).unwrap());
    let is_wanted = |header: &&RecordHeader| {
        header.kind == RecordKind::Spans && (header.dictionary != 0) == has_dictionary
    };
    let lens: Vec<u64> =
        headers.iter().filter(is_wanted).map(|header| header.payload_bytes.into()).collect();
    lens.iter().sum::<u64>() / lens.len() as u64
}

fn dictionaries_of(bytes: &[u8]) -> Vec<RecordHeader> {
    let mut headers = headers_of(bytes);
    headers.retain(|header| header.kind == RecordKind::Dictionary);
    headers
}

fn headers_of(bytes: &[u8]) -> Vec<RecordHeader> {
    let mut at = spanwise_spool::format::SEGMENT_HEADER_BYTES;
    let mut headers = Vec::new();
    while at + RECORD_HEADER_BYTES <= bytes.len() {
        let header = RecordHeader::decode(&bytes[at..], RecordPart::Header).unwrap();
        at = header.end() as usize;
        headers.push(header);
    }
    headers
}
