//! The bytes of a slot of the boot ledger. docs/spool.md has the table of the fields.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Precision, SpanCounts};

/// The bytes of a slot: a page, so that no write of one slot touches the other.
pub(super) const SLOT_BYTES: usize = 4096;
/// The version of the format that this code writes, and the only one that it reads.
pub(super) const VERSION: u16 = 1;

const MAGIC: [u8; 8] = *b"SPWBOOT\0";
const CHECKSUM_AT: usize = SLOT_BYTES - 4;
const CLEAN: u16 = 1;
const ON_CHANGE: u16 = 2;

/// The state that a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Grows by 1 with each write, over all runs: the greater one of two slots is the later one.
    pub(super) sequence: u64,
    pub(super) run: u64,
    /// Identifies the start of the system, not of the process; all zeros if it is unknown.
    pub(super) system_boot: [u8; 16],
    pub(super) is_clean: bool,
    pub(super) precision: Precision,
    pub(super) written_at: SystemTime,
    pub(super) counts: SpanCounts,
    pub(super) max_in_memory: Option<u64>,
}

/// Why the bytes are no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    /// All zeros: it was never written.
    Empty,
    /// The magic number or the checksum is wrong: a torn write, or another file.
    Damaged,
    /// A valid slot of a version that this code does not read.
    Version(u16),
}

impl Slot {
    pub(super) fn encode(&self) -> Box<[u8; SLOT_BYTES]> {
        let mut bytes = Box::new([0; SLOT_BYTES]);
        let (interval, on_change) = match self.precision {
            Precision::OnChange => (0, ON_CHANGE),
            Precision::Interval(interval) => (nanos(interval), 0),
        };
        let flags = on_change | if self.is_clean { CLEAN } else { 0 };
        let SpanCounts { created, recovered, sampled_out, exported, dropped, spooled } =
            self.counts;
        let written_at = self.written_at.duration_since(UNIX_EPOCH).map_or(0, nanos);
        let max_in_memory = self.max_in_memory.unwrap_or(u64::MAX);
        let mut writer = Writer { bytes: &mut bytes[..], at: 0 };
        writer.put(&MAGIC);
        writer.put(&VERSION.to_le_bytes());
        writer.put(&flags.to_le_bytes());
        writer.put(&[0; 4]);
        writer.put(&self.system_boot);
        for number in [
            self.sequence,
            self.run,
            written_at,
            interval,
            created,
            recovered,
            sampled_out,
            exported,
            dropped,
            spooled,
            max_in_memory,
        ] {
            writer.put(&number.to_le_bytes());
        }
        writer.at = CHECKSUM_AT;
        let checksum = crc32c::crc32c(&writer.bytes[..CHECKSUM_AT]);
        writer.put(&checksum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        let Some((content, checksum)) = bytes.split_at_checked(CHECKSUM_AT) else {
            return Err(if bytes.iter().all(|byte| *byte == 0) {
                Invalid::Empty
            } else {
                Invalid::Damaged
            });
        };
        let mut reader = Reader(content);
        let magic: [u8; 8] = reader.take();
        if magic != MAGIC {
            let is_empty = bytes.iter().all(|byte| *byte == 0);
            return Err(if is_empty { Invalid::Empty } else { Invalid::Damaged });
        }
        // Each version has the checksum at this place: a torn slot of another version is damaged, too.
        if checksum.get(..4) != Some(&crc32c::crc32c(content).to_le_bytes()) {
            return Err(Invalid::Damaged);
        }
        let version = u16::from_le_bytes(reader.take());
        if version != VERSION {
            return Err(Invalid::Version(version));
        }
        let flags = u16::from_le_bytes(reader.take());
        let _reserved: [u8; 4] = reader.take();
        let system_boot = reader.take();
        let [sequence, run, written_at, interval] = [(); 4].map(|()| reader.number());
        let [created, recovered, sampled_out, exported, dropped, spooled] =
            [(); 6].map(|()| reader.number());
        let max_in_memory = Some(reader.number()).filter(|max| *max != u64::MAX);
        let precision = match flags & ON_CHANGE {
            0 => Precision::Interval(Duration::from_nanos(interval)),
            _ => Precision::OnChange,
        };
        Ok(Self {
            sequence,
            run,
            system_boot,
            is_clean: flags & CLEAN != 0,
            precision,
            written_at: UNIX_EPOCH
                .checked_add(Duration::from_nanos(written_at))
                .unwrap_or(UNIX_EPOCH),
            counts: SpanCounts { created, recovered, sampled_out, exported, dropped, spooled },
            max_in_memory,
        })
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

struct Writer<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        if let Some(target) = self.bytes.get_mut(self.at..end) {
            target.copy_from_slice(bytes);
        }
        self.at = end;
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// The next `N` bytes; zeros behind the end, which the length of a slot excludes.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk() {
            Some((bytes, rest)) => {
                self.0 = rest;
                *bytes
            }
            None => [0; N],
        }
    }

    fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}
