//! Exporters with a spool on the local disk, one after the other in one directory.
#![cfg(feature = "spool")]

use spanwise_export::{DiskSpool, ExportEvent, Exporter, Observer, SpoolReport};
use spanwise_ledger::{DropReason, Ledger, Snapshot};
use spanwise_spool::SpoolError;
use spanwise_spool::boot_ledger::{FILE_NAME, PreviousRun};
use spanwise_spool::storage::DirectoryStorage;
use spanwise_transport::{Failure, Outcome, Transport};
use spanwise_wire::write::{SpanHeader, SpanWriter};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

/// A directory that is removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name =
            format!("spanwise-disk-spool-{}-{}", std::process::id(), NEXT.fetch_add(1, SeqCst));
        Self(std::env::temp_dir().join(name))
    }

    /// The spans that the process created, by its boot ledger.
    fn created(&self) -> Option<u64> {
        match PreviousRun::from_bytes(&std::fs::read(self.0.join(FILE_NAME)).ok()?) {
            PreviousRun::Crashed(crash) => Some(crash.counts().created),
            _ => None,
        }
    }

    /// A copy of the files, as a process that is killed leaves them.
    fn copy(&self) -> Self {
        let copy = Self::new();
        std::fs::create_dir_all(&copy.0).unwrap();
        for entry in std::fs::read_dir(&self.0).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, copy.0.join(path.file_name().unwrap())).unwrap();
        }
        copy
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

/// A receiver, and the spans that it has.
#[derive(Clone, Default)]
struct Receiver {
    is_up: Arc<AtomicBool>,
    spans: Arc<Mutex<BTreeMap<u64, u32>>>,
}

#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<SpoolReport>>>);

impl Observer for Reports {
    fn event(&mut self, event: ExportEvent) {
        if let ExportEvent::Spool(report) = event {
            self.0.lock().unwrap().push(report);
        }
    }
}

struct Process {
    exporter: Exporter,
    reports: Reports,
}

impl Receiver {
    fn process(&self, directory: &Path) -> Process {
        let receiver = self.clone();
        let sink = move |body: bytes::Bytes| {
            let is_up = receiver.is_up.load(SeqCst);
            if is_up {
                let request = spanwise_testkit::decode(&body);
                let mut spans = receiver.spans.lock().unwrap();
                for span in spanwise_testkit::spans(&request) {
                    let id = u64::from_be_bytes(span.span_id.as_slice().try_into().unwrap());
                    *spans.entry(id).or_default() += 1;
                }
            }
            std::future::ready(match is_up {
                true => Outcome::Accepted { rejected: 0, message: None },
                false => Outcome::Failed(Failure::RetryDeadline { last: None }),
            })
        };
        let (ledger, reports) = (Ledger::new(), Reports::default());
        let spool = DiskSpool::builder(directory).with_ledger(ledger.clone()).build().unwrap();
        let exporter = Exporter::builder(Transport::builder().with_sink(sink).build().unwrap())
            .with_scheduled_delay(Duration::from_millis(5))
            .with_ledger(ledger)
            .with_observer(reports.clone())
            .with_spool(spool)
            .build()
            .unwrap();
        Process { exporter, reports }
    }

    fn received(&self) -> (usize, u32) {
        let spans = self.spans.lock().unwrap();
        (spans.len(), spans.values().sum())
    }
}

impl Process {
    fn push(&self, ids: std::ops::Range<u64>) {
        let mut writer = SpanWriter::new();
        for id in ids {
            writer.begin(&SpanLimits::default(), "span");
            let span_id = SpanId(id);
            let header = SpanHeader { trace_id: TraceId(1), span_id, ..SpanHeader::default() };
            self.exporter
                .push(&writer.finish(&header), SpanMeta { span_id, ..SpanMeta::default() });
        }
    }

    fn wait_for(&self, is_true: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let until = Instant::now() + LONG;
        loop {
            let account = self.exporter.snapshot();
            if is_true(&account) {
                return account;
            }
            assert!(Instant::now() < until, "{account} {:?}", self.reports.0.lock().unwrap());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn shut_down(self) -> Snapshot {
        self.exporter.shutdown_timeout(LONG).unwrap();
        let account = self.exporter.snapshot();
        account.check().unwrap();
        account
    }
}

#[test]
fn a_directory_that_is_locked_before_stays_locked() {
    let directory = Directory::new();
    let ledger = Ledger::new();
    let storage = DirectoryStorage::open(&directory.0).unwrap();
    let builder = DiskSpool::builder(&directory.0).with_ledger(ledger);
    let spool = builder.build_in(storage).unwrap();
    let other = DirectoryStorage::open(&directory.0);
    assert!(matches!(other, Err(SpoolError::Locked { .. })));
    drop(spool);
    // Its thread ends shortly after.
    let until = Instant::now() + LONG;
    while DirectoryStorage::open(&directory.0).is_err() {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn spans_survive_restarts_while_the_receiver_is_down() {
    let (directory, receiver) = (Directory::new(), Receiver::default());
    let first = receiver.process(&directory.0);
    first.push(1..1_001);
    first.wait_for(|account| account.spooled > 0);
    first.push(1_001..1_501);
    let first = first.shut_down();
    assert_eq!((first.spooled, first.dropped_total(), first.exported), (1_500, 0, 0), "{first}");

    let second = receiver.process(&directory.0);
    second.wait_for(|account| account.recovered == 1_500);
    second.push(1_501..1_601);
    let second = second.shut_down();
    assert_eq!((second.spooled, second.dropped_total()), (1_600, 0), "{second}");

    receiver.is_up.store(true, SeqCst);
    let third = receiver.process(&directory.0);
    third.push(1_601..1_611);
    third.wait_for(|account| account.exported == 1_610);
    let third = third.shut_down();
    assert_eq!((third.recovered, third.exported, third.spooled), (1_600, 1_610, 0), "{third}");
    assert_eq!(receiver.received(), (1_610, 1_610), "each span once");

    let fourth = receiver.process(&directory.0);
    fourth.push(1_611..1_612);
    fourth.wait_for(|account| account.exported == 1);
    assert_eq!(fourth.shut_down().recovered, 0, "what was delivered is not recovered");
}

#[test]
fn a_crash_is_reported_by_the_next_start_and_stored_spans_survive_it() {
    let (directory, receiver) = (Directory::new(), Receiver::default());
    let first = receiver.process(&directory.0);
    first.push(1..501);
    first.wait_for(|account| account.spooled == 500);
    // Spans that never end, as far as the exporter knows.
    (0..7).for_each(|_| first.exporter.queue().ledger().started());
    first.wait_for(|_| directory.created() == Some(507));
    let killed = directory.copy();

    // The first process, which lives here, sends to the other receiver.
    let later = Receiver::default();
    let second = later.process(&killed.0);
    let account = second.wait_for(|account| account.recovered == 507);
    assert_eq!(account.spooled + account.in_flight + account.dropped_total(), 507);
    later.is_up.store(true, SeqCst);
    second.wait_for(|account| account.exported == 500);
    assert_eq!(second.shut_down().dropped(DropReason::Crash), 7);
    assert_eq!(later.received(), (500, 500));
}

#[cfg(unix)]
#[test]
fn a_crash_is_reported_after_the_directory_was_removed_and_made_again() {
    let (directory, receiver) = (Directory::new(), Receiver::default());
    let first = receiver.process(&directory.0);
    first.push(1..11);
    first.wait_for(|account| account.spooled == 10);
    // Fails if the thread makes a file meanwhile.
    assert!((0..1000).any(|_| std::fs::remove_dir_all(&directory.0).is_ok()));
    first.wait_for(|_| directory.created() == Some(10));
    first.push(11..16);
    // The ten are lost, and counted when the spool misses them.
    first.wait_for(|account| account.spooled + account.dropped(DropReason::SpoolIo) == 15);
    (0..3).for_each(|_| first.exporter.queue().ledger().started());
    first.wait_for(|_| directory.created() == Some(18));
    let killed = directory.copy();

    let later = Receiver::default();
    let second = later.process(&killed.0);
    later.is_up.store(true, SeqCst);
    second.wait_for(|account| account.exported == 5);
    assert_eq!(second.shut_down().dropped(DropReason::Crash), 3);
}

#[test]
fn spans_of_a_segment_that_is_damaged_as_a_whole_or_removed_are_counted_by_the_next_start() {
    for is_removed in [true, false] {
        let (directory, receiver) = (Directory::new(), Receiver::default());
        let first = receiver.process(&directory.0);
        first.push(1..301);
        assert_eq!(first.shut_down().spooled, 300);
        let second = receiver.process(&directory.0);
        second.wait_for(|account| account.recovered == 300);
        second.push(301..311);
        assert_eq!(second.shut_down().spooled, 310);

        let entries = std::fs::read_dir(&directory.0).unwrap();
        let mut segments: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        segments.retain(|path| path.extension().is_some_and(|it| it == "segment"));
        let damaged = segments.iter().min().unwrap();
        match is_removed {
            true => std::fs::remove_file(damaged).unwrap(),
            false => std::fs::write(damaged, [0; 4096]).unwrap(),
        }
        receiver.is_up.store(true, SeqCst);
        let third = receiver.process(&directory.0);
        third.wait_for(|account| account.exported == 10);
        let third = third.shut_down();
        assert_eq!((third.recovered, third.dropped(DropReason::SpoolIo)), (310, 300), "{third}");

        let fourth = receiver.process(&directory.0);
        fourth.push(311..312);
        fourth.wait_for(|account| account.exported == 1);
        assert_eq!(fourth.shut_down().recovered, 0, "they are counted once");
    }
}

#[test]
fn a_directory_of_another_process_is_waited_for_and_costs_no_export() {
    let (directory, receiver) = (Directory::new(), Receiver::default());
    let first = receiver.process(&directory.0);
    first.push(1..11);
    first.wait_for(|account| account.spooled == 10);
    let second = receiver.process(&directory.0);
    let is_locked = |reports: &[SpoolReport]| {
        reports
            .iter()
            .any(|it| matches!(it, SpoolReport::Failed { error } if error.contains("locked")))
    };
    second.wait_for(|_| is_locked(&second.reports.0.lock().unwrap()));
    receiver.is_up.store(true, SeqCst);
    second.push(11..16);
    second.wait_for(|account| account.exported == 5);
    receiver.is_up.store(false, SeqCst);
    drop(first);
    second.wait_for(|account| account.recovered > 0);
    receiver.is_up.store(true, SeqCst);
    second.wait_for(|account| account.spooled == 0 && account.in_flight == 0);
    assert_eq!(receiver.received().0, 15);
    second.shut_down();
}

#[test]
fn a_directory_that_cannot_be_used_is_reported_and_costs_no_export() {
    let (directory, receiver) = (Directory::new(), Receiver::default());
    std::fs::write(&directory.0, "a file").unwrap();
    let process = receiver.process(&directory.0.join("below"));
    let is_reported = |reports: &[SpoolReport]| {
        reports.iter().any(|it| matches!(it, SpoolReport::Unavailable { .. }))
    };
    process.wait_for(|_| is_reported(&process.reports.0.lock().unwrap()));
    receiver.is_up.store(true, SeqCst);
    process.push(1..6);
    process.wait_for(|account| account.exported == 5);
    process.shut_down();
    std::fs::remove_file(&directory.0).unwrap();
}
