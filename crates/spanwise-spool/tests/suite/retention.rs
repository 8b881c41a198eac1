//! The oldest segments are evicted, old ones expire, and each of their spans is counted once.

use crate::support;

use std::time::Duration;

use spanwise_spool::storage::DirectoryStorage;
use spanwise_spool::{Losses, Spool, SpoolBuilder, SpoolError};
use support::{TempDirectory, at, noise, open, request};

const KIB: usize = 1 << 10;

fn small() -> SpoolBuilder {
    Spool::builder().with_max_bytes(1 << 20).with_segment_bytes(64 << 10)
}

/// Stores a record of some KiB that does not compress, of `spans` spans.
fn store(spool: &mut Spool<DirectoryStorage>, seconds: u64, kib: usize, spans: u64) {
    spool.append(at(seconds), &noise(spans, kib * KIB), spans).unwrap();
    spool.sync(at(seconds)).unwrap();
}

#[test]
fn the_oldest_segments_are_evicted_and_counted() {
    let directory = TempDirectory::new();
    let (mut spool, _) = small().open_in(open(&directory), at(0)).unwrap();
    let (mut created, mut evicted) = (0, 0);
    for number in 1..200 {
        store(&mut spool, 0, 20, number);
        created += number;
        let losses = spool.take_losses();
        assert_eq!((losses.expired, losses.io), (0, 0));
        evicted += losses.evicted;
        assert_eq!(spool.stats().spans + evicted, created);
        assert!(spool.stats().bytes <= 1 << 20, "{}", spool.stats().bytes);
    }
    assert!(evicted > 0);
    assert_eq!(spool.stats().losses.evicted, evicted);
    let on_disk: u64 =
        directory.segments().iter().map(|path| std::fs::metadata(path).unwrap().len()).sum();
    assert!(on_disk <= 1 << 20, "{on_disk}");
    // The newest ones are left.
    let first = spool.read_next(at(0)).unwrap().unwrap();
    let expected: u64 = (first.spans..200).sum();
    assert_eq!(spool.stats().spans, expected);
}

#[test]
fn records_without_a_sync_do_not_exceed_the_budget() {
    let directory = TempDirectory::new();
    let (mut spool, _) = small().open_in(open(&directory), at(0)).unwrap();
    let mut evicted = 0;
    for _ in 0..200 {
        spool.append(at(0), &noise(3, 20 * KIB), 3).unwrap();
        assert!(spool.stats().bytes <= 1 << 20, "{}", spool.stats().bytes);
        evicted += spool.take_losses().evicted;
    }
    spool.sync(at(0)).unwrap();
    evicted += spool.take_losses().evicted;
    assert_eq!(spool.stats().spans + evicted, 600);
    assert!(spool.stats().spans > 0);
}

#[test]
fn a_start_evicts_what_a_smaller_budget_does_not_hold() {
    let directory = TempDirectory::new();
    let (mut spool, _) = small().with_max_bytes(4 << 20).open_in(open(&directory), at(0)).unwrap();
    for _ in 0..120 {
        store(&mut spool, 0, 20, 1);
    }
    assert_eq!(spool.take_losses(), Losses::default());
    drop(spool);
    let (mut spool, recovery) = small().open_in(open(&directory), at(0)).unwrap();
    let losses = spool.take_losses();
    assert_eq!(recovery.spans, 120);
    assert_eq!(losses.evicted + spool.stats().spans, 120);
    assert!(losses.evicted >= 60 && spool.stats().bytes <= 1 << 20);
}

#[test]
fn old_records_expire_and_are_counted_also_at_a_start() {
    let directory = TempDirectory::new();
    let builder = || small().with_max_age(Duration::from_secs(100));
    let (mut spool, _) = builder().open_in(open(&directory), at(0)).unwrap();
    for number in 0..10 {
        store(&mut spool, number * 20, 70, 1);
    }
    // At 180, the records of 0, 20, 40 and 60 are older than 100 s.
    let losses = spool.take_losses();
    assert_eq!((losses.expired, losses.evicted), (4, 0));
    assert_eq!(spool.stats().spans, 6);
    drop(spool);
    let (mut spool, recovery) = builder().open_in(open(&directory), at(241)).unwrap();
    assert_eq!((recovery.spans, spool.take_losses().expired), (6, 4));
    spool.expire(at(1000));
    assert_eq!((spool.take_losses().expired, spool.stats().segments), (2, 0));
}

#[test]
fn an_old_record_of_a_young_segment_is_not_delivered() {
    let directory = TempDirectory::new();
    let builder = Spool::builder().with_max_age(Duration::from_secs(100));
    let (mut spool, _) = builder.open_in(open(&directory), at(0)).unwrap();
    store(&mut spool, 0, 1, 3);
    store(&mut spool, 90, 1, 4);
    assert_eq!(spool.read_next(at(150)).unwrap().unwrap().spans, 4);
    assert_eq!(spool.take_losses(), Losses { expired: 3, ..Losses::default() });
}

#[test]
fn spans_that_are_being_delivered_are_lost_only_if_that_fails() {
    for is_delivered in [true, false] {
        let directory = TempDirectory::new();
        let (mut spool, _) = small().open_in(open(&directory), at(0)).unwrap();
        store(&mut spool, 0, 20, 5);
        let stored = spool.read_next(at(0)).unwrap().unwrap();
        let mut created = 5;
        while spool.stats().losses.evicted == 0 {
            store(&mut spool, 0, 20, 7);
            created += 7;
        }
        assert_eq!(spool.stats().losses.evicted % 7, 0, "without the five");
        if is_delivered {
            spool.acknowledge(stored.id);
        }
        spool.rewind();
        let lost = spool.take_losses().evicted;
        let delivered = if is_delivered { 5 } else { 0 };
        assert_eq!(spool.stats().spans + lost + delivered, created);
        assert_eq!(lost % 7, 5 - delivered);
    }
}

#[test]
fn a_record_that_is_larger_than_half_of_the_spool_is_refused() {
    let directory = TempDirectory::new();
    let (mut spool, _) = small().open_in(open(&directory), at(0)).unwrap();
    store(&mut spool, 0, 20, 1);
    let error = spool.append(at(0), &noise(1, 600 * KIB), 1).unwrap_err();
    assert!(matches!(error, SpoolError::RequestTooLarge { limit: 524_288, .. }), "{error}");
    assert_eq!((spool.stats().spans, spool.take_losses().total()), (1, 0));
}

#[test]
fn delivered_segments_are_removed_and_leave_no_index() {
    let directory = TempDirectory::new();
    let (mut spool, _) = small().open_in(open(&directory), at(0)).unwrap();
    for _ in 0..22 {
        store(&mut spool, 0, 20, 1);
    }
    while let Some(stored) = spool.read_next(at(0)).unwrap() {
        spool.acknowledge(stored.id);
    }
    // The last one is not complete.
    assert_eq!(directory.segments().len(), 1);
    assert_eq!(spool.stats().spans, 0);
    spool.checkpoint();
    drop(spool);
    let (_, recovery) = small().open_in(open(&directory), at(0)).unwrap();
    assert_eq!(recovery.spans, 0);
}

#[test]
fn a_clock_that_steps_back_expires_no_record_that_is_younger() {
    for is_restarted in [false, true] {
        let directory = TempDirectory::new();
        let hour = || Spool::builder().with_max_age(Duration::from_secs(3600));
        let (mut spool, _) = hour().open_in(open(&directory), at(0)).unwrap();
        for (seconds, number) in [(1_000_000, 1), (0, 2)] {
            spool.append(at(seconds), &request(number, 1), 1).unwrap();
            spool.sync(at(seconds)).unwrap();
        }
        let now = at(1_000_010);
        if is_restarted {
            drop(spool);
            (spool, _) = hour().open_in(open(&directory), now).unwrap();
        }
        spool.expire(now);
        let stored = spool.read_next(now).unwrap().unwrap();
        assert_eq!(stored.request, request(1, 1));
        assert_eq!(spool.read_next(now).unwrap(), None);
        assert_eq!(spool.take_losses().expired, 1);
    }
}
