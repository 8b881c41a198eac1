//! Searches in a spool: by trace, by time and service, with and without indexes on disk.

use crate::support;

use spanwise_spool::storage::{DirectoryEntry, DirectoryFile, DirectoryStorage, Storage};
use spanwise_spool::{Found, RecordQuery, Spool};
use spanwise_wire::TraceId;
use spanwise_wire::read::TraceRequest;
use std::path::PathBuf;
use support::{TempDirectory, at, request};

const REQUESTS: u64 = 400;
const SPANS: u64 = 200;
const STEP: usize = 7;

/// A spool with several segments, the last of which is not complete, and with records that are not synced.
fn filled(directory: &TempDirectory) -> Spool<DirectoryStorage> {
    let mut spool = open(directory);
    for number in 0..REQUESTS {
        spool.append(at(0), &request(number, SPANS), SPANS).unwrap();
        if number % 20 == 10 {
            spool.sync(at(0)).unwrap();
        }
    }
    assert!(spool.stats().unsynced_records > 0);
    assert!(spool.stats().segments > 3, "{:?}", spool.stats());
    spool
}

fn open(directory: &TempDirectory) -> Spool<DirectoryStorage> {
    let builder = Spool::builder().with_segment_bytes(64 << 10);
    let storage = DirectoryStorage::open(directory.path()).unwrap();
    let (spool, recovery) = builder.open_in(storage, at(0)).unwrap();
    assert_eq!((recovery.unknown_files, recovery.damaged_files), (0, 0));
    spool
}

/// The trace of the spans of request `number`.
fn trace(number: u64) -> TraceId {
    TraceId(u128::from(number) << 64 | 0x0707_0707_0707_0707)
}

fn files(directory: &TempDirectory, suffix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory.path()).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_str().unwrap().ends_with(suffix));
    paths.sort();
    paths
}

/// Searches for every seventh trace; returns the sums of all answers.
fn find_all(spool: &mut Spool<DirectoryStorage>) -> Found {
    let mut sum = Found::default();
    for number in (0..REQUESTS).step_by(STEP) {
        let found = spool.find(trace(number));
        assert_eq!((found.spans, found.records), (SPANS, 1), "{number}: {found:?}");
        assert_eq!(found.request, request(number, SPANS), "{number}");
        assert_eq!((found.damaged_records, found.unreadable_segments), (0, 0));
        assert!(!found.is_cut);
        sum.blocks += found.blocks;
        sum.false_records += found.false_records;
        sum.rebuilt_indexes += found.rebuilt_indexes;
    }
    sum
}

#[test]
fn each_trace_is_found_before_and_after_a_sync_and_a_restart() {
    let directory = TempDirectory::new();
    let mut spool = filled(&directory);
    let complete = spool.stats().segments - 1;
    let found = find_all(&mut spool);
    // A page for each complete segment, and the record.
    assert!(
        found.blocks <= (REQUESTS / STEP as u64 + 1) * (complete + 1) + found.false_records,
        "{found:?}"
    );
    assert!(found.false_records <= 4, "{found:?}");
    assert_eq!(found.rebuilt_indexes, 0);
    assert_eq!(spool.find(trace(REQUESTS)).spans, 0);
    spool.sync(at(0)).unwrap();
    assert_eq!(find_all(&mut spool).rebuilt_indexes, 0);
    drop(spool);
    let mut spool = open(&directory);
    // The last segment was not complete.
    assert_eq!(find_all(&mut spool).rebuilt_indexes, 1);
    drop(spool);
    assert_eq!(find_all(&mut open(&directory)).rebuilt_indexes, 0);
}

#[test]
fn indexes_that_are_missing_or_damaged_are_built_again() {
    let directory = TempDirectory::new();
    let mut spool = filled(&directory);
    spool.sync(at(0)).unwrap();
    let bytes = spool.stats().bytes;
    drop(spool);
    let mut spool = open(&directory);
    find_all(&mut spool);
    assert!(spool.stats().bytes > bytes);
    let bytes = spool.stats().bytes;
    drop(spool);
    let paths = files(&directory, ".index");
    assert_eq!(paths.len(), files(&directory, ".segment").len());
    let intact: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 6] = [
        ("empty", |bytes| bytes.clear()),
        ("cut", |bytes| bytes.truncate(bytes.len() - 1)),
        ("another version", |bytes| bytes[8] = 2),
        ("header", |bytes| bytes[20] ^= 1),
        ("zeros", |bytes| bytes.fill(0)),
        // The last byte is one of the last page.
        ("page", |bytes| *bytes.last_mut().unwrap() ^= 1),
    ];
    for (name, damage) in damages {
        for (path, intact) in paths.iter().zip(&intact) {
            let mut bytes = intact.clone();
            damage(&mut bytes);
            std::fs::write(path, bytes).unwrap();
        }
        let found = find_all(&mut open(&directory));
        assert_eq!(found.rebuilt_indexes, paths.len() as u64, "{name}");
        assert_eq!(find_all(&mut open(&directory)).rebuilt_indexes, 0, "{name}");
    }
    std::fs::remove_file(&paths[0]).unwrap();
    std::fs::rename(&paths[1], &paths[0]).unwrap();
    let mut spool = open(&directory);
    assert_eq!(find_all(&mut spool).rebuilt_indexes, 2, "one is of another segment");
    let after = spool.stats().bytes;
    assert!(after.abs_diff(bytes) < 100, "{after} {bytes}");
}

#[test]
fn an_index_is_removed_with_its_segment() {
    let directory = TempDirectory::new();
    let mut spool = filled(&directory);
    spool.sync(at(0)).unwrap();
    assert!(!files(&directory, ".index").is_empty());
    while let Some(stored) = spool.read_next(at(0)).unwrap() {
        spool.acknowledge(stored.id);
    }
    assert!(spool.stats().segments <= 1);
    assert_eq!(files(&directory, ".index"), [] as [PathBuf; 0]);
    drop(spool);
    // Those of segments that another process removed, and those that are not finished.
    for name in ["00000000000000aa.index", "0000000000000000.index.new"] {
        std::fs::write(directory.path().join(name), b"x").unwrap();
    }
    std::fs::write(directory.path().join("other.index"), b"x").unwrap();
    let storage = DirectoryStorage::open(directory.path()).unwrap();
    let (_spool, recovery) = Spool::builder().open_in(storage, at(0)).unwrap();
    assert_eq!(recovery.unknown_files, 1, "other.index is not a file of the spool");
    assert_eq!(files(&directory, ".new"), [] as [PathBuf; 0]);
    assert_eq!(files(&directory, ".index"), [directory.path().join("other.index")]);
}

#[test]
fn the_budget_of_bytes_has_the_indexes() {
    let directory = TempDirectory::new();
    let builder = Spool::builder().with_segment_bytes(64 << 10).with_max_bytes(1 << 20);
    let storage = DirectoryStorage::open(directory.path()).unwrap();
    let (mut spool, _) = builder.open_in(storage, at(0)).unwrap();
    for number in 0..120 {
        for number in number * 20..number * 20 + 20 {
            spool.append(at(0), &request(number, SPANS), SPANS).unwrap();
        }
        spool.sync(at(0)).unwrap();
        let on_disk: u64 = [".segment", ".index"]
            .iter()
            .flat_map(|suffix| files(&directory, suffix))
            .map(|path| path.metadata().unwrap().len())
            .sum();
        assert_eq!(spool.stats().bytes, on_disk);
        assert!(on_disk <= 1 << 20);
    }
    assert!(spool.take_losses().evicted > 0);
}

#[test]
fn records_are_found_by_time_and_read_by_id() {
    let directory = TempDirectory::new();
    let mut spool = filled(&directory);
    let all = spool.find_records(&RecordQuery::default());
    assert_eq!((all.records.len() as u64, all.unreadable_segments), (REQUESTS, 0));
    // The spans of request n are from 1000 + n to 2000 + n.
    let query = RecordQuery::default().with_times(0..=1009).with_service("");
    let found = spool.find_records(&query).records;
    let times: Vec<_> = found.iter().map(|record| record.earliest_unix_nanos).collect();
    assert_eq!(times, (1000..=1009).collect::<Vec<_>>());
    assert!(found.iter().all(|record| record.services == [""] && record.spans == SPANS));
    assert_eq!(spool.find_records(&RecordQuery::default().with_service("shop")).records, []);
    for (number, record) in all.records.iter().enumerate() {
        let stored = spool.read(record.id).unwrap();
        assert_eq!(stored.request, request(number as u64, SPANS));
        assert_eq!((stored.id, stored.spans), (record.id, SPANS));
    }
    // A search leaves the queue as it is.
    let first = spool.read_next(at(0)).unwrap().unwrap();
    assert_eq!((first.id, first.spans), (all.records[0].id, SPANS));
}

#[test]
fn a_damaged_record_is_counted_and_hides_no_other() {
    let directory = TempDirectory::new();
    let mut spool = filled(&directory);
    spool.sync(at(0)).unwrap();
    assert_eq!(spool.find(trace(0)).spans, SPANS);
    let path = &files(&directory, ".segment")[0];
    let mut bytes = std::fs::read(path).unwrap();
    // In the payload of the first record.
    bytes[64 + 80 + 40] ^= 1;
    std::fs::write(path, &bytes).unwrap();
    let found = spool.find(trace(0));
    assert_eq!((found.spans, found.damaged_records), (0, 1));
    assert_eq!(spool.find(trace(1)).spans, SPANS);
    let id = spool.find_records(&RecordQuery::default()).records[0].id;
    let error = spool.read(id).unwrap_err().to_string();
    assert_eq!(error, "the spool cannot read a record: the checksum of its payload does not match");
    // The index that is built again leaves the record out, and finds the others.
    drop(spool);
    for path in files(&directory, ".index") {
        std::fs::remove_file(path).unwrap();
    }
    let mut spool = open(&directory);
    let found = spool.find(trace(0));
    assert_eq!((found.spans, found.damaged_records), (0, 0));
    assert_eq!(spool.find(trace(1)).spans, SPANS);
    assert_eq!(spool.find_records(&RecordQuery::default()).records.len() as u64, REQUESTS - 1);
}

#[test]
fn spans_of_one_trace_in_many_records_are_one_request() {
    let directory = TempDirectory::new();
    let mut spool = open(&directory);
    for number in 0..300 {
        let mut mixed = request(7, 2);
        mixed.extend(request(1000 + number, 100));
        spool.append(at(0), &mixed, 102).unwrap();
        spool.sync(at(0)).unwrap();
    }
    assert!(spool.stats().segments > 1);
    let found = spool.find(trace(7));
    assert_eq!((found.spans, found.records), (600, 300));
    assert_eq!(TraceRequest::new(&found.request).count_spans(), Ok(600));
    let is_of_trace =
        |span: spanwise_wire::read::SpanView<'_>| span.trace_id() == Some(trace(7).to_bytes());
    assert!(TraceRequest::new(&found.request).spans().all(|span| is_of_trace(span.unwrap())));
}

/// A disk that has no space for indexes.
struct WithoutIndexes(DirectoryStorage);

impl Storage for WithoutIndexes {
    type File = DirectoryFile;

    fn list(&self) -> std::io::Result<Vec<DirectoryEntry>> {
        self.0.list()
    }

    fn create(&mut self, name: &str) -> std::io::Result<DirectoryFile> {
        match name.contains("index") {
            true => Err(std::io::ErrorKind::StorageFull.into()),
            false => self.0.create(name),
        }
    }

    fn open(&self, name: &str) -> std::io::Result<DirectoryFile> {
        self.0.open(name)
    }

    fn rename(&mut self, from: &str, to: &str) -> std::io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&mut self, name: &str) -> std::io::Result<()> {
        self.0.remove(name)
    }

    fn sync_directory(&mut self) -> std::io::Result<()> {
        self.0.sync_directory()
    }
}

#[test]
fn a_disk_without_space_for_indexes_costs_no_record_and_no_search() {
    let directory = TempDirectory::new();
    let storage = WithoutIndexes(DirectoryStorage::open(directory.path()).unwrap());
    let builder = Spool::builder().with_segment_bytes(64 << 10);
    let (mut spool, _) = builder.open_in(storage, at(0)).unwrap();
    for number in 0..REQUESTS {
        spool.append(at(0), &request(number, SPANS), SPANS).unwrap();
        if number % 20 == 10 {
            spool.sync(at(0)).unwrap();
        }
    }
    let complete = spool.stats().segments - 1;
    assert!(complete > 1, "{:?}", spool.stats());
    assert_eq!(spool.take_losses().total(), 0);
    // The first search builds the indexes in memory.
    for (number, rebuilt) in [(0, complete), (1, 0), (REQUESTS - 1, 0)] {
        let found = spool.find(trace(number));
        assert_eq!((found.spans, found.rebuilt_indexes), (SPANS, rebuilt), "{number}");
    }
    assert_eq!(files(&directory, "index"), [] as [PathBuf; 0]);
}

#[test]
fn no_debug_text_shows_a_payload() {
    let directory = TempDirectory::new();
    let mut spool = filled(&directory);
    let found = format!("{:?}", spool.find(trace(0)));
    spool.sync(at(0)).unwrap();
    let stored = format!("{:?}", spool.read_next(at(0)).unwrap().unwrap());
    // A list of the bytes would be longer by orders of magnitude.
    let bytes = request(0, SPANS).len();
    for text in [found, stored] {
        assert!(text.contains(&format!("bytes: {bytes}")) && text.len() < 200, "{text}");
    }
}
