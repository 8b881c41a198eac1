//! D1, D2, D10 and D12: a full disk, I/O errors, slow syncs, and no mapping of files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use spanwise_spool::storage::model::{ModelStorage, Operation};
use spanwise_spool::storage::{DirectoryStorage, Storage};
use spanwise_spool::{Spool, SpoolError, SpoolEvent, SpoolThread};

use crate::requests::{Random, Request, number_of, request_of, start};
use crate::support::TempDirectory;
use crate::{builder, deliver, open, spans, store};

const PATIENCE: Duration = Duration::from_secs(60);

/// A file system in memory of its own, if the process may mount one.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(bytes: u64) -> Option<Self> {
        let path = std::env::temp_dir()
            .join(format!("spanwise-spool-tmpfs-{}-{bytes}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(&path)
            .output()
            .is_ok_and(|output| output.status.success());
        if mounted {
            return Some(Self(path));
        }
        let _empty = std::fs::remove_dir(&path);
        eprintln!("skipped: this process may not mount a tmpfs");
        None
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _best_effort = Command::new("umount").arg(&self.0).output();
        let _best_effort = std::fs::remove_dir(&self.0);
    }
}

/// Fills the disk until it refuses a record, delivers everything, and begins again.
fn fill_and_free<S: Storage>(storage: S, cycles: u64) {
    let builder = Spool::builder().with_max_bytes(1 << 30).with_segment_bytes(1 << 20);
    let (mut spool, _) = builder.open_in(storage, start()).unwrap();
    let mut number = 0;
    for cycle in 0..cycles {
        let mut stored: Vec<u64> = Vec::new();
        let mut refused = 0;
        // The refusal concerns one record: a smaller one may fit, and the next cycle begins as usual.
        while refused < 3 {
            let bytes = if refused == 0 { 300_000 } else { 60_000 };
            let request = request_of(number, 2, bytes);
            match spool.append(start(), &request.bytes, request.spans) {
                Ok(_) => stored.push(number),
                Err(SpoolError::DiskFull { .. }) => refused += 1,
                Err(error) => panic!("cycle {cycle}: {error}"),
            }
            number += 1;
            let synced =
                spool.sync(start()).unwrap_or_else(|error| panic!("cycle {cycle}: {error}"));
            assert_eq!(
                synced.records,
                u64::from(stored.last() == Some(&(number - 1))),
                "cycle {cycle}"
            );
            assert!(number < 100_000, "the disk is never full");
        }
        assert_eq!(spool.stats().spans, 2 * stored.len() as u64, "cycle {cycle}");
        assert!(stored.len() > 10, "cycle {cycle}: {} records fit", stored.len());
        let mut delivered = Vec::new();
        while let Some(record) = spool.read_next(start()).unwrap() {
            delivered.push(number_of(&record.request).unwrap());
            spool.acknowledge(record.id);
        }
        assert_eq!(delivered, stored, "cycle {cycle}");
        assert_eq!(spool.take_losses().total(), 0, "cycle {cycle}");
    }
}

#[test]
fn d1_a_full_disk_refuses_records_until_space_returns() {
    let storage = ModelStorage::new(1);
    storage.set_capacity(8 << 20);
    fill_and_free(storage, 5);
}

#[test]
fn d1_a_full_tmpfs_refuses_records_until_space_returns() {
    let Some(tmpfs) = Tmpfs::mount(8 << 20) else { return };
    fill_and_free(DirectoryStorage::open(&tmpfs.0).unwrap(), 100);
}

#[test]
fn d1_a_full_disk_starts_and_serves_what_it_has() {
    let storage = ModelStorage::new(1);
    let requests: Vec<Request> = (0..40).map(|number| request_of(number, 2, 5_000)).collect();
    let (mut spool, _) = open(&storage);
    store(&mut spool, &requests);
    let storage = storage.crash_point().killed_process(0);
    storage.set_capacity(0);
    let (mut spool, recovery) = open(&storage);
    assert_eq!(recovery.spans, spans(&requests));
    assert!(matches!(
        spool.append(start(), &requests[0].bytes, 2),
        Err(SpoolError::DiskFull { .. })
    ));
    assert_eq!(deliver(&mut spool).0.len(), requests.len());
}

#[test]
fn d2_a_sync_that_failed_is_never_repeated_on_its_file() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let storage = ModelStorage::new(seed);
        let (mut spool, _) = open(&storage);
        let (mut number, mut stored, mut refused) = (0, 0, 0);
        for _ in 0..12 {
            match random.below(3) {
                0 => storage.fail(Operation::Sync, 2, 1 + random.below(4) as u32),
                1 => storage.fail(Operation::Write, 3, 1),
                _ => {}
            }
            let mut appended = 0;
            for _ in 0..=random.below(4) {
                let request = request_of(number, 3, random.below(9_000));
                number += 1;
                // An append that meets an error may have stored all records before it.
                let unsynced = spool.stats().unsynced_spans;
                (stored, appended) = (stored + appended - unsynced, unsynced);
                match spool.append(start(), &request.bytes, 3) {
                    Ok(_) => appended += 3,
                    Err(SpoolError::NotStored { spans, .. }) => {
                        assert_eq!(spans, appended + 3, "seed {seed}");
                        (refused, appended) = (refused + spans, 0);
                    }
                    Err(_) => refused += 3,
                }
            }
            match spool.sync(start()) {
                Ok(_) => stored += appended,
                Err(SpoolError::NotStored { spans, .. }) => {
                    refused += spans;
                    stored += appended - spans;
                }
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
        assert_eq!(stored + refused, 3 * number, "seed {seed}");
        assert_eq!(storage.syncs_after_failure(), 0, "seed {seed}");
        // After a power failure, too: no sync reported as stored what it lost.
        let crashed = storage.crash_point().power_failure(seed);
        for spool in [&mut spool, &mut open(&crashed).0] {
            storage.heal();
            spool.rewind();
            let mut found = 0;
            while let Some(record) = spool.read_next(start()).unwrap() {
                found += record.spans;
            }
            assert!(found >= stored, "seed {seed}: {found} of {stored} spans");
        }
    }
}

#[test]
fn d2_records_of_a_poisoned_segment_are_stored_in_another() {
    let storage = ModelStorage::new(0);
    let (mut spool, _) = open(&storage);
    let requests: Vec<Request> = (0..10).map(|number| request_of(number, 2, 500)).collect();
    store(&mut spool, &requests[..5]);
    storage.fail(Operation::Sync, 1, 1);
    for request in &requests[5..] {
        spool.append(start(), &request.bytes, 2).unwrap();
    }
    let synced = spool.sync(start()).unwrap();
    assert!(synced.is_rewritten && synced.records == 5, "{synced:?}");
    assert_eq!((spool.stats().poisoned_segments, spool.stats().segments), (1, 2));
    for seed in 0..50 {
        let (mut spool, _) = open(&storage.crash_point().power_failure(seed));
        let mut found = Vec::new();
        while let Some(record) = spool.read_next(start()).unwrap() {
            found.push(number_of(&record.request).unwrap());
        }
        assert!((0..10).all(|number| found.contains(&number)), "seed {seed}: {found:?}");
    }
}

#[test]
fn d10_a_slow_sync_blocks_no_caller_and_the_queue_is_bounded() {
    let storage = ModelStorage::new(0);
    storage.hold_syncs();
    let (spool, _) = open(&storage);
    let (events, received) = mpsc::channel();
    let thread =
        SpoolThread::start(spool, 100_000, move |event| events.send(event).unwrap()).unwrap();
    let handle = thread.handle();
    // Until the thread waits for the disk, and then until the queue is full: no call waits, or the test would not end.
    let mut stored = 0;
    while storage.waiting_syncs() == 0
        || handle.store(stored, request_of(stored, 1, 1_000).bytes, 1).is_ok()
    {
        assert!(handle.queued_bytes() <= 100_000);
        if storage.waiting_syncs() > 0 {
            stored += 1;
        } else if stored == 0 {
            handle.store(stored, request_of(stored, 1, 1_000).bytes, 1).unwrap();
            stored += 1;
        }
        std::thread::yield_now();
    }
    assert!(stored > 50, "{stored}");
    assert!(handle.queued_bytes() > 90_000);
    assert!(received.try_recv().is_err(), "no record counts as stored before its sync");
    storage.release_syncs();
    for expected in 0..stored {
        match received.recv_timeout(PATIENCE).unwrap() {
            SpoolEvent::Stored { token, result: Ok(()), .. } => assert_eq!(token, expected),
            event => panic!("{event:?}"),
        }
    }
    assert!(thread.shutdown(PATIENCE));
    assert_eq!(handle.stats().stored_spans, stored);
}

/// The mappings of this process whose file is in `directory`.
fn mappings(directory: &Path) -> Vec<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let directory = directory.to_str().unwrap();
    maps.lines().filter(|line| line.contains(directory)).map(str::to_owned).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn d12_no_file_of_the_spool_is_mapped() {
    let directory = TempDirectory::new();
    for _ in 0..2 {
        let (mut spool, _) = builder().open(directory.path()).unwrap();
        for round in 0..10 {
            let requests: Vec<Request> =
                (0..10).map(|number| request_of(round * 10 + number, 2, 2_000)).collect();
            store(&mut spool, &requests);
            assert_eq!(mappings(directory.path()), Vec::<String>::new());
        }
        while let Some(record) = spool.read_next(start()).unwrap() {
            assert_eq!(mappings(directory.path()), Vec::<String>::new());
            if record.id.record() % 2 == 0 {
                spool.acknowledge(record.id);
            }
        }
        let trace = crate::requests::trace_id(42, 0);
        let _found = spool.find(spanwise_wire::TraceId::from_bytes(trace));
        assert_eq!(mappings(directory.path()), Vec::<String>::new());
    }
}
