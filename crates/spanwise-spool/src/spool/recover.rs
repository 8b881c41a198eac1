//! Opens the segments of earlier processes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use super::{Spool, cursor::Cursor, dictionary::newest_dictionary, new_compressor};
use crate::boot_ledger;
use crate::checkpoint::{CheckpointEntry, Checkpoints, FILE_NAMES};
use crate::compress::{Decompressor, SharedDictionary};
use crate::format::segment_of_file_name;
use crate::lookup::{Lookup, index_file_name, segment_of_index_name};
#[cfg(feature = "planted-bugs")]
use crate::planted::{SpoolBug, planted};
use crate::segment::{Acknowledged, Opened, Segment, open_segment};
use crate::storage::{DirectoryEntry, Storage, StorageFile as _};
use crate::time::unix_nanos;
use crate::{Losses, Recovery, SpoolError, SpoolSettings, SpoolStats};

impl<S: Storage> Spool<S> {
    pub(crate) fn recover(
        mut storage: S,
        settings: SpoolSettings,
        now: SystemTime,
    ) -> Result<(Self, Recovery), SpoolError> {
        let entries = storage
            .list()
            .map_err(|source| SpoolError::Directory { path: PathBuf::new(), source })?;
        let mut recovery = Recovery::default();
        let mut segments = BTreeMap::new();
        let mut next_segment = 0;
        let mut indexes = Vec::new();
        for entry in entries {
            let Some(number) = segment_of_file_name(&entry.name) else {
                let is_ours = FILE_NAMES.contains(&entry.name.as_str())
                    || boot_ledger::is_file_name(&entry.name);
                match segment_of_index_name(&entry.name).filter(|_| entry.is_regular_file) {
                    Some(number) => indexes.push((number, entry)),
                    None => recovery.unknown_files += u64::from(!is_ours),
                }
                continue;
            };
            next_segment = next_segment.max(number + 1);
            if let Some(segment) = open(&mut storage, &entry, &mut recovery) {
                next_segment = next_segment.max(segment.stored_number + 1);
                segments.insert(number, segment);
            }
        }
        set_copies_aside(&mut storage, &mut segments, &mut recovery);
        for (number, entry) in indexes {
            match segments.get_mut(&number) {
                Some(segment) if entry.name == index_file_name(number) => {
                    segment.index_bytes = entry.len;
                }
                // Of a segment that was removed, or not finished.
                _ => _ = storage.remove(&entry.name),
            }
        }
        make_durable(&mut storage, &segments);
        let (checkpoints, entries) = Checkpoints::open(&storage);
        recovery.has_checkpoint = entries.is_some();
        for entry in entries.into_iter().flatten() {
            next_segment = next_segment.max(entry.segment.saturating_add(1));
            restore(&mut segments, entry);
        }
        recovery.segments = segments.len() as u64;
        recovery.bytes = segments.values().map(|segment| segment.totals.end).sum();
        let spans = segments.values().map(Segment::live_spans);
        recovery.spans = spans.fold(0, u64::saturating_add);
        let mut decompressor = Decompressor::new();
        let dictionary = SharedDictionary::default();
        if let Some(found) = newest_dictionary(&storage, &segments) {
            decompressor.add(found.clone());
            let _is_empty = dictionary.set(found);
        }
        let lookup = Lookup::new(unix_nanos(now), true);
        let compressor = new_compressor(&settings, &dictionary, lookup.seed());
        let mut spool = Self {
            storage,
            settings,
            segments,
            active: None,
            next_segment,
            compressor,
            decompressor,
            dictionary,
            missing_dictionary: None,
            cursor: Cursor::start(),
            outstanding: BTreeMap::new(),
            checkpoints,
            acknowledged_since: 0,
            losses: Losses::default(),
            stats: SpoolStats::default(),
            lookup,
        };
        spool.remove_delivered();
        spool.retain(now, 0);
        Ok((spool, recovery))
    }
}

/// Opens one segment; otherwise its file is counted and set aside or left alone.
fn open<S: Storage>(
    storage: &mut S,
    entry: &DirectoryEntry,
    recovery: &mut Recovery,
) -> Option<Segment> {
    let name = entry.name.as_str();
    let opened = storage.open(name).and_then(|file| open_segment(file, name));
    match opened {
        Ok(Opened::Segment { segment, torn_bytes, torn_spans }) => {
            recovery.torn_bytes += torn_bytes;
            recovery.torn_spans += torn_spans;
            return Some(segment);
        }
        Ok(Opened::Unsupported) => recovery.unsupported_files += 1,
        Ok(Opened::Empty) => {
            let _best_effort = storage.remove(name);
        }
        Ok(Opened::Damaged) => {
            set_aside(storage, name);
            recovery.damaged_files += 1;
        }
        Err(_) => recovery.unreadable_files += 1,
    }
    None
}

/// A killed process leaves records and names in the page cache that it did not sync. They were found, and count as stored from here
/// on: a power failure must not lose them. Only the last segment and incomplete ones can have such records, and the latter were
/// synced when they were completed.
fn make_durable<S: Storage>(storage: &mut S, segments: &BTreeMap<u64, Segment>) {
    #[cfg(feature = "planted-bugs")]
    if planted(SpoolBug::RecoveryNotSynced) {
        return;
    }
    if let Some(last) = segments.values().next_back() {
        let _best_effort = storage.open(&last.file_name).and_then(|mut file| file.sync());
    }
    // Also without a segment: one whose removal was not synced would return later, between newer ones.
    let _best_effort = storage.sync_directory();
}

/// Sets copies of a segment aside: its records would be delivered twice.
fn set_copies_aside<S: Storage>(
    storage: &mut S,
    segments: &mut BTreeMap<u64, Segment>,
    recovery: &mut Recovery,
) {
    // A start can have many thousand segments: one look at each.
    let mut order: Vec<(u64, bool, u64)> = segments
        .iter()
        .map(|(&number, segment)| (segment.stored_number, number != segment.stored_number, number))
        .collect();
    // The original has the name of its number, or else the lowest one.
    order.sort_unstable();
    let mut copies = Vec::new();
    for same_number in order.chunk_by(|a, b| a.0 == b.0) {
        let mut seen = BTreeSet::new();
        for &(_, _, number) in same_number {
            let created = segments.get(&number).map_or(0, |segment| segment.created_unix_nanos);
            // Without its header, a segment may be a copy of any of the same number.
            let is_copy = match created {
                0 => !seen.is_empty(),
                created => seen.contains(&0) || seen.contains(&created),
            };
            seen.insert(created);
            if is_copy {
                copies.push(number);
            }
        }
    }
    for number in copies {
        if let Some(copy) = segments.remove(&number) {
            set_aside(storage, &copy.file_name);
            recovery.duplicate_files += 1;
        }
    }
}

fn set_aside<S: Storage>(storage: &mut S, name: &str) {
    // A rename would replace an earlier file of this name, which the operator may still need.
    let is_free = |name: &String| {
        storage.open(name).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let names = (0..MAX_ATTEMPTS).map(|number| match number {
        0 => format!("{name}.damaged"),
        number => format!("{name}.damaged.{number}"),
    });
    // Otherwise it is found and counted again at the next start.
    if let Some(free) = { names }.find(is_free) {
        let _best_effort = storage.rename(name, &free);
    }
}

/// Names that are tried for a file that is set aside.
const MAX_ATTEMPTS: u32 = 100;

/// Restores the acknowledged records of one segment.
fn restore(segments: &mut BTreeMap<u64, Segment>, entry: CheckpointEntry) {
    let found = segments.values_mut().find(|segment| {
        segment.stored_number == entry.segment
            && segment.created_unix_nanos == entry.created_unix_nanos
    });
    if let Some(segment) = found {
        let spans = entry.spans.min(segment.totals.spans);
        segment.acknowledged = Acknowledged::restore(entry.first_open, spans);
    }
}
