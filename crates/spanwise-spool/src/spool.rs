//! The spool.

use std::collections::BTreeMap;
use std::io;
use std::time::SystemTime;

use crate::checkpoint::Checkpoints;
use crate::compress::{Decompressor, RequestCompressor, SharedDictionary, Trainer};
use crate::format::{SegmentHeader, segment_file_name};
use crate::index::IndexBuilder;
use crate::lookup::Lookup;
use crate::segment::{Acknowledged, Pending, Segment, SegmentWriter};
use crate::storage::Storage;
use crate::time::{unix_nanos, unix_seconds};
use crate::{Losses, RecordId, SpoolBuilder, SpoolSettings, SpoolStats};

mod append;
mod cursor;
mod dictionary;
mod find;
mod read;
mod recover;
mod retention;

pub use append::Synced;
pub use read::StoredRequest;

/// A queue of encoded trace requests in the files of one directory.
///
/// All methods may block on the disk: use it on a thread of its own.
pub struct Spool<S: Storage> {
    storage: S,
    settings: SpoolSettings,
    /// By the number in the name of the file.
    segments: BTreeMap<u64, Segment>,
    active: Option<Active<S::File>>,
    /// The number of the next segment.
    next_segment: u64,
    compressor: RequestCompressor,
    decompressor: Decompressor,
    dictionary: SharedDictionary,
    /// A dictionary that no segment has any more.
    missing_dictionary: Option<u32>,
    cursor: cursor::Cursor<S::File>,
    /// Records that were read and are not acknowledged.
    outstanding: BTreeMap<RecordId, u64>,
    checkpoints: Checkpoints<S::File>,
    /// Acknowledged records since the last checkpoint.
    acknowledged_since: u32,
    losses: Losses,
    stats: SpoolStats,
    lookup: Lookup<S::File>,
}

/// The segment that records are appended to.
struct Active<F> {
    number: u64,
    writer: SegmentWriter<F>,
    /// The records behind the last sync: a sync that fails leaves their copies on disk in an unknown state.
    unsynced: Vec<Pending>,
    unsynced_raw_bytes: u64,
    /// Of all its records, unsynced ones included.
    index: IndexBuilder,
    /// The identifiers of the dictionaries in the segment.
    dictionaries: Vec<u32>,
    /// Whether the directory was synced after the file was created.
    has_entry: bool,
}

impl Spool<crate::storage::DirectoryStorage> {
    /// Settings of a new spool, at their defaults.
    pub fn builder() -> SpoolBuilder {
        SpoolBuilder::default()
    }
}

impl<S: Storage> Spool<S> {
    /// Lost spans since the last call, each reported once.
    pub fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }

    /// The state and the counts.
    pub fn stats(&self) -> SpoolStats {
        let mut stats = self.stats;
        stats.segments = self.segments.len() as u64;
        stats.bytes = self.disk_bytes();
        let spans = self.segments.values().map(Segment::live_spans);
        stats.spans = spans.fold(0, u64::saturating_add);
        if let Some(active) = &self.active {
            stats.unsynced_records = active.unsynced.len() as u64;
            stats.unsynced_spans = active.unsynced_spans();
        }
        stats
    }

    /// A compressor for another thread, for [`append_compressed`](Self::append_compressed).
    pub fn compressor(&self) -> RequestCompressor {
        new_compressor(&self.settings, &self.dictionary, self.lookup.seed())
    }

    /// The files, for those of the thread's client.
    pub(crate) fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    /// The settings.
    pub fn settings(&self) -> &SpoolSettings {
        &self.settings
    }

    /// Bytes of all segments and their indexes, unsynced records included.
    fn disk_bytes(&self) -> u64 {
        let unsynced = |active: &Active<S::File>| {
            let stored = self.segments.get(&active.number).map_or(0, |segment| segment.totals.end);
            active.writer.written().end.saturating_sub(stored)
        };
        let stored = self.segments.values().map(Segment::disk_bytes).fold(0, u64::saturating_add);
        stored + self.active.as_ref().map_or(0, unsynced)
    }

    /// Creates the next segment if none is open.
    fn open_active(&mut self, now: SystemTime) -> io::Result<&mut Active<S::File>> {
        let active = match self.active.take() {
            Some(active) => active,
            None => self.create_active(now)?,
        };
        Ok(self.active.insert(active))
    }

    fn create_active(&mut self, now: SystemTime) -> io::Result<Active<S::File>> {
        let mut attempts = 0;
        let (number, file) = loop {
            let number = self.next_segment;
            self.next_segment += 1;
            match self.storage.create(&segment_file_name(number)) {
                Ok(file) => break (number, file),
                // A file that appeared after the start.
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && attempts < MAX_ATTEMPTS =>
                {
                    attempts += 1;
                }
                Err(error) => return Err(error),
            }
        };
        let header = SegmentHeader { segment: number, created_unix_nanos: unix_nanos(now) };
        let writer = match SegmentWriter::create(file, header) {
            Ok(writer) => writer,
            Err(error) => {
                let _best_effort = self.storage.remove(&segment_file_name(number));
                return Err(error);
            }
        };
        let segment = Segment {
            file_name: segment_file_name(number),
            stored_number: number,
            created_unix_nanos: header.created_unix_nanos,
            totals: writer.written(),
            acknowledged: Acknowledged::default(),
            appended_unix_seconds: unix_seconds(now),
            is_complete: false,
            has_end: false,
            index_bytes: 0,
        };
        self.segments.insert(number, segment);
        Ok(Active {
            number,
            writer,
            unsynced: Vec::new(),
            unsynced_raw_bytes: 0,
            index: IndexBuilder::new(self.lookup.seed()),
            dictionaries: Vec::new(),
            has_entry: false,
        })
    }
}

impl<F> Active<F> {
    fn unsynced_spans(&self) -> u64 {
        self.unsynced.iter().map(|pending| u64::from(pending.header.spans)).sum()
    }
}

fn new_compressor(
    settings: &SpoolSettings,
    dictionary: &SharedDictionary,
    seed: u64,
) -> RequestCompressor {
    // Each segment has two copies.
    let share = settings.effective_segment_bytes() / DICTIONARY_SHARE;
    let bytes = usize::try_from(share).unwrap_or(usize::MAX).min(MAX_DICTIONARY_BYTES);
    let trainer = Trainer::new(bytes);
    RequestCompressor::new(settings.compression_level, dictionary.clone(), trainer, seed)
}

/// The part of a segment that a dictionary may take.
const DICTIONARY_SHARE: u64 = 512;
const MAX_DICTIONARY_BYTES: usize = 32 << 10;
/// Names that are tried for a new segment.
const MAX_ATTEMPTS: u32 = 16;
