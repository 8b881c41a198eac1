//! The directory of a spool: its modes and its lock, and files in it that are not as the spool left them.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use spanwise_spool::format::{SegmentHeader, crc32c, segment_file_name};
use spanwise_spool::storage::DirectoryStorage;
use spanwise_spool::{Recovery, Spool, SpoolError};
use support::{TempDirectory, at, open, request};

const ALL: std::ops::Range<u64> = 0..20;

/// A spool of 20 spans in 4 segments.
fn four_segments() -> TempDirectory {
    let directory = TempDirectory::new();
    for numbers in [0..5, 5..10, 10..15, 15..20] {
        let (mut spool, _) = Spool::builder().open_in(open(&directory), at(0)).unwrap();
        for number in numbers {
            spool.append(at(0), &request(number, 1), 1).unwrap();
        }
        spool.sync(at(0)).unwrap();
    }
    assert_eq!(directory.segments().len(), 4);
    directory
}

/// Starts a spool and compares the requests that it reads. All spans of the start are read or lost.
fn check(directory: &TempDirectory, numbers: impl IntoIterator<Item = u64>) -> Recovery {
    let (mut spool, recovery) = Spool::builder().open_in(open(directory), at(1)).unwrap();
    let mut read = 0;
    for number in numbers {
        let stored = spool.read_next(at(1)).unwrap().unwrap();
        assert_eq!(stored.request, request(number, 1), "request {number}");
        read += 1;
    }
    assert_eq!(spool.read_next(at(1)).unwrap(), None);
    assert_eq!(recovery.spans, read + spool.take_losses().total());
    // The spool goes on in a segment of its own.
    spool.append(at(1), &request(99, 1), 1).unwrap();
    assert_eq!(spool.sync(at(1)).unwrap().spans, 1);
    assert_eq!(spool.read_next(at(1)).unwrap().unwrap().request, request(99, 1));
    recovery
}

fn damaged(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.damaged", path.display()))
}

#[test]
fn only_the_user_of_the_process_reads_the_files() {
    let directory = TempDirectory::new();
    let path = directory.path().join("a").join("b");
    let (mut spool, _) = Spool::builder().open(&path).unwrap();
    spool.append(at(0), &request(0, 1), 1).unwrap();
    spool.sync(at(0)).unwrap();
    spool.checkpoint();
    for created in [directory.path().join("a"), path.clone()] {
        assert_eq!(fs::metadata(created).unwrap().mode() & 0o7777, 0o700);
    }
    let files: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(files.len() >= 3);
    for file in files {
        assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600, "{:?}", file.file_name());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn descriptors_close_on_exec() {
    let directory = TempDirectory::new();
    let (mut spool, _) = Spool::builder().open(directory.path()).unwrap();
    spool.append(at(0), &request(0, 1), 1).unwrap();
    spool.sync(at(0)).unwrap();
    spool.read_next(at(0)).unwrap().unwrap();
    let mut own = 0;
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let entry = entry.unwrap();
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        if target.starts_with(directory.path()) {
            own += 1;
            let info = Path::new("/proc/self/fdinfo").join(entry.file_name());
            let info = fs::read_to_string(info).unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
            let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
            assert_ne!(flags & 0o2_000_000, 0, "{} has O_CLOEXEC", target.display());
        }
    }
    assert!(own >= 3, "the directory, the lock and a segment: {own}");
}

#[test]
fn a_second_spool_of_the_directory_is_an_error() {
    let directory = TempDirectory::new();
    let (spool, _) = Spool::builder().open(directory.path()).unwrap();
    let error = Spool::builder().open(directory.path()).err().unwrap();
    assert!(matches!(error, SpoolError::Locked { .. }));
    let text = error.to_string();
    assert!(text.contains(directory.path().to_str().unwrap()), "{text}");
    assert!(text.contains("locked by another process"), "{text}");
    drop(spool);
    assert!(Spool::builder().open(directory.path()).is_ok());
}

#[test]
fn a_path_that_is_no_directory_is_an_error() {
    let directory = TempDirectory::new();
    let file = directory.path().join("file");
    fs::write(&file, "x").unwrap();
    for (path, reason) in [(&file, "it is no directory"), (&file.join("below"), "Not a directory")]
    {
        let error = Spool::builder().open(path).err().unwrap();
        assert!(matches!(error, SpoolError::Directory { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    let link = directory.path().join("link");
    fs::create_dir(directory.path().join("target")).unwrap();
    symlink(directory.path().join("target"), &link).unwrap();
    let error = Spool::builder().open(&link).err().unwrap();
    assert!(matches!(error, SpoolError::Directory { .. }), "{error}");
    assert!(error.to_string().contains("it is a symbolic link: name its target"), "{error}");
}

#[test]
fn foreign_entries_are_counted_and_left_alone() {
    let directory = four_segments();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("notes.txt"), "mine").unwrap();
    fs::write(at("12.segment"), "mine").unwrap();
    fs::create_dir(at("folder")).unwrap();
    symlink("/etc/hostname", at("link")).unwrap();
    let recovery = check(&directory, ALL);
    assert_eq!(recovery.unknown_files, 4);
    assert_eq!(fs::read(at("notes.txt")).unwrap(), b"mine");
    assert_eq!(fs::read(at("12.segment")).unwrap(), b"mine");
}

#[test]
fn names_of_segments_that_are_no_files_are_left_alone() {
    let directory = four_segments();
    let outside = TempDirectory::new();
    let target = outside.path().join("target");
    fs::copy(&directory.segments()[0], &target).unwrap();
    let before = fs::read(&target).unwrap();
    symlink(&target, directory.path().join(segment_file_name(100))).unwrap();
    fs::create_dir(directory.path().join(segment_file_name(101))).unwrap();
    let recovery = check(&directory, ALL);
    assert_eq!(recovery.unreadable_files, 2);
    assert_eq!(fs::read(&target).unwrap(), before, "the spool follows no symbolic link");
    assert!(directory.path().join(segment_file_name(100)).is_symlink());
}

#[test]
fn a_segment_without_permission_is_left_alone() {
    let directory = four_segments();
    let path = directory.segments()[1].clone();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&path).is_ok() {
        return; // This user may read all files.
    }
    let recovery = check(&directory, (0..5).chain(10..20));
    assert_eq!(recovery.unreadable_files, 1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(path.exists());
}

#[test]
fn a_segment_of_a_newer_version_is_left_alone() {
    let directory = four_segments();
    let path = directory.segments()[1].clone();
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    let checksum = crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let recovery = check(&directory, (0..5).chain(10..20));
    assert_eq!(recovery.unsupported_files, 1);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn segments_of_zeros_and_of_noise_are_set_aside() {
    let directory = four_segments();
    let segments = directory.segments();
    let zeros = vec![0; fs::metadata(&segments[1]).unwrap().len() as usize];
    fs::write(&segments[1], &zeros).unwrap();
    fs::write(&segments[2], "SWRHSWRTSWRHS".repeat(20_000)).unwrap();
    let recovery = check(&directory, (0..5).chain(15..20));
    assert_eq!(recovery.damaged_files, 2);
    assert_eq!(fs::read(damaged(&segments[1])).unwrap(), zeros);
    assert!(!segments[2].exists());
    assert_eq!(check(&directory, (0..5).chain(15..20).chain([99])).damaged_files, 0);
}

#[test]
fn an_empty_segment_is_removed() {
    let directory = four_segments();
    let path = directory.path().join(segment_file_name(100));
    fs::write(&path, "").unwrap();
    let recovery = check(&directory, ALL);
    assert_eq!((recovery.damaged_files, path.exists()), (0, false));
}

#[test]
fn segments_with_swapped_names_are_both_read() {
    let directory = four_segments();
    let segments = directory.segments();
    let third = directory.path().join("third");
    fs::rename(&segments[0], &third).unwrap();
    fs::rename(&segments[2], &segments[0]).unwrap();
    fs::rename(&third, &segments[2]).unwrap();
    let recovery = check(&directory, (10..15).chain(5..10).chain(0..5).chain(15..20));
    assert_eq!((recovery.spans, recovery.segments), (20, 4));
}

#[test]
fn a_copy_of_a_segment_is_delivered_once() {
    let directory = four_segments();
    let segments = directory.segments();
    // Before and behind the original by its name.
    let copies = [segment_file_name(900), segment_file_name(901)];
    for name in &copies {
        fs::copy(&segments[1], directory.path().join(name)).unwrap();
    }
    let recovery = check(&directory, ALL);
    assert_eq!((recovery.duplicate_files, recovery.spans), (2, 20));
    assert!(segments[1].exists());
    assert!(damaged(&directory.path().join(&copies[0])).exists());
}

#[test]
fn a_segment_without_its_header_is_read_by_its_records() {
    let directory = four_segments();
    let path = directory.segments()[1].clone();
    let mut bytes = fs::read(&path).unwrap();
    bytes[..64].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let recovery = check(&directory, ALL);
    assert_eq!((recovery.damaged_files, recovery.spans), (0, 20));
}

#[test]
fn the_numbers_of_segments_cannot_be_used_up() {
    let directory = four_segments();
    for number in [(1 << 63) - 1, 1 << 63, u64::MAX] {
        let header = SegmentHeader { segment: number, created_unix_nanos: 1 };
        fs::write(directory.path().join(segment_file_name(number)), header.encode()).unwrap();
    }
    check(&directory, ALL);
}

#[test]
fn a_directory_that_is_removed_at_run_time_is_made_again() {
    let directory = TempDirectory::new();
    let path = directory.path().join("spool");
    let (mut spool, _) = Spool::builder().open(&path).unwrap();
    for number in 0..2 {
        spool.append(at(0), &request(number, 1), 1).unwrap();
        spool.sync(at(0)).unwrap();
    }
    spool.append(at(0), &request(2, 1), 1).unwrap();
    fs::remove_dir_all(&path).unwrap();
    // The sync detects that the file has no name, and stores the record in a new one.
    let synced = spool.sync(at(0)).unwrap();
    assert_eq!((synced.spans, synced.is_rewritten), (1, true));
    assert_eq!(spool.read_next(at(0)).unwrap().unwrap().request, request(2, 1));
    assert_eq!((spool.take_losses().io, spool.stats().spans), (2, 1));
    drop(spool);
    let (_, recovery) =
        Spool::builder().open_in(DirectoryStorage::open(&path).unwrap(), at(1)).unwrap();
    assert_eq!(recovery.spans, 1);
}

#[test]
fn a_segment_that_is_removed_at_run_time_is_counted() {
    let directory = four_segments();
    let (mut spool, recovery) = Spool::builder().open_in(open(&directory), at(1)).unwrap();
    fs::remove_file(&directory.segments()[1]).unwrap();
    let mut read = 0;
    while let Some(stored) = spool.read_next(at(1)).unwrap() {
        read += stored.spans;
        spool.acknowledge(stored.id);
    }
    assert_eq!((read, spool.take_losses().io, recovery.spans), (15, 5, 20));
    assert_eq!(spool.stats().segments, 0);
}
