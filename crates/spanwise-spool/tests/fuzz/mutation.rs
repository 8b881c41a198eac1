//! Mutations of binary files, whose checksums are made right again: most results are read further than the first checksum.

use spanwise_spool::format::{RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, crc32c};
use spanwise_spool::index::HEAD_LEN;

use crate::requests::Random;

/// Changes some bytes: numbers, blocks and the length.
pub fn mutate(random: &mut Random, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            bytes.push(0);
        }
        let len = bytes.len() as u64;
        // Headers are at the beginning of the file and of its records, where numbers matter most.
        let at = match random.below(3) {
            0 => random.below(len.min(200)) as usize,
            _ => random.below(len) as usize,
        };
        match random.below(10) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.pick(&[0, 1, 2, 3, 0x7f, 0x80, 0xff]),
            2 | 3 => {
                let number = random.pick(&NUMBERS).to_le_bytes();
                let width = random.pick(&[2, 4, 4, 8, 8]);
                let at = at - at % width;
                let end = (at + width).min(bytes.len());
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            4 => {
                // A number that is off by a little.
                let delta = random.pick(&[1, 0xff, 16, 0xf0]);
                bytes[at] = bytes[at].wrapping_add(delta);
            }
            5 => bytes.truncate(at),
            6 => {
                let end = (at + random.below(300) as usize).min(bytes.len());
                bytes.drain(at..end);
            }
            7 => {
                let from = random.below(other.len() as u64 + 1) as usize;
                let end = (from + random.below(600) as usize).min(other.len());
                bytes.splice(at..at, other[from..end].iter().copied());
            }
            8 => {
                let from = random.below(other.len() as u64 + 1) as usize;
                let count =
                    (random.below(600) as usize).min(other.len() - from).min(bytes.len() - at);
                bytes[at..at + count].copy_from_slice(&other[from..from + count]);
            }
            _ => {
                let end = (at + random.below(500) as usize).min(bytes.len());
                bytes[at..end].fill(0);
            }
        }
    }
    bytes.truncate(64 << 10);
    bytes
}

/// Numbers that lengths, counts, offsets and times trip over.
const NUMBERS: [u64; 14] = [
    0,
    1,
    2,
    63,
    64,
    80,
    4096,
    0xffff,
    0x0400_0000,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

fn set_checksum(bytes: &mut [u8], start: usize, len: usize) {
    let Some(covered) = bytes.get(start..start + len - 4) else { return };
    let checksum = crc32c(covered).to_le_bytes();
    if let Some(field) = bytes.get_mut(start + len - 4..start + len) {
        field.copy_from_slice(&checksum);
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize)
}

/// The header of the segment, the headers and trailers of its records, and their payloads.
pub fn repair_segment(bytes: &mut [u8]) {
    set_checksum(bytes, 0, SEGMENT_HEADER_BYTES);
    for at in 0..bytes.len().saturating_sub(RECORD_HEADER_BYTES - 1) {
        let is_header = bytes[at..].starts_with(b"SWRH");
        if !is_header && !bytes[at..].starts_with(b"SWRT") {
            continue;
        }
        let payload = u32_at(bytes, at + 24).unwrap_or_default();
        let start =
            if is_header { Some(at + RECORD_HEADER_BYTES) } else { at.checked_sub(payload) };
        let checksum =
            start.and_then(|start| bytes.get(start..start.checked_add(payload)?)).map(crc32c);
        if let Some(checksum) = checksum {
            bytes[at + 36..at + 40].copy_from_slice(&checksum.to_le_bytes());
        }
        set_checksum(bytes, at, RECORD_HEADER_BYTES);
    }
}

/// The head and the tables of an index, and its pages.
pub fn repair_index(bytes: &mut [u8]) {
    if bytes.len() < HEAD_LEN {
        return;
    }
    let front = u32_at(bytes, FRONT_LEN).unwrap_or_default();
    if let Some(tables) = bytes.get(HEAD_LEN..front) {
        let checksum = crc32c(tables).to_le_bytes();
        bytes[TABLES_CHECKSUM..TABLES_CHECKSUM + 4].copy_from_slice(&checksum);
    }
    set_checksum(bytes, 0, HEAD_LEN);
    let (seed, pages) =
        (bytes[SEED..SEED + 8].to_vec(), u32_at(bytes, PAGES_OFFSET).unwrap_or_default());
    for page in bytes.get_mut(pages..).unwrap_or_default().chunks_mut(4096) {
        if let Some((checksum, content)) = page.split_first_chunk_mut::<4>() {
            *checksum = crc32c::crc32c_append(crc32c(&seed), content).to_le_bytes();
        }
    }
}

/// The entries and the header of a checkpoint.
pub fn repair_checkpoint(bytes: &mut [u8]) {
    let count = u32_at(bytes, 24).unwrap_or_default();
    let entries = count.checked_mul(32).and_then(|len| bytes.get(64..64 + len)).map(crc32c);
    if let Some(checksum) = entries {
        bytes[28..32].copy_from_slice(&checksum.to_le_bytes());
    }
    set_checksum(bytes, 0, 64);
}

/// The slots of a boot ledger.
pub fn repair_boot_ledger(bytes: &mut [u8]) {
    set_checksum(bytes, 0, 4096);
    set_checksum(bytes, 4096, 4096);
}

/// Offsets in the head of an index.
const FRONT_LEN: usize = 12;
const SEED: usize = 40;
const PAGES_OFFSET: usize = 72;
const TABLES_CHECKSUM: usize = 100;
