#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::storage::model::{ModelStorage, Operation};

const BOOT: BootIdentity = BootIdentity([7; 16]);
const SECOND: Precision = Precision::Interval(Duration::from_secs(1));

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn counts(created: u64, exported: u64, spooled: u64) -> SpanCounts {
    SpanCounts { created, exported, spooled, ..SpanCounts::default() }
}

fn open(
    storage: &ModelStorage,
    precision: Precision,
) -> (BootLedger<crate::storage::model::ModelFile>, PreviousRun) {
    BootLedger::open(&mut storage.clone(), BOOT, precision).unwrap()
}

#[test]
fn a_first_start_reports_no_run() {
    let (ledger, previous) = open(&ModelStorage::new(0), SECOND);
    assert_eq!((previous, ledger.run()), (PreviousRun::None, 0));
    assert!(previous.loss(0).is_exact());
}

#[test]
fn a_start_before_the_first_slot_reports_no_run() {
    let storage = ModelStorage::new(0);
    drop(open(&storage, SECOND));
    assert_eq!(open(&storage, SECOND).1, PreviousRun::None);
}

#[test]
fn a_shutdown_loses_nothing() {
    let storage = ModelStorage::new(0);
    let (mut ledger, _) = open(&storage, SECOND);
    ledger.write(at(0), &counts(10, 2, 3)).unwrap();
    ledger.close(at(1), &counts(11, 8, 3)).unwrap();
    for seed in 0..50 {
        let (ledger, previous) = open(&storage.crash_point().power_failure(seed), SECOND);
        assert_eq!(previous, PreviousRun::Clean(counts(11, 8, 3)));
        assert_eq!(
            (previous.loss(3).spans, previous.loss(3).is_exact(), ledger.run()),
            (0, true, 1)
        );
    }
}

#[test]
fn spans_that_another_program_delivered_are_neither_missing_nor_lost() {
    let storage = ModelStorage::new(0);
    let (ledger, _) = open(&storage, SECOND);
    ledger.close(at(1), &counts(11, 8, 3)).unwrap();
    delivered(&mut storage.clone(), 2).unwrap();
    assert_eq!(open(&storage, SECOND).1, PreviousRun::Clean(counts(11, 10, 1)));

    // 10 in memory and 30 on disk, and 5 that were stored since: all 35 are delivered.
    let (mut ledger, _) = open(&storage, SECOND);
    ledger.write(at(2), &counts(100, 60, 30)).unwrap();
    delivered(&mut storage.clone(), 35).unwrap();
    assert_eq!(open(&storage, SECOND).1.loss(0).spans, 5);

    // A damaged slot may have been the last one.
    let damage = |bytes: &mut Vec<u8>| bytes[100] ^= 1;
    storage.corrupt(FILE_NAME, damage).unwrap();
    let before = open(&storage, SECOND).1;
    delivered(&mut storage.clone(), 1).unwrap();
    assert_eq!(open(&storage, SECOND).1, before);
    delivered(&mut ModelStorage::new(0), 1).unwrap();
}

#[test]
fn a_crash_loses_the_spans_in_memory_less_those_stored_since() {
    let storage = ModelStorage::new(0);
    let (ledger, _) = open(&storage, SECOND);
    let mut ledger = ledger.with_max_in_memory(1_000);
    ledger.write(at(0), &counts(100, 40, 20)).unwrap();
    ledger.write(at(1), &counts(200, 90, 30)).unwrap();
    let (_, previous) = open(&storage.crash_point().killed_process(0), SECOND);
    let PreviousRun::Crashed(crash) = previous else { panic!("{previous:?}") };
    assert_eq!((crash.counts(), crash.written_at()), (counts(200, 90, 30), at(1)));
    for (found, spans) in [(30, 80), (50, 60), (110, 0), (500, 0), (0, 80)] {
        let loss = previous.loss(found);
        assert_eq!((loss.spans, loss.min, loss.max), (spans, 0, Some(1_000)), "{found}");
        assert_eq!((loss.is_exact(), loss.uncertainty), (false, Some(Duration::from_secs(1))));
    }
}

#[test]
fn a_process_that_writes_each_change_loses_an_exact_number() {
    let storage = ModelStorage::new(0);
    let (mut ledger, _) = open(&storage, Precision::OnChange);
    ledger.write(at(0), &counts(100, 40, 20)).unwrap();
    let (_, previous) = open(&storage.crash_point().killed_process(0), Precision::OnChange);
    // Ten spans were synced, and the process was killed before the slot of that change.
    let loss = previous.loss(30);
    assert_eq!((loss.spans, loss.is_exact()), (30, true));
}

#[test]
fn a_restarted_system_makes_the_age_of_the_slot_unknown() {
    let storage = ModelStorage::new(0);
    let (mut ledger, _) = open(&storage, Precision::OnChange);
    ledger.write(at(0), &counts(5, 0, 0)).unwrap();
    let other = BootIdentity([8; 16]);
    for identity in [other, BootIdentity::default()] {
        let (_, previous) = BootLedger::open(&mut storage.clone(), identity, SECOND).unwrap();
        let loss = previous.loss(0);
        assert_eq!(
            (loss.spans, loss.is_exact(), loss.uncertainty, loss.max),
            (5, false, None, None)
        );
    }
}

#[test]
fn a_torn_slot_leaves_the_one_before_with_twice_the_uncertainty() {
    for offset in (0..SLOT_BYTES).step_by(7).chain([SLOT_BYTES - 1]) {
        let storage = ModelStorage::new(0);
        let (mut ledger, _) = open(&storage, SECOND);
        ledger.write(at(0), &counts(5, 0, 0)).unwrap();
        ledger.write(at(1), &counts(9, 0, 0)).unwrap();
        storage.corrupt(FILE_NAME, |bytes| bytes[SLOT_BYTES + offset] ^= 0x10).unwrap();
        let (mut ledger, previous) = open(&storage, SECOND);
        let loss = previous.loss(0);
        assert_eq!((loss.spans, loss.uncertainty), (5, Some(Duration::from_secs(2))), "{offset}");
        // The next write replaces the damaged slot, not the valid one.
        ledger.write(at(2), &counts(20, 0, 0)).unwrap();
        storage.corrupt(FILE_NAME, |bytes| bytes[SLOT_BYTES] ^= 1).unwrap();
        assert_eq!(open(&storage, SECOND).1.loss(0).spans, 5, "{offset}");
    }
}

#[test]
fn both_slots_damaged_state_that_the_loss_is_unknown() {
    let storage = ModelStorage::new(0);
    let (mut ledger, _) = open(&storage, SECOND);
    ledger.write(at(0), &counts(5, 0, 0)).unwrap();
    ledger.write(at(1), &counts(9, 0, 0)).unwrap();
    storage
        .corrupt(FILE_NAME, |bytes| {
            bytes[100] ^= 1;
            bytes[SLOT_BYTES + 100] ^= 1;
        })
        .unwrap();
    let (mut ledger, previous) = open(&storage, SECOND);
    assert_eq!(previous, PreviousRun::Unreadable { version: None });
    assert_eq!((previous.loss(0).max, previous.loss(0).is_exact()), (None, false));
    ledger.write(at(2), &counts(1, 0, 0)).unwrap();
    assert_eq!(open(&storage, SECOND).1.loss(0).spans, 1, "the file works again");
}

#[test]
fn swapped_and_duplicated_slots_are_read_by_their_sequence() {
    let swap = |bytes: &mut Vec<u8>| {
        let (first, second) = bytes.split_at_mut(SLOT_BYTES);
        first.swap_with_slice(second);
    };
    let duplicate = |bytes: &mut Vec<u8>| bytes.copy_within(SLOT_BYTES.., 0);
    for change in [&swap as &dyn Fn(&mut Vec<u8>), &duplicate] {
        let storage = ModelStorage::new(0);
        let (mut ledger, _) = open(&storage, SECOND);
        ledger.write(at(0), &counts(5, 0, 0)).unwrap();
        ledger.write(at(1), &counts(9, 0, 0)).unwrap();
        storage.corrupt(FILE_NAME, |bytes| change(bytes)).unwrap();
        let (mut ledger, previous) = open(&storage, SECOND);
        assert_eq!(previous.loss(0).spans, 9);
        for created in 20..24 {
            ledger.write(at(created), &counts(created, 0, 0)).unwrap();
            assert_eq!(open(&storage, SECOND).1.loss(0).spans, created);
        }
    }
}

#[test]
fn a_slot_of_a_later_version_is_set_aside() {
    let storage = ModelStorage::new(0);
    let (mut ledger, _) = open(&storage, SECOND);
    ledger.write(at(0), &counts(5, 0, 0)).unwrap();
    ledger.write(at(1), &counts(9, 0, 0)).unwrap();
    storage
        .corrupt(FILE_NAME, |bytes| {
            bytes[SLOT_BYTES + 8] = 2;
            let end = 2 * SLOT_BYTES - 4;
            let checksum = crc32c::crc32c(&bytes[SLOT_BYTES..end]).to_le_bytes();
            bytes[end..].copy_from_slice(&checksum);
        })
        .unwrap();
    let later = storage.content(FILE_NAME).unwrap();
    let (mut ledger, previous) = open(&storage, SECOND);
    assert_eq!(previous, PreviousRun::Unreadable { version: Some(2) });
    ledger.write(at(2), &counts(1, 0, 0)).unwrap();
    assert_eq!(storage.content(SET_ASIDE_NAME), Some(later));
    assert_eq!(open(&storage, SECOND).1.loss(0).spans, 1);
}

#[test]
fn every_truncation_is_read_without_a_panic() {
    let storage = ModelStorage::new(0);
    let (mut ledger, _) = open(&storage, SECOND);
    ledger.write(at(0), &counts(5, 0, 0)).unwrap();
    ledger.write(at(1), &counts(9, 0, 0)).unwrap();
    let whole = storage.content(FILE_NAME).unwrap();
    for len in 0..=whole.len() {
        let expected = match len {
            0 => Some(0),
            1..SLOT_BYTES => None,
            SLOT_BYTES => Some(5),
            _ if len < whole.len() => Some(5),
            _ => Some(9),
        };
        let previous = PreviousRun::from_bytes(&whole[..len]);
        match (previous, expected) {
            (PreviousRun::None, Some(0)) | (PreviousRun::Unreadable { version: None }, None) => {}
            (PreviousRun::Crashed(crash), Some(spans)) => {
                assert_eq!(crash.loss(0).spans, spans, "{len}")
            }
            other => panic!("{len}: {other:?}"),
        }
    }
}

#[test]
fn a_power_failure_never_yields_counts_that_no_slot_had() {
    for seed in 0..500 {
        let storage = ModelStorage::new(seed);
        let (mut ledger, _) = open(&storage, SECOND);
        for created in 1..=5 {
            ledger.write(at(created), &counts(created, 0, 0)).unwrap();
        }
        match open(&storage.crash_point().power_failure(seed), SECOND).1 {
            PreviousRun::None | PreviousRun::Unreadable { version: None } => {}
            PreviousRun::Crashed(crash) => assert!((1..=5).contains(&crash.counts().created)),
            other => panic!("{seed}: {other:?}"),
        }
    }
}

#[test]
fn a_write_that_fails_leaves_the_slot_before() {
    let storage = ModelStorage::new(0);
    let (mut ledger, _) = open(&storage, SECOND);
    ledger.write(at(0), &counts(5, 0, 0)).unwrap();
    storage.fail(Operation::Write, 1, 1);
    ledger.write(at(1), &counts(9, 0, 0)).unwrap_err();
    assert_eq!(open(&storage, SECOND).1.loss(0).spans, 5);
    ledger.write(at(2), &counts(10, 0, 0)).unwrap();
    assert_eq!(open(&storage, SECOND).1.loss(0).spans, 10);
}

#[test]
fn the_identity_of_a_boot_is_read_from_its_text() {
    let text = "0f0e0d0c-0b0a-0908-0706-050403020100\n";
    let bytes: [u8; 16] = std::array::from_fn(|at| 15 - at as u8);
    assert_eq!(BootIdentity::parse(text), BootIdentity(bytes));
    assert_eq!(BootIdentity::parse("0f0e"), BootIdentity::default());
}
