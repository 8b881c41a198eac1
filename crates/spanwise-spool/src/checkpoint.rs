//! The acknowledged records on disk, in two files that are written in turn.

use std::io;

use crate::format::{FORMAT_VERSION, crc32c, get_u16, get_u32, get_u64, put};
#[cfg(feature = "planted-bugs")]
use crate::planted::{SpoolBug, planted};
use crate::segment::Segment;
use crate::storage::{Storage, StorageFile};

/// The acknowledged records of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckpointEntry {
    pub(crate) segment: u64,
    pub(crate) created_unix_nanos: u64,
    pub(crate) first_open: u32,
    pub(crate) spans: u64,
}

/// The writer of the two files.
pub(crate) struct Checkpoints<F> {
    next: u64,
    /// Open ones; a file whose sync failed is replaced by a new one.
    files: [Option<F>; 2],
}

impl<F: StorageFile> Checkpoints<F> {
    /// Reads the newest valid checkpoint.
    pub(crate) fn open<S: Storage<File = F>>(storage: &S) -> (Self, Option<Vec<CheckpointEntry>>) {
        let read = |name| storage.open(name).and_then(|file| read(&file)).ok().flatten();
        let newest =
            FILE_NAMES.iter().filter_map(|name| read(name)).max_by_key(|&(number, _)| number);
        let next = newest.as_ref().map_or(0, |&(number, _)| number.wrapping_add(1));
        (Self { next, files: [None, None] }, newest.map(|(_, entries)| entries))
    }

    /// Writes the acknowledged records of all segments, and syncs them.
    pub(crate) fn write<'a, S: Storage<File = F>>(
        &mut self,
        storage: &mut S,
        segments: impl Iterator<Item = &'a Segment>,
    ) -> io::Result<()> {
        let bytes = encode(self.next, segments);
        let slot = usize::from(self.next % 2 == 1);
        self.next = self.next.wrapping_add(1);
        let mut file = match self.files[slot].take() {
            Some(file) => file,
            None => create(storage, FILE_NAMES[slot])?,
        };
        file.write_at(&bytes, 0)?;
        #[cfg(feature = "planted-bugs")]
        if planted(SpoolBug::CheckpointNotSynced) {
            self.files[slot] = Some(file);
            return Ok(());
        }
        file.sync()?;
        self.files[slot] = Some(file);
        Ok(())
    }
}

/// Creates a file of the name, and replaces one of an earlier process or whose sync failed.
fn create<S: Storage>(storage: &mut S, name: &str) -> io::Result<S::File> {
    match storage.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = storage.create(name)?;
    storage.sync_directory()?;
    Ok(file)
}

fn encode<'a>(number: u64, segments: impl Iterator<Item = &'a Segment>) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    let mut count = 0_u32;
    for segment in segments.filter(|segment| segment.acknowledged.first_open() > 0) {
        let acknowledged = &segment.acknowledged;
        bytes.extend_from_slice(&segment.stored_number.to_le_bytes());
        bytes.extend_from_slice(&segment.created_unix_nanos.to_le_bytes());
        bytes.extend_from_slice(&u64::from(acknowledged.first_open()).to_le_bytes());
        bytes.extend_from_slice(&acknowledged.spans_before().to_le_bytes());
        count += 1;
    }
    put(&mut bytes, 0, MAGIC);
    put(&mut bytes, 8, &FORMAT_VERSION.to_le_bytes());
    put(&mut bytes, 16, &number.to_le_bytes());
    put(&mut bytes, 24, &count.to_le_bytes());
    let checksum = crc32c(&bytes[HEADER_BYTES..]);
    put(&mut bytes, 28, &checksum.to_le_bytes());
    let checksum = crc32c(&bytes[..CHECKSUM]);
    put(&mut bytes, CHECKSUM, &checksum.to_le_bytes());
    bytes
}

/// The number and the entries of a checkpoint; `None` if it is not valid.
fn read<F: StorageFile>(file: &F) -> io::Result<Option<(u64, Vec<CheckpointEntry>)>> {
    let mut header = [0; HEADER_BYTES];
    let read = file.read_at(&mut header, 0)?;
    let is_valid = read == header.len()
        && header.starts_with(MAGIC)
        && get_u32(&header, CHECKSUM) == crc32c(&header[..CHECKSUM])
        && get_u16(&header, 8) == FORMAT_VERSION;
    let len = u64::from(get_u32(&header, 24)) * ENTRY_BYTES as u64;
    if !is_valid || HEADER_BYTES as u64 + len > file.len()? {
        return Ok(None);
    }
    let mut entries = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    let read = file.read_at(&mut entries, HEADER_BYTES as u64)?;
    if read != entries.len() || crc32c(&entries) != get_u32(&header, 28) {
        return Ok(None);
    }
    let entries = entries.chunks_exact(ENTRY_BYTES).map(|entry| CheckpointEntry {
        segment: get_u64(entry, 0),
        created_unix_nanos: get_u64(entry, 8),
        first_open: get_u32(entry, 16),
        spans: get_u64(entry, 24),
    });
    Ok(Some((get_u64(&header, 16), entries.collect())))
}

pub(crate) const FILE_NAMES: [&str; 2] = ["checkpoint-0", "checkpoint-1"];
const MAGIC: &[u8] = b"SPWCHECK";
const HEADER_BYTES: usize = 64;
const ENTRY_BYTES: usize = 32;
const CHECKSUM: usize = 60;
