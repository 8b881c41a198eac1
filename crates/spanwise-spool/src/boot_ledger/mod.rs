//! The boot ledger: a file with the span counts of the running process, from which the next start reports what a crash lost.
//!
//! A span in memory leaves no trace when the process is killed. So the process writes its counts to a file of two slots once
//! in each interval, in turn, without `fsync` and from the spool's thread; the next start reads the later valid slot. A plain
//! write suffices for a killed process, whose page cache the kernel owns; after a power failure the slot may be older, and the
//! report states that its age is unknown. A shutdown writes a slot with a mark, and syncs it.

mod counts;
mod previous_run;
mod slot;

use std::io;
use std::time::SystemTime;

use crate::storage::{Storage, StorageFile};
use slot::{Invalid, SLOT_BYTES, Slot};

pub use counts::{Precision, SpanCounts};
pub use previous_run::{Crash, CrashLoss, PreviousRun};

/// The name of the boot ledger's file in the directory of the spool.
pub const FILE_NAME: &str = "boot-ledger";
/// The name under which a boot ledger of a later version is set aside.
const SET_ASIDE_NAME: &str = "boot-ledger.unreadable";

/// Far beyond what one write in each nanosecond reaches.
const MAX_SEQUENCE: u64 = 1 << 63;

/// Whether an entry of the directory is a boot ledger.
pub(crate) fn is_file_name(name: &str) -> bool {
    name == FILE_NAME || name == SET_ASIDE_NAME
}

/// The boot ledger of the running process.
///
/// ```
/// use spanwise_spool::boot_ledger::{BootIdentity, BootLedger, Precision, PreviousRun, SpanCounts};
/// use spanwise_spool::storage::DirectoryStorage;
/// use std::time::{Duration, SystemTime};
///
/// # let path = std::env::temp_dir().join(format!("spanwise-boot-ledger-{}", std::process::id()));
/// let mut storage = DirectoryStorage::open(&path)?;
/// let precision = Precision::Interval(Duration::from_secs(1));
/// let (mut ledger, previous) = BootLedger::open(&mut storage, BootIdentity::current(), precision)?;
/// assert_eq!(previous, PreviousRun::None);
/// // Once a second:
/// let counts = SpanCounts { created: 10, exported: 7, ..SpanCounts::default() };
/// ledger.write(SystemTime::now(), &counts)?;
/// // The process is killed. The next start:
/// let (_, previous) = BootLedger::open(&mut storage, BootIdentity::current(), precision)?;
/// assert_eq!(previous.loss(0).spans, 3);
/// # std::fs::remove_dir_all(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BootLedger<F> {
    file: F,
    /// The sequence number of the next slot.
    sequence: u64,
    run: u64,
    identity: BootIdentity,
    precision: Precision,
    max_in_memory: Option<u64>,
}

/// Identifies the start of the operating system: while it is the same, no write of a process is missing in the page cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootIdentity([u8; 16]);

impl BootIdentity {
    /// The identity of this start of Linux (`/proc/sys/kernel/random/boot_id`); on other systems unknown.
    #[must_use]
    pub fn current() -> Self {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_or(Self::default(), |text| Self::parse(&text))
    }

    /// An identity from other bytes; all zeros if it is unknown.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    fn parse(text: &str) -> Self {
        let mut digits = text.chars().filter_map(|digit| digit.to_digit(16));
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            let (Some(high), Some(low)) = (digits.next(), digits.next()) else {
                return Self::default();
            };
            *byte = (high << 4 | low) as u8;
        }
        Self(bytes)
    }
}

impl<F: StorageFile> BootLedger<F> {
    /// Opens or creates the file, and reads how the run before ended. The first slot of this run follows with the first
    /// [`write`](Self::write), which the caller makes before the first span.
    ///
    /// # Errors
    /// The file cannot be created or read: the spool works without a boot ledger. Damaged slots are no error.
    pub fn open<S: Storage<File = F>>(
        storage: &mut S,
        identity: BootIdentity,
        precision: Precision,
    ) -> io::Result<(Self, PreviousRun)> {
        let (mut file, mut slots) = match storage.open(FILE_NAME) {
            Ok(file) => {
                let slots = [read_slot(&file, 0)?, read_slot(&file, 1)?];
                (file, slots)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (create(storage)?, [Err(Invalid::Empty), Err(Invalid::Empty)])
            }
            Err(error) => return Err(error),
        };
        let previous = PreviousRun::of(slots, identity.0);
        if let PreviousRun::Unreadable { version: Some(_) } = previous {
            // The counts in it may be of use to the version that wrote them.
            storage.rename(FILE_NAME, SET_ASIDE_NAME)?;
            file = create(storage)?;
            slots = [Err(Invalid::Empty), Err(Invalid::Empty)];
        }
        if slots.iter().flatten().any(|slot| slot.sequence >= MAX_SEQUENCE) {
            // Not written by this code: the sequence must not wrap.
            file.set_len(0)?;
            slots = [Err(Invalid::Empty), Err(Invalid::Empty)];
        }
        let last = |number: fn(&Slot) -> u64| slots.iter().flatten().map(number).max();
        let sequence = last(|slot| slot.sequence).map_or(0, |last| last.wrapping_add(1));
        let run = last(|slot| slot.run).map_or(0, |last| last.wrapping_add(1));
        // After a damaged slot, the next write must not replace the valid one.
        let sequence = match slots {
            [Ok(_), Err(_)] => sequence | 1,
            [Err(_), Ok(_)] => sequence.next_multiple_of(2),
            _ => sequence,
        };
        Ok((Self { file, sequence, run, identity, precision, max_in_memory: None }, previous))
    }

    /// States the most spans that the process can have in memory, those that have not ended included: the bound of the loss
    /// that the next start reports.
    #[must_use]
    pub fn with_max_in_memory(mut self, spans: u64) -> Self {
        self.max_in_memory = Some(spans);
        self
    }

    /// The number of this run of the directory's processes, from 0.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// Whether the file was removed, alone or with its directory: the next start finds no slot of it. [`open`](Self::open) makes another
    /// one.
    ///
    /// # Errors
    /// The error of the system.
    pub fn is_removed(&self) -> io::Result<bool> {
        self.file.is_removed()
    }

    /// Writes a slot.
    ///
    /// # Errors
    /// The error of the system. The slot before is intact then, and the next call writes the same slot again.
    ///
    /// # Cost
    /// One write of 4 KiB to the page cache. For a thread that may block.
    pub fn write(&mut self, now: SystemTime, counts: &SpanCounts) -> io::Result<()> {
        self.write_slot(now, counts, false)
    }

    /// Writes the slot of a shutdown, and syncs it: the next start reports no loss.
    ///
    /// # Errors
    /// The error of the system: the next start reports the spans in memory as lost.
    pub fn close(mut self, now: SystemTime, counts: &SpanCounts) -> io::Result<()> {
        self.write_slot(now, counts, true)?;
        self.file.sync()
    }

    fn write_slot(
        &mut self,
        now: SystemTime,
        counts: &SpanCounts,
        is_clean: bool,
    ) -> io::Result<()> {
        let slot = Slot {
            sequence: self.sequence,
            run: self.run,
            system_boot: self.identity.0,
            is_clean,
            precision: self.precision,
            written_at: now,
            counts: *counts,
            max_in_memory: self.max_in_memory,
        };
        self.file.write_at(&slot.encode()[..], (self.sequence % 2) * SLOT_BYTES as u64)?;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }
}

/// Moves spans of the run before from `spooled` to `exported`: another program delivered them, with the lock of the directory. The next
/// start would otherwise miss them.
///
/// # Errors
/// The error of the system. Without a boot ledger there is nothing to do.
pub(crate) fn delivered<S: Storage>(storage: &mut S, spans: u64) -> io::Result<()> {
    let mut file = match storage.open(FILE_NAME) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let slots = [read_slot(&file, 0)?, read_slot(&file, 1)?];
    // A slot that this code does not read stays: what it has is unknown, and the report of the next start states so.
    let is_known = slots.iter().all(|slot| matches!(slot, Ok(_) | Err(Invalid::Empty)));
    let last = slots.into_iter().flatten().max_by_key(|slot| slot.sequence);
    let Some(mut slot) = last.filter(|_| is_known) else { return Ok(()) };
    slot.counts.spooled = slot.counts.spooled.saturating_sub(spans);
    slot.counts.exported = slot.counts.exported.saturating_add(spans);
    slot.sequence = slot.sequence.saturating_add(1);
    file.write_at(&slot.encode()[..], (slot.sequence % 2) * SLOT_BYTES as u64)?;
    file.sync()
}

fn create<S: Storage>(storage: &mut S) -> io::Result<S::File> {
    let file = storage.create(FILE_NAME)?;
    // The name survives a power failure from here on; without it, the next start reports no crash at all.
    storage.sync_directory()?;
    Ok(file)
}

fn read_slot<F: StorageFile>(file: &F, at: u64) -> io::Result<Result<Slot, Invalid>> {
    let mut bytes = [0; SLOT_BYTES];
    let (mut filled, start) = (0, at * SLOT_BYTES as u64);
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, start + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(Slot::decode(bytes.get(..filled).unwrap_or_default()))
}

#[cfg(test)]
mod tests;
