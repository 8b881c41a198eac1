//! Segments that no spool wrote, with checksums that are right: a start serves the others, within bounds.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use spanwise_spool::format::{
    RECORD_HEADER_BYTES, RecordHeader, RecordKind, RecordPart, SegmentHeader, segment_file_name,
};
use spanwise_spool::storage::model::{ModelStorage, Operation};
use spanwise_spool::storage::{Storage as _, StorageFile as _};
use spanwise_spool::{Recovery, Spool};
use support::{at, request};

/// The bytes of a segment with an end record alone, which states `spans_before`.
fn with_end(segment: u64, spans_before: u64) -> Vec<u8> {
    let header = RecordHeader { spans_before, ..header(RecordKind::End, segment) };
    let mut bytes = SegmentHeader { segment, created_unix_nanos: 1 }.encode().to_vec();
    bytes.extend(header.encode(RecordPart::Header));
    bytes.extend(header.encode(RecordPart::Trailer));
    bytes
}

fn header(kind: RecordKind, segment: u64) -> RecordHeader {
    RecordHeader {
        kind,
        segment,
        record: 0,
        offset: 64,
        payload_bytes: 0,
        raw_bytes: 0,
        spans: 0,
        payload_crc32c: 0,
        dictionary: 0,
        spans_before: 0,
        earliest_unix_nanos: 0,
        latest_unix_nanos: 0,
        appended_unix_seconds: 1_800_000_000,
    }
}

fn write(storage: &ModelStorage, number: u64, bytes: &[u8]) {
    let mut file = storage.clone().create(&segment_file_name(number)).unwrap();
    file.write_at(bytes, 0).unwrap();
}

/// Starts a spool behind the segments, which still stores and reads.
fn start(storage: &ModelStorage) -> Recovery {
    let (mut spool, recovery) = Spool::builder().open_in(storage.clone(), at(1)).unwrap();
    spool.append(at(1), &request(7, 2), 2).unwrap();
    spool.sync(at(1)).unwrap();
    let stored = spool.read_next(at(1)).unwrap().unwrap();
    assert_eq!(stored.request, request(7, 2));
    recovery
}

#[test]
fn sums_of_spans_that_the_records_before_cannot_have_are_no_sums() {
    let storage = ModelStorage::new(1);
    (0..3).for_each(|number| write(&storage, number, &with_end(number, u64::MAX)));
    assert_eq!(start(&storage).spans, 0);
}

#[test]
fn a_payload_that_is_longer_than_any_record_takes_no_memory() {
    let storage = ModelStorage::new(1);
    let payload_bytes = 70 << 20;
    let header = RecordHeader { payload_bytes, spans: 1, ..header(RecordKind::Spans, 0) };
    let mut bytes = SegmentHeader { segment: 0, created_unix_nanos: 1 }.encode().to_vec();
    bytes.extend(header.encode(RecordPart::Header));
    bytes.resize(bytes.len() + payload_bytes as usize, 0);
    bytes.extend(header.encode(RecordPart::Trailer));
    write(&storage, 0, &bytes);
    let before = RECORD_HEADER_BYTES as u64;
    let recovery = start(&storage);
    assert_eq!((recovery.spans, recovery.torn_bytes > before), (0, true), "{recovery:?}");
}

#[test]
fn a_start_that_removes_many_segments_syncs_the_directory_a_few_times() {
    let storage = ModelStorage::new(1);
    (0..50).for_each(|number| write(&storage, number, &with_end(number, 0)));
    let (max_age, late) = (Duration::from_secs(24 * 3600), at(10 * 24 * 3600));
    storage.record_crash_points(1);
    let (spool, _) = Spool::builder().with_max_age(max_age).open_in(storage.clone(), late).unwrap();
    assert_eq!(spool.stats().segments, 0);
    let syncs = storage.take_crash_points();
    let syncs = syncs.iter().filter(|point| point.operation() == Operation::SyncDirectory).count();
    assert!((1..5).contains(&syncs), "{syncs}");
}
