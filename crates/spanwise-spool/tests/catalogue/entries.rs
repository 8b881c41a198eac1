//! D7 and D8: damaged, foreign, moved and missing files of a real directory.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use spanwise_spool::format::{
    RECORD_HEADER_BYTES, RecordHeader, RecordKind, RecordPart, SEGMENT_HEADER_BYTES, crc32c,
};
use spanwise_spool::{Recovery, Spool};

use crate::requests::{Request, number_of, request_of, start};
use crate::support::TempDirectory;
use crate::{builder, deliver, spans, store};

/// Three complete segments with ten requests of three spans each.
struct Case {
    directory: TempDirectory,
    segments: Vec<PathBuf>,
    requests: Vec<Request>,
}

const PAGE: usize = 4096;
const TOTAL: u64 = 90;

impl Case {
    fn new() -> Self {
        let directory = TempDirectory::new();
        let requests: Vec<_> = (0..30).map(|number| request_of(number, 3, 2_000)).collect();
        for chunk in requests.chunks(10) {
            // A restart completes a segment.
            let (mut spool, _) = builder().open(directory.path()).unwrap();
            store(&mut spool, chunk);
        }
        let _complete = builder().open(directory.path()).unwrap();
        let segments = directory.segments();
        assert_eq!(segments.len(), 3);
        Self { directory, segments, requests }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Changes the bytes of a segment.
    fn change(&self, segment: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(&self.segments[segment]).unwrap();
        change(&mut bytes);
        fs::write(&self.segments[segment], bytes).unwrap();
    }

    fn headers(&self, segment: usize) -> Vec<RecordHeader> {
        let bytes = fs::read(&self.segments[segment]).unwrap();
        let (mut at, mut headers) = (SEGMENT_HEADER_BYTES, Vec::new());
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let header = RecordHeader::decode(rest, RecordPart::Header).unwrap();
            at = header.end() as usize;
            headers.push(header);
        }
        headers
    }

    /// The spans of the records whose payload, or both of whose headers, have a byte of the range.
    fn spans_in(&self, segment: usize, range: std::ops::Range<usize>) -> u64 {
        let overlaps =
            |start: u64, len: u64| start < range.end as u64 && start + len > range.start as u64;
        let is_hit = |header: &&RecordHeader| {
            let part = RECORD_HEADER_BYTES as u64;
            overlaps(header.payload_offset(), header.payload_bytes.into())
                || overlaps(header.offset.into(), part) && overlaps(header.trailer_offset(), part)
        };
        let records =
            self.headers(segment).into_iter().filter(|header| header.kind == RecordKind::Spans);
        records
            .collect::<Vec<_>>()
            .iter()
            .filter(is_hit)
            .map(|header| u64::from(header.spans))
            .sum()
    }

    fn open(&self) -> (Spool<spanwise_spool::storage::DirectoryStorage>, Recovery) {
        builder().open(self.directory.path()).unwrap()
    }

    /// Every other entry with its content, to compare it later.
    fn foreign(&self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap_or_default();
            let is_numbered =
                name.len() > 16 && name.as_bytes()[..16].iter().all(u8::is_ascii_hexdigit);
            is_numbered || name.starts_with("checkpoint-") || name == "lock"
        };
        let entries =
            fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| !is_ours(path)).map(|path| (path.clone(), content(&path))).collect()
    }

    /// Starts on the changed directory, reads everything, and checks that `delivered` spans arrive, `lost` ones are counted, and
    /// foreign entries are untouched.
    fn judge(&self, name: &str, delivered: u64, lost: u64) -> Recovery {
        let foreign = self.foreign();
        let (mut spool, recovery) = self.open();
        let (numbers, losses) = deliver(&mut spool);
        let found: u64 = numbers.keys().map(|number| self.requests[*number as usize].spans).sum();
        assert_eq!(found, delivered, "{name}: {recovery:?} {losses:?}");
        assert_eq!(losses.total() + recovery.torn_spans, lost, "{name}: {recovery:?} {losses:?}");
        assert_eq!(self.foreign(), foreign, "{name}");
        // It goes on: what is appended now is stored and delivered.
        store(&mut spool, &[request_of(1_000, 1, 10)]);
        assert_eq!(deliver(&mut spool).0.into_keys().collect::<Vec<_>>(), [1_000], "{name}");
        drop(spool);
        let (mut spool, _) = self.open();
        let (numbers, _) = deliver(&mut spool);
        let found: u64 = numbers.keys().map(|number| if *number == 1_000 { 1 } else { 3 }).sum();
        assert_eq!(found, delivered + 1, "{name}: the second start");
        recovery
    }
}

fn content(path: &Path) -> Option<Vec<u8>> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file.then(|| fs::read(path).unwrap_or_default())
}

fn set_checksum(bytes: &mut [u8], end: usize) {
    let checksum = crc32c(&bytes[..end]).to_le_bytes();
    bytes[end..end + 4].copy_from_slice(&checksum);
}

/// Damage within a segment: each is a page or a header, and the records around it are delivered.
#[test]
fn d7_damaged_segments_lose_the_damaged_records_only() {
    let pages = |name: &str, from: usize, to: usize| {
        let case = Case::new();
        let lost = case.spans_in(1, from..to);
        assert!(lost > 0, "{name}");
        (case, lost)
    };
    let (case, lost) = pages("zeroed page", PAGE, 2 * PAGE);
    case.change(1, |bytes| bytes[PAGE..2 * PAGE].fill(0));
    case.judge("zeroed page", TOTAL - lost, lost);

    let (case, lost) = pages("zeroed first page", 0, PAGE);
    case.change(1, |bytes| bytes[..PAGE].fill(0));
    case.judge("zeroed first page", TOTAL - lost, lost);

    let (case, lost) = pages("page of another place", 3 * PAGE, 4 * PAGE);
    case.change(1, |bytes| bytes.copy_within(PAGE..2 * PAGE, 3 * PAGE));
    case.judge("page of another place", TOTAL - lost, lost);

    let (case, lost) = pages("page of another segment", 2 * PAGE, 3 * PAGE);
    let other = fs::read(&case.segments[0]).unwrap();
    case.change(1, |bytes| bytes[2 * PAGE..3 * PAGE].copy_from_slice(&other[2 * PAGE..3 * PAGE]));
    case.judge("page of another segment", TOTAL - lost, lost);

    let case = Case::new();
    case.change(1, |bytes| bytes[12] ^= 1);
    case.judge("damaged header of the segment", TOTAL, 0);

    let case = Case::new();
    case.change(1, |bytes| bytes.extend_from_slice(&[0; 3 * PAGE]));
    case.judge("zeros at the end", TOTAL, 0);

    let case = Case::new();
    case.change(1, |bytes| bytes.extend((0..9_000).map(|at: u32| (at * 7 % 251) as u8)));
    case.judge("garbage at the end", TOTAL, 0);

    let case = Case::new();
    case.change(1, |bytes| bytes.extend_from_within(..));
    case.judge("the segment twice in its file", TOTAL, 0);

    let case = Case::new();
    case.change(1, |bytes| {
        let len = bytes.len();
        bytes[len - 2 * RECORD_HEADER_BYTES..].fill(0);
    });
    case.judge("no end record", TOTAL, 0);

    let case = Case::new();
    let header = case.headers(1)[4];
    case.change(1, |bytes| {
        for at in [header.offset as usize, header.trailer_offset() as usize] {
            bytes[at + 4] = 9;
            set_checksum(&mut bytes[at..], RECORD_HEADER_BYTES - 4);
        }
    });
    case.judge("a record of a later version", TOTAL - 3, 3);
}

/// Segments as a whole: of other versions, empty, unreadable, moved and copied.
#[test]
fn d7_moved_and_foreign_segments() {
    for version in [0, 2, 0xffff_u16] {
        let case = Case::new();
        case.change(1, |bytes| {
            bytes[8..10].copy_from_slice(&version.to_le_bytes());
            set_checksum(bytes, SEGMENT_HEADER_BYTES - 4);
        });
        let before = fs::read(&case.segments[1]).unwrap();
        let recovery = case.judge("another version", TOTAL - 30, 0);
        assert_eq!(recovery.unsupported_files, 1, "version {version}");
        assert_eq!(fs::read(&case.segments[1]).unwrap(), before, "version {version}");
    }

    let case = Case::new();
    case.change(1, |bytes| bytes.fill(0));
    let recovery = case.judge("zeros only", TOTAL - 30, 0);
    assert_eq!(recovery.damaged_files, 1);
    assert!(!case.segments[1].exists());

    let case = Case::new();
    let earlier =
        case.path(&format!("{}.damaged", case.segments[1].file_name().unwrap().to_str().unwrap()));
    fs::write(&earlier, b"of an earlier start").unwrap();
    case.change(1, |bytes| bytes.fill(0));
    case.judge("a name for damaged files that is taken", TOTAL - 30, 0);
    assert_eq!(fs::read(&earlier).unwrap(), b"of an earlier start");

    let case = Case::new();
    fs::write(&case.segments[1], b"").unwrap();
    case.judge("an empty file", TOTAL - 30, 0);

    let case = Case::new();
    case.change(1, |bytes| bytes.truncate(SEGMENT_HEADER_BYTES));
    case.judge("a header only", TOTAL - 30, 0);

    let case = Case::new();
    fs::rename(&case.segments[0], case.path("swap")).unwrap();
    fs::rename(&case.segments[2], &case.segments[0]).unwrap();
    fs::rename(case.path("swap"), &case.segments[2]).unwrap();
    case.judge("two segments swapped", TOTAL, 0);

    for number in ["0000000000000077", "0000000000000003", "000fffffffffffff"] {
        let case = Case::new();
        fs::copy(&case.segments[1], case.path(&format!("{number}.segment"))).unwrap();
        let recovery = case.judge("a copy of a segment", TOTAL, 0);
        assert_eq!(recovery.duplicate_files, 1, "{number}");
    }

    let case = Case::new();
    fs::hard_link(&case.segments[1], case.path("0000000000000055.segment")).unwrap();
    assert_eq!(case.judge("a second name of a segment", TOTAL, 0).duplicate_files, 1);

    let case = Case::new();
    fs::rename(&case.segments[1], case.path("0000000000000055.segment")).unwrap();
    case.judge("a segment with another name", TOTAL, 0);
}

/// Entries that are no file of the spool: none is opened, changed or removed.
#[test]
fn d7_foreign_entries_are_left_alone() {
    type Change = fn(&Case);
    let cases: [(&str, u64, u64, Change); 13] = [
        ("a text file", 1, 0, |case| fs::write(case.path("notes.txt"), b"ours").unwrap()),
        ("a short number", 1, 0, |case| fs::write(case.path("7.segment"), b"ours").unwrap()),
        ("capital digits", 1, 0, |case| {
            fs::write(case.path("00000000000000AB.segment"), b"ours").unwrap()
        }),
        ("a number that is too large", 1, 0, |case| {
            fs::write(case.path("fffffffffffffff0.segment"), b"ours").unwrap();
        }),
        ("no number", 1, 0, |case| {
            fs::write(case.path("zzzzzzzzzzzzzzzz.segment"), b"ours").unwrap()
        }),
        ("a temporary file", 1, 0, |case| {
            fs::write(case.path(".0000000000000001.segment.swp"), b"ours").unwrap()
        }),
        ("a folder", 1, 0, |case| fs::create_dir(case.path("folder")).unwrap()),
        ("a folder with the name of a segment", 0, 1, |case| {
            fs::create_dir(case.path("0000000000000060.segment")).unwrap();
        }),
        ("a link to a file outside", 0, 1, |case| {
            symlink("/etc/hostname", case.path("0000000000000060.segment")).unwrap();
        }),
        ("a link to nothing", 0, 1, |case| {
            symlink("/nonexistent/file", case.path("0000000000000060.segment")).unwrap();
        }),
        ("a link to a segment", 0, 1, |case| {
            symlink(&case.segments[0], case.path("0000000000000060.segment")).unwrap();
        }),
        ("a link with the name of a checkpoint", 0, 0, |case| {
            let _missing = fs::remove_file(case.path("checkpoint-0"));
            symlink("/etc/hostname", case.path("checkpoint-0")).unwrap();
        }),
        ("a pipe with the name of a segment", 0, 1, |case| {
            let pipe = case.path("0000000000000060.segment");
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        }),
    ];
    for (name, unknown, unreadable, change) in cases {
        let case = Case::new();
        let outside = fs::read("/etc/hostname").unwrap_or_default();
        change(&case);
        let before = entries(&case);
        let recovery = case.judge(name, TOTAL, 0);
        assert_eq!(
            (recovery.unknown_files, recovery.unreadable_files),
            (unknown, unreadable),
            "{name}"
        );
        assert_eq!(fs::read("/etc/hostname").unwrap_or_default(), outside, "{name}");
        let after = entries(&case);
        assert!(before.iter().all(|entry| after.contains(entry)), "{name}: {before:?} {after:?}");
    }
}

/// The names of all entries.
fn entries(case: &Case) -> Vec<String> {
    let entries = fs::read_dir(case.directory.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn d7_modes_and_removals() {
    // Root reads every file; another user counts the file as unreadable.
    let case = Case::new();
    fs::set_permissions(&case.segments[1], fs::Permissions::from_mode(0o000)).unwrap();
    match fs::File::open(&case.segments[1]) {
        Ok(_) => _ = case.judge("mode 000, as root", TOTAL, 0),
        Err(_) => assert_eq!(case.judge("mode 000", TOTAL - 30, 0).unreadable_files, 1),
    }

    let case = Case::new();
    fs::set_permissions(&case.segments[1], fs::Permissions::from_mode(0o400)).unwrap();
    case.judge("mode 0400", TOTAL, 0);

    // A segment that is removed while the spool is open: its spans are counted.
    let case = Case::new();
    let (mut spool, _) = case.open();
    fs::remove_file(&case.segments[1]).unwrap();
    let (delivered, losses) = deliver(&mut spool);
    assert_eq!((3 * delivered.len() as u64, losses.io), (60, 30));

    // The directory is removed: the spool goes on in a new one, or refuses records; it never panics.
    let case = Case::new();
    let (mut spool, _) = case.open();
    fs::remove_dir_all(case.directory.path()).unwrap();
    let (delivered, losses) = deliver(&mut spool);
    assert_eq!(3 * delivered.len() as u64 + losses.io, TOTAL);
    let request = request_of(1_000, 1, 10);
    if spool.append(start(), &request.bytes, 1).is_ok() && spool.sync(start()).is_ok() {
        let stored = spool.read_next(start()).unwrap().expect("a stored record is delivered");
        assert_eq!(number_of(&stored.request), Some(1_000));
        assert!(case.directory.path().exists());
    }
}

#[test]
fn d7_a_read_only_directory_is_served() {
    let Some(mount) = ReadOnly::new() else { return };
    let (mut spool, recovery) = builder().open(&mount.0).unwrap();
    assert_eq!(recovery.spans, spans(&mount.requests()));
    let request = request_of(1_000, 1, 10);
    assert!(spool.append(start(), &request.bytes, 1).is_err());
    assert_eq!(deliver(&mut spool).0.len(), mount.requests().len());
}

/// A tmpfs with a spool in it, which then becomes read-only.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn new() -> Option<Self> {
        let path = std::env::temp_dir().join(format!("spanwise-spool-ro-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let mount = |options: &str| {
            let mut command = std::process::Command::new("mount");
            command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&path);
            command.output().is_ok_and(|output| output.status.success())
        };
        if !mount("size=8m") {
            let _empty = fs::remove_dir(&path);
            eprintln!("skipped: this process may not mount a tmpfs");
            return None;
        }
        let mounted = Self(path.clone());
        let (mut spool, _) = builder().open(&path).unwrap();
        store(&mut spool, &mounted.requests());
        drop(spool);
        assert!(mount("remount,ro"), "the tmpfs becomes read-only");
        Some(mounted)
    }

    fn requests(&self) -> Vec<Request> {
        (0..10).map(|number| request_of(number, 2, 1_000)).collect()
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _best_effort = std::process::Command::new("umount").arg(&self.0).output();
        let _best_effort = fs::remove_dir(&self.0);
    }
}

#[test]
fn d8_each_subset_of_the_other_files_may_be_lost() {
    for is_garbage in [false, true] {
        for subset in 0..32u32 {
            let case = Case::new();
            // Some records are acknowledged, in two checkpoints.
            let (mut spool, _) = case.open();
            for _ in 0..4 {
                let stored = spool.read_next(start()).unwrap().unwrap();
                spool.acknowledge(stored.id);
                spool.checkpoint();
            }
            drop(spool);
            let name = |suffix: &str| case.segments[1].with_extension(suffix);
            let files = [
                case.path("checkpoint-0"),
                case.path("checkpoint-1"),
                name("index"),
                case.segments[0].with_extension("index"),
                case.path("lock"),
            ];
            for (at, file) in files.iter().enumerate().filter(|(at, _)| subset >> at & 1 == 1) {
                let is_lock = at == 4;
                match is_garbage && !is_lock {
                    true => fs::write(file, [0x5a; 300]).unwrap(),
                    false => _ = fs::remove_file(file),
                }
            }
            let what = format!("subset {subset:#b}, garbage {is_garbage}");
            let (mut spool, recovery) = case.open();
            let (delivered, losses) = deliver(&mut spool);
            assert_eq!(losses.total(), 0, "{what}");
            assert_eq!(recovery.spans, 3 * delivered.len() as u64, "{what}");
            // At worst duplicates: the four that were acknowledged.
            let checkpoints = subset & 3;
            let expected = match checkpoints {
                0 => 26..=26,
                3 => 30..=30,
                _ => 26..=27,
            };
            assert!(expected.contains(&delivered.len()), "{what}: {}", delivered.len());
            assert!((4..30).all(|number| delivered.contains_key(&number)), "{what}");
            let found =
                spool.find(spanwise_wire::TraceId::from_bytes(crate::requests::trace_id(15, 1)));
            assert_eq!(found.spans, 1, "{what}");
        }
    }
}
