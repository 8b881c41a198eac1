//! A spool that is read without its lock: its segments, its traces, and its damages by name.

use crate::support;

use spanwise_spool::storage::{ReadOnlyDirectory, Storage as _, StorageFile as _};
use spanwise_spool::{
    Damage, IndexState, Problem, RecordQuery, SegmentState, Spool, SpoolReader, Verified,
};
use spanwise_wire::TraceId;
use std::path::{Path, PathBuf};
use support::{TempDirectory, at, request};

const SPANS: u64 = 200;
const HEADER: usize = 80;

/// A spool with a complete segment and an open one, both with some records.
fn filled(directory: &TempDirectory) -> (Spool<spanwise_spool::storage::DirectoryStorage>, u64) {
    let builder = Spool::builder().with_segment_bytes(64 << 10);
    let storage = spanwise_spool::storage::DirectoryStorage::open(directory.path()).unwrap();
    let (mut spool, _) = builder.open_in(storage, at(0)).unwrap();
    let mut requests = 0;
    while spool.stats().segments < 2 {
        spool.append(at(0), &request(requests, SPANS), SPANS).unwrap();
        spool.sync(at(0)).unwrap();
        requests += 1;
    }
    (spool, requests)
}

fn trace(number: u64) -> TraceId {
    TraceId(u128::from(number) << 64 | 0x0707_0707_0707_0707)
}

/// The damages of a spool, and the sums.
fn verify(path: &Path) -> (Vec<Problem>, Verified) {
    let mut problems = Vec::new();
    let verified =
        SpoolReader::open(path).unwrap().verify(|problem| problems.push(problem.clone()));
    (problems, verified)
}

#[test]
fn a_spool_that_another_process_has_locked_is_read() {
    let directory = TempDirectory::new();
    let (mut spool, requests) = filled(&directory);
    let names = |directory: &TempDirectory| {
        let entries = std::fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    };
    let before = names(&directory);
    let mut reader = SpoolReader::open(directory.path()).unwrap();
    for number in (0..requests).step_by(11) {
        let found = reader.find(trace(number));
        assert_eq!((found.spans, found.request), (SPANS, request(number, SPANS)), "{number}");
    }
    assert_eq!(reader.find(trace(requests)).spans, 0);
    let [complete, open] = reader.segments() else { panic!("{:?}", reader.segments()) };
    assert_eq!((&complete.state, &open.state), (&SegmentState::Complete, &SegmentState::Open));
    assert_eq!(complete.records + open.records, requests);
    assert_eq!(complete.spans + open.spans, requests * SPANS);
    assert_eq!((complete.stored_spans, complete.acknowledged_spans), (complete.spans, 0));
    assert_eq!((complete.earliest_unix_nanos, complete.number), (1000, 0));
    assert_eq!(open.latest_unix_nanos, 2000 + requests - 1);
    assert!(complete.raw_bytes > complete.bytes && complete.bytes >= 64 << 10, "{complete:?}");
    assert!(matches!(complete.index, IndexState::Usable { bytes: 1.., .. }), "{complete:?}");
    assert_eq!(
        (&open.index, complete.services.as_slice()),
        (&IndexState::Missing, &[String::new()][..])
    );
    let query = RecordQuery::default().with_times(0..=1004);
    let found = reader.find_records(&query).records;
    assert_eq!(found.len(), 5);
    assert_eq!(reader.read(found[4].id).unwrap().request, request(4, SPANS));
    let (problems, verified) = verify(directory.path());
    assert_eq!((problems, verified.is_intact()), (vec![], true));
    assert_eq!(
        (verified.segments, verified.records, verified.spans),
        (2, requests, requests * SPANS)
    );
    assert_eq!(names(&directory), before, "nothing is written");
    // The other process goes on.
    spool.append(at(0), &request(requests, SPANS), SPANS).unwrap();
    spool.sync(at(0)).unwrap();
    for _ in 0..3 {
        let stored = spool.read_next(at(0)).unwrap().unwrap();
        spool.acknowledge(stored.id);
    }
    spool.checkpoint();
    let mut reader = SpoolReader::open(directory.path()).unwrap();
    assert_eq!(reader.find(trace(requests)).spans, SPANS);
    assert_eq!(reader.segments()[0].acknowledged_spans, 3 * SPANS);
    while let Some(stored) = spool.read_next(at(0)).unwrap() {
        spool.acknowledge(stored.id);
    }
    // A segment that was removed since the reader opened the spool has no spans, and is no error.
    let found = reader.find(trace(7));
    assert_eq!((found.spans, found.unreadable_segments), (0, 0));
    let found = reader.find_records(&RecordQuery::default());
    assert_eq!(found.unreadable_segments, 0);
    let first = found.records[0].id;
    assert!(reader.read(first).is_err());
    assert!(reader.verify(|_| ()).is_intact());
}

/// Where the first records of a segment begin.
fn offsets(bytes: &[u8]) -> Vec<usize> {
    let mut offsets = vec![64];
    for _ in 0..4 {
        let at = *offsets.last().unwrap();
        let payload = u32::from_le_bytes(bytes[at + 24..at + 28].try_into().unwrap());
        offsets.push(at + 2 * HEADER + payload as usize);
    }
    offsets
}

#[test]
fn every_damage_has_its_name_its_record_and_its_spans() {
    let directory = TempDirectory::new();
    let (spool, requests) = filled(&directory);
    drop(spool);
    let path = directory.segments()[0].clone();
    let intact = std::fs::read(&path).unwrap();
    let index = path.with_extension("index");
    let intact_index = std::fs::read(&index).unwrap();
    let at = offsets(&intact);
    let check = |damage: &dyn Fn(&mut Vec<u8>), expected: &[(&str, Option<u32>, u32, u64)]| {
        let mut bytes = intact.clone();
        damage(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let (problems, verified) = verify(directory.path());
        let short = |it: &Problem| (it.damage.name(), it.record, it.records, it.spans);
        assert_eq!(problems.iter().map(short).collect::<Vec<_>>(), expected);
        let lost: u64 = expected.iter().map(|it| it.3).sum();
        assert_eq!(verified.damaged_spans, lost, "{problems:?}");
        assert_eq!(verified.spans, requests * SPANS - lost, "{problems:?}");
        assert!(!verified.is_intact());
        problems.iter().map(|it| it.damage.to_string()).collect::<Vec<_>>().join("; ")
    };
    let text = check(&|it| it[at[1] + HEADER + 9] ^= 1, &[("checksum", Some(1), 1, SPANS)]);
    assert_eq!(text, "the checksum of the payload does not match");
    let text = check(&|it| it[at[1] + 33] ^= 1, &[("one_header", Some(1), 1, 0)]);
    assert_eq!(text, "header or trailer is damaged; the record is read by the other one");
    check(&|it| it[at[2] - 1] ^= 1, &[("one_header", Some(1), 1, 0)]);
    let both = |it: &mut Vec<u8>| (it[at[1] + 33] ^= 1, it[at[2] - 1] ^= 1);
    let text = check(&|it| _ = both(it), &[("headers", Some(1), 1, SPANS)]);
    assert_eq!(text, "header and trailer are damaged, or overwritten");
    check(&|it| it[at[1]..at[3]].fill(0), &[("headers", Some(1), 2, 2 * SPANS)]);
    let text = check(&|it| it[20] ^= 1, &[("segment_header", None, 0, 0), ("index", None, 0, 0)]);
    assert!(
        text.ends_with("the index belongs to another segment, or to an earlier state of this one"),
        "{text}"
    );
    let all = &[("no_record", None, 0, 0)];
    let mut bytes = intact.clone();
    bytes.fill(0);
    std::fs::write(&path, &bytes).unwrap();
    let (problems, verified) = verify(directory.path());
    let short = |it: &Problem| (it.damage.name(), it.record, it.records, it.spans);
    assert_eq!(problems.iter().map(short).collect::<Vec<_>>(), all);
    assert_eq!(verified.problems, 1);
    // A version that does not exist yet, with its checksum.
    bytes.copy_from_slice(&intact);
    bytes[8] = 9;
    let sum = spanwise_spool::format::crc32c(&bytes[..60]).to_le_bytes();
    bytes[60..64].copy_from_slice(&sum);
    std::fs::write(&path, &bytes).unwrap();
    let (problems, _) = verify(directory.path());
    assert_eq!(
        problems.iter().map(|it| &it.damage).collect::<Vec<_>>(),
        [&Damage::Version { found: 9 }]
    );
    assert_eq!(
        problems[0].damage.to_string(),
        "the segment has version 9; this build reads version 1"
    );
    // The index alone.
    std::fs::write(&path, &intact).unwrap();
    let mut bytes = intact_index.clone();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&index, &bytes).unwrap();
    let (problems, verified) = verify(directory.path());
    assert_eq!(
        problems[0].damage.to_string(),
        "the index cannot be used, and is built again in a search: the checksum of the page does not match"
    );
    assert_eq!((problems.len(), verified.damaged_spans), (1, 0));
    std::fs::write(&index, intact_index).unwrap();
    assert!(verify(directory.path()).1.is_intact());
}

#[test]
fn bytes_behind_the_last_record_are_reported_and_no_damage() {
    let directory = TempDirectory::new();
    let (mut spool, requests) = filled(&directory);
    spool.append(at(0), &request(requests, SPANS), SPANS).unwrap();
    spool.sync(at(0)).unwrap();
    drop(spool);
    let path = &directory.segments()[1];
    let bytes = std::fs::read(path).unwrap();
    // The end of the trailer and half of the payload are missing.
    std::fs::write(path, &bytes[..bytes.len() - HEADER - 200]).unwrap();
    let (problems, verified) = verify(directory.path());
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(matches!(problem.damage, Damage::Tail { bytes: 1.. }), "{problem:?}");
    assert_eq!((problem.spans, verified.spans), (SPANS, requests * SPANS));
    assert!(verified.is_intact());
    assert!(
        problem
            .damage
            .to_string()
            .ends_with("are no record: a crash, or a record that is being written")
    );
}

#[test]
fn a_read_only_directory_is_never_changed() {
    let directory = TempDirectory::new();
    std::fs::write(directory.path().join("0000000000000000.segment"), b"x").unwrap();
    std::fs::create_dir(directory.path().join("0000000000000001.segment")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", directory.path().join("0000000000000002.segment"))
        .unwrap();
    let mut storage = ReadOnlyDirectory::open(directory.path()).unwrap();
    let refused = [
        storage.create("new").map(drop).unwrap_err(),
        storage.remove("0000000000000000.segment").unwrap_err(),
        storage.rename("0000000000000000.segment", "b").unwrap_err(),
        storage.sync_directory().unwrap_err(),
        storage.open("0000000000000000.segment").unwrap().write_at(b"y", 0).unwrap_err(),
        storage.open("0000000000000000.segment").unwrap().set_len(0).unwrap_err(),
        storage.open("0000000000000000.segment").unwrap().sync().unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    }
    for name in ["0000000000000001.segment", "0000000000000002.segment"] {
        let error = storage.open(name).map(drop);
        #[cfg(unix)]
        assert_eq!(error.unwrap_err().kind(), std::io::ErrorKind::InvalidInput, "{name}");
        #[cfg(not(unix))]
        assert!(error.is_err(), "{name}");
    }
    let reader = SpoolReader::open(directory.path()).unwrap();
    let states: Vec<_> = reader.segments().iter().map(|it| &it.state).collect();
    assert_eq!(states[0], &SegmentState::Damaged);
    let reason = "not a regular file".to_owned();
    assert!(
        states[1..].iter().all(|it| **it == SegmentState::Unreadable { reason: reason.clone() }),
        "{states:?}"
    );
    let error = SpoolReader::open("/no/such/spool").map(drop).unwrap_err().to_string();
    assert!(error.starts_with("the spool directory /no/such/spool cannot be used: "), "{error}");
}
