//! D5 and D6: changed bytes and truncations.

use spanwise_spool::format::{RECORD_HEADER_BYTES, RecordHeader, RecordKind, RecordPart};
use spanwise_spool::storage::model::ModelStorage;

use crate::requests::{Request, request_of, start};
use crate::{builder, deliver, open, spans, store};

/// A complete segment of about 64 KiB with its requests and the headers of its records, the last of which ends it.
struct Segment {
    bytes: Vec<u8>,
    name: String,
    requests: Vec<Request>,
    headers: Vec<RecordHeader>,
}

fn segment() -> Segment {
    let storage = ModelStorage::new(0);
    let (mut spool, _) = open(&storage);
    let requests: Vec<_> =
        (0..16).map(|number| request_of(number, 1 + number % 5, 4_000)).collect();
    store(&mut spool, &requests);
    // The records fill the segment: the next sync completes it.
    drop(spool);
    drop(open(&storage));
    let name = storage.names().into_iter().find(|name| name.ends_with(".segment")).unwrap();
    let bytes = storage.content(&name).unwrap();
    let mut headers = Vec::new();
    let mut at = spanwise_spool::format::SEGMENT_HEADER_BYTES;
    while at < bytes.len() {
        let header = RecordHeader::decode(&bytes[at..], RecordPart::Header).unwrap();
        at = usize::try_from(header.end()).unwrap();
        headers.push(header);
    }
    assert_eq!(headers.last().unwrap().kind, RecordKind::End);
    assert!((60_000..72_000).contains(&bytes.len()), "{}", bytes.len());
    Segment { bytes, name, requests, headers }
}

impl Segment {
    /// A storage that has these bytes as its only file.
    fn storage(&self, bytes: &[u8]) -> ModelStorage {
        let storage = ModelStorage::new(0);
        storage.put(&self.name, bytes);
        storage
    }

    /// Changes one byte and compares the delivered records with the place of the byte.
    fn check_change(&self, at: usize, mask: u8) {
        let mut bytes = self.bytes.clone();
        bytes[at] ^= mask;
        let (mut spool, recovery) = builder().open_in(self.storage(&bytes), start()).unwrap();
        let (delivered, losses) = deliver(&mut spool);
        let hit = self.headers.iter().find(|header| {
            let payload =
                header.payload_offset()..header.payload_offset() + u64::from(header.payload_bytes);
            payload.contains(&(at as u64)) && header.kind == RecordKind::Spans
        });
        // The header of the segment is repeated by its records, and the header of a record by its trailer.
        let expected = hit.map_or(0, |header| u64::from(header.spans));
        assert_eq!(losses.io, expected, "byte {at} ^ {mask:#x}: {losses:?} {recovery:?}");
        let lost = spans(&self.requests) - expected;
        let found: u64 = delivered.keys().map(|number| self.requests[*number as usize].spans).sum();
        assert_eq!(found, lost, "byte {at} ^ {mask:#x}: {delivered:?}");
        assert_eq!(
            delivered.len(),
            self.requests.len() - usize::from(hit.is_some()),
            "byte {at} ^ {mask:#x}"
        );
        assert_eq!(
            (recovery.spans, recovery.torn_spans),
            (spans(&self.requests), 0),
            "byte {at} ^ {mask:#x}"
        );
    }

    /// Cuts the segment and compares the delivered records with the length.
    fn check_truncation(&self, len: usize) {
        let storage = self.storage(&self.bytes[..len]);
        let (mut spool, recovery) = builder().open_in(storage.clone(), start()).unwrap();
        let (delivered, losses) = deliver(&mut spool);
        let whole = self.headers.iter().filter(|header| header.kind == RecordKind::Spans);
        let whole: Vec<_> = whole.take_while(|header| header.end() <= len as u64).collect();
        let expected: u64 = whole.iter().map(|header| u64::from(header.spans)).sum();
        assert_eq!(
            (delivered.len(), losses.total()),
            (whole.len(), 0),
            "cut to {len}: {recovery:?}"
        );
        assert_eq!(recovery.spans, expected, "cut to {len}");
        // The record that the cut tears is counted, if its header is whole.
        let torn = self.headers.get(whole.len()).filter(|header| header.kind == RecordKind::Spans);
        let torn = torn
            .filter(|header| u64::from(header.offset) + RECORD_HEADER_BYTES as u64 <= len as u64);
        assert_eq!(
            recovery.torn_spans,
            torn.map_or(0, |header| u64::from(header.spans)),
            "cut to {len}"
        );
        drop(spool);
        // The next start finds a segment that is whole.
        let (_, again) = open(&storage);
        assert_eq!(
            (again.spans, again.torn_bytes, again.torn_spans),
            (expected, 0, 0),
            "cut to {len}"
        );
    }
}

#[test]
fn d5_a_gap_over_acknowledged_records_loses_the_spans_of_the_others() {
    let segment = segment();
    for (first, last) in [(1, 6), (0, 15), (4, 15), (3, 4)] {
        let storage = segment.storage(&segment.bytes);
        let (mut spool, _) = open(&storage);
        for number in 0..8 {
            let stored = spool.read_next(start()).unwrap().unwrap();
            // The checkpoint has the records 0 to 4.
            if number != 5 {
                spool.acknowledge(stored.id);
            }
        }
        spool.checkpoint();
        drop(spool);
        let (from, to) =
            (segment.headers[first].offset as usize, segment.headers[last].end() as usize);
        storage.corrupt(&segment.name, |bytes| bytes[from..to].fill(0)).unwrap();
        let (mut spool, recovery) = builder().open_in(storage, start()).unwrap();
        let (delivered, losses) = deliver(&mut spool);
        let is_gap = |number: usize| (first..=last).contains(&number);
        let spans = |is_lost: bool| -> u64 {
            (5..16)
                .filter(|number| is_gap(*number) == is_lost)
                .map(|number| segment.requests[number].spans)
                .sum()
        };
        let found: u64 =
            delivered.keys().map(|number| segment.requests[*number as usize].spans).sum();
        assert_eq!(
            (found, losses.io),
            (spans(false), spans(true)),
            "{first} to {last}: {recovery:?}"
        );
        assert_eq!(recovery.spans, found + losses.io, "{first} to {last}");
    }
}

#[test]
fn d5_a_number_that_the_segment_has_no_space_for_is_damage_although_its_checksum_is_right() {
    let segment = segment();
    for at in [8, segment.headers.len() - 1] {
        let mut bytes = segment.bytes.clone();
        for part in [RecordPart::Header, RecordPart::Trailer] {
            let header = RecordHeader { record: u32::MAX - 1, ..segment.headers[at] };
            let start = match part {
                RecordPart::Header => u64::from(header.offset),
                RecordPart::Trailer => header.trailer_offset(),
            } as usize;
            bytes[start..start + RECORD_HEADER_BYTES].copy_from_slice(&header.encode(part));
        }
        let (mut spool, recovery) = builder().open_in(segment.storage(&bytes), start()).unwrap();
        let (delivered, losses) = deliver(&mut spool);
        let lost = u64::from(segment.headers[at].spans);
        assert_eq!(
            (losses.io, delivered.len()),
            (lost, 16 - usize::from(lost > 0)),
            "{recovery:?}"
        );
    }
}

const MASKS: [u8; 3] = [0x01, 0x80, 0xff];

#[test]
fn d5_a_changed_byte_loses_the_spans_of_its_record_only() {
    let segment = segment();
    for at in (0..segment.bytes.len()).step_by(149) {
        segment.check_change(at, MASKS[at % 3]);
    }
    // Each byte of a record's header and trailer, and of the segment's header.
    let header = &segment.headers[3];
    let (start, trailer) = (header.offset as usize, header.trailer_offset() as usize);
    for at in (0..64)
        .chain(start..start + RECORD_HEADER_BYTES)
        .chain(trailer..trailer + RECORD_HEADER_BYTES)
    {
        segment.check_change(at, 0xff);
    }
}

#[test]
#[ignore = "minutes; `cargo xtask spool-crash --damage` runs it"]
fn d5_each_byte_of_a_segment_changed_in_three_ways() {
    let segment = segment();
    for at in 0..segment.bytes.len() {
        for mask in MASKS {
            segment.check_change(at, mask);
        }
    }
}

#[test]
fn d6_a_truncated_segment_has_the_records_before_the_cut() {
    let segment = segment();
    for len in (0..segment.bytes.len()).step_by(151).chain(0..200).chain([segment.bytes.len()]) {
        segment.check_truncation(len);
    }
    for header in &segment.headers {
        let end = header.end() as usize;
        for len in [end - 1, end, (end + 1).min(segment.bytes.len())] {
            segment.check_truncation(len);
        }
    }
}

#[test]
#[ignore = "minutes; `cargo xtask spool-crash --damage` runs it"]
fn d6_each_length_of_a_segment() {
    let segment = segment();
    for len in 0..=segment.bytes.len() {
        segment.check_truncation(len);
    }
}
