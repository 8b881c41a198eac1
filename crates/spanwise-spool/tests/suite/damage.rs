//! Damaged segments: every span of a start is delivered or counted as lost, whatever the damage.

use crate::support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use spanwise_spool::format::segment_file_name;
use spanwise_spool::storage::model::{ModelStorage, Operation};
use spanwise_spool::{Spool, SpoolError};
use support::{at, noise, request};

/// A storage with records of 1 to 4 spans in several segments.
fn stored(records: u64, by_segment: u64) -> ModelStorage {
    let storage = ModelStorage::new(7);
    let (mut spool, _) = Spool::builder().open_in(storage.clone(), at(0)).unwrap();
    for number in 0..records {
        if number > 0 && number % by_segment == 0 {
            drop(spool);
            (spool, _) = Spool::builder().open_in(storage.clone(), at(0)).unwrap();
        }
        spool.append(at(0), &request(number, number % 4 + 1), number % 4 + 1).unwrap();
        spool.sync(at(0)).unwrap();
    }
    storage
}

/// Starts a spool, reads all of it, and returns the count of records and spans that it delivered, and of
/// spans that were lost. Each delivered request is one that was stored, and each is delivered once.
fn deliver(storage: &ModelStorage) -> (u64, u64, u64) {
    let (mut spool, recovery) = Spool::builder().open_in(storage.clone(), at(1)).unwrap();
    let mut seen = BTreeMap::new();
    let mut spans = 0;
    while let Some(stored) = spool.read_next(at(1)).unwrap() {
        let number = seen.len() as u64;
        let before = seen.insert(stored.request.clone(), number);
        assert_eq!(before, None, "a request is delivered once");
        spans += stored.spans;
        spool.acknowledge(stored.id);
    }
    for stored in seen.keys() {
        let is_stored = (0..RECORDS).any(|number| *stored == request(number, number % 4 + 1));
        assert!(is_stored, "a request that was not stored");
    }
    let lost = spool.take_losses().total();
    assert_eq!(recovery.spans, spans + lost, "each span of a start is delivered or lost");
    assert_eq!((spool.stats().spans, spool.stats().segments), (0, 0));
    (seen.len() as u64, spans, lost)
}

const RECORDS: u64 = 12;
const SPANS: u64 = 3 * (1 + 2 + 3 + 4);

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_is_counted(
        segment in 0_u64..3,
        at in 0.0..1.0_f64,
        len in 1_usize..6_000,
        damage in 0..5,
    ) {
        let storage = stored(RECORDS, 4);
        storage
            .corrupt(&segment_file_name(segment), |bytes| {
                let from = (at * bytes.len() as f64) as usize;
                let to = (from + len).min(bytes.len());
                match damage {
                    0 => bytes[from..to].fill(0),
                    1 => bytes.truncate(from),
                    2 => bytes[from..to].reverse(),
                    3 => drop(bytes.drain(from..to)),
                    _ => {
                        let copy = bytes[from..to].to_vec();
                        bytes.splice(from..from, copy);
                    }
                }
            })
            .unwrap();
        let (_, spans, lost) = deliver(&storage);
        prop_assert!(spans + lost <= SPANS);
        // The other two segments are intact.
        prop_assert!(spans >= SPANS / 3 * 2);
    }
}

#[test]
fn each_damaged_byte_of_a_complete_segment_costs_one_record_at_most() {
    let storage = stored(RECORDS, 4);
    let name = segment_file_name(0);
    // The end record that the second start wrote makes losses at the end exact, too.
    let intact = storage.content(&name).unwrap();
    for at in (0..intact.len()).step_by(7) {
        storage
            .corrupt(&name, |bytes| {
                bytes.clone_from(&intact);
                bytes[at] ^= 0x80;
            })
            .unwrap();
        let (records, spans, lost) = deliver_copy(&storage);
        assert!(records >= RECORDS - 1, "byte {at}: {records} records");
        assert_eq!(spans + lost, SPANS, "byte {at}");
    }
}

/// As [`deliver`], from a copy of the storage.
fn deliver_copy(storage: &ModelStorage) -> (u64, u64, u64) {
    deliver(&storage.crash_point().killed_process(1))
}

#[test]
fn a_sync_that_fails_is_not_repeated_and_loses_nothing() {
    let storage = ModelStorage::new(1);
    let (mut spool, _) = Spool::builder().open_in(storage.clone(), at(0)).unwrap();
    for number in 0..3 {
        spool.append(at(0), &request(number, 2), 2).unwrap();
    }
    spool.sync(at(0)).unwrap();
    for number in 3..6 {
        spool.append(at(0), &request(number, 2), 2).unwrap();
    }
    storage.fail(Operation::Sync, 1, 1);
    let synced = spool.sync(at(0)).unwrap();
    assert_eq!((synced.records, synced.spans, synced.is_rewritten), (3, 6, true));
    assert_eq!(spool.stats().poisoned_segments, 1);
    drop(spool);
    let storage = storage.crash_point().power_failure(1);
    let (mut spool, recovery) = Spool::builder().open_in(storage, at(1)).unwrap();
    assert_eq!((recovery.spans, recovery.segments), (12, 2));
    for number in 0..6 {
        assert_eq!(spool.read_next(at(1)).unwrap().unwrap().request, request(number, 2));
    }
}

#[test]
fn a_disk_that_refuses_every_sync_costs_the_unsynced_records_alone() {
    let storage = ModelStorage::new(1);
    let (mut spool, _) = Spool::builder().open_in(storage.clone(), at(0)).unwrap();
    spool.append(at(0), &request(0, 2), 2).unwrap();
    spool.sync(at(0)).unwrap();
    spool.append(at(0), &request(1, 3), 3).unwrap();
    storage.fail(Operation::Sync, 1, u32::MAX);
    match spool.sync(at(0)).unwrap_err() {
        SpoolError::NotStored { records: 1, spans: 3, .. } => {}
        error => panic!("{error}"),
    }
    assert_eq!(spool.sync(at(0)).unwrap().records, 0, "the spool forgot them");
    assert_eq!((spool.stats().spans, spool.stats().segments), (2, 1));
    storage.heal();
    spool.append(at(0), &request(2, 1), 1).unwrap();
    spool.sync(at(0)).unwrap();
    for number in [(0, 2), (2, 1)] {
        let stored = spool.read_next(at(0)).unwrap().unwrap();
        assert_eq!(stored.request, request(number.0, number.1));
    }
    assert_eq!(spool.read_next(at(0)).unwrap(), None);
    assert_eq!(spool.take_losses().total(), 0);
}

#[test]
fn a_full_disk_refuses_a_request_and_goes_on_with_the_next() {
    let storage = ModelStorage::new(1);
    let (mut spool, _) = Spool::builder().open_in(storage.clone(), at(0)).unwrap();
    spool.append(at(0), &request(0, 1), 1).unwrap();
    spool.sync(at(0)).unwrap();
    for round in 1..=20 {
        storage.set_capacity(100);
        let error = spool.append(at(0), &noise(9, 8192), 9).unwrap_err();
        assert!(matches!(error, SpoolError::DiskFull { .. }), "{error}");
        storage.set_capacity(u64::MAX);
        spool.append(at(0), &request(round, 1), 1).unwrap();
        assert_eq!(spool.sync(at(0)).unwrap().spans, 1);
    }
    for number in 0..=20 {
        assert_eq!(spool.read_next(at(0)).unwrap().unwrap().request, request(number, 1));
    }
    assert_eq!(spool.take_losses().total(), 0);
}

#[test]
fn blocks_that_the_disk_refuses_to_read_at_a_start_are_not_cut() {
    let storage = stored(RECORDS, 4);
    // The last segment is not complete: a start reads all of it.
    let before = storage.content(&segment_file_name(2)).unwrap();
    storage.fail(Operation::Read, 3, u32::MAX);
    let _some = Spool::builder().open_in(storage.clone(), at(1));
    storage.heal();
    let after = storage.content(&segment_file_name(2)).unwrap();
    assert!(after.starts_with(&before), "{} of {} bytes", after.len(), before.len());
    assert_eq!(deliver(&storage), (RECORDS, SPANS, 0));
}

/// A spool whose requests are compressed with a dictionary, and the count of its records of 20 spans.
fn with_dictionary(storage: &ModelStorage) -> (Spool<ModelStorage>, u64) {
    let (mut spool, _) = Spool::builder().open_in(storage.clone(), at(0)).unwrap();
    let mut records = 0;
    let is_trained = || {
        let content = storage.content(&segment_file_name(0)).unwrap_or_default();
        // The kind of a record is behind its magic and the version.
        content.windows(6).any(|bytes| bytes == b"SWRH\x01\x02")
    };
    while !is_trained() {
        spool.append(at(0), &request(records, 20), 20).unwrap();
        records += 1;
        assert!(records < 1000, "no dictionary");
    }
    spool.sync(at(0)).unwrap();
    (spool, records)
}

fn check_all(storage: ModelStorage, records: u64) {
    let (mut spool, recovery) = Spool::builder().open_in(storage, at(1)).unwrap();
    assert_eq!(recovery.spans, records * 20);
    for number in 0..records {
        let stored = spool.read_next(at(1)).unwrap().unwrap();
        assert_eq!(stored.request, request(number, 20), "request {number}");
    }
    assert_eq!(spool.take_losses().total(), 0);
}

#[test]
fn records_that_are_written_again_take_their_dictionary_along() {
    let storage = ModelStorage::new(1);
    let (mut spool, records) = with_dictionary(&storage);
    spool.append(at(0), &request(records, 20), 20).unwrap();
    storage.fail(Operation::Sync, 1, 1);
    assert!(spool.sync(at(0)).unwrap().is_rewritten);
    drop(spool);
    let after = storage.crash_point().power_failure(1);
    assert!(after.content(&segment_file_name(1)).is_some());
    // Without the first segment, the second has to be enough.
    after.corrupt(&segment_file_name(0), |bytes| bytes.fill(0)).unwrap();
    let (mut spool, recovery) = Spool::builder().open_in(after, at(1)).unwrap();
    assert_eq!(recovery.spans, 20);
    assert_eq!(spool.read_next(at(1)).unwrap().unwrap().request, request(records, 20));
}

#[test]
fn a_dictionary_that_had_no_space_is_written_with_the_next_record() {
    let storage = ModelStorage::new(1);
    let (spool, records) = with_dictionary(&storage);
    drop(spool);
    // A new segment begins with the dictionary.
    let (mut spool, _) = Spool::builder().open_in(storage.clone(), at(0)).unwrap();
    spool.append(at(0), &request(records, 20), 20).unwrap();
    spool.sync(at(0)).unwrap();
    drop(spool);
    let (mut spool, _) = Spool::builder().open_in(storage.clone(), at(0)).unwrap();
    let used: u64 = (0..2)
        .map(|segment| storage.content(&segment_file_name(segment)).unwrap().len() as u64)
        .sum();
    // For one of the two copies.
    storage.set_capacity(used + (50 << 10));
    let error = spool.append(at(0), &request(records + 1, 20), 20).unwrap_err();
    assert!(matches!(error, SpoolError::DiskFull { .. }), "{error}");
    storage.set_capacity(u64::MAX);
    spool.append(at(0), &request(records + 1, 20), 20).unwrap();
    spool.sync(at(0)).unwrap();
    drop(spool);
    check_all(storage, records + 2);
}
