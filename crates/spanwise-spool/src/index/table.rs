//! The records of a segment: where they are, and the times and services of their spans.

use spanwise_wire::write::put_varint;

use super::facts::Times;
use super::numbers::{Numbers, put_signed};
use super::services::Services;

/// The bytes of a record in its segment, with its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordPlace {
    /// The number of the record in its segment, as in its header.
    pub record: u32,
    /// Offset of the first byte of its header in the segment.
    pub offset: u64,
    /// Bytes on disk, header included.
    pub len: u32,
}

/// The facts about a record in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexedRecord {
    /// Where the record is.
    pub place: RecordPlace,
    /// Number of spans.
    pub spans: u64,
    /// The earliest start of a span in nanoseconds since the Unix epoch; 0 if no span has a time.
    pub earliest_unix_nanos: u64,
    /// The latest end of a span; 0 if no span has a time.
    pub latest_unix_nanos: u64,
}

impl IndexedRecord {
    /// Whether the times of its spans and `from..=to` have a time in common, as far as the table states it.
    pub(super) fn overlaps(&self, from: u64, to: u64) -> bool {
        self.latest_unix_nanos > 0
            && self.earliest_unix_nanos <= to
            && self.latest_unix_nanos >= from
    }
}

/// The table: a record's number is its place in it.
#[derive(Debug, Default, Clone)]
pub(super) struct Table {
    rows: Vec<Row>,
    /// The services of all rows, one row after the other.
    services: Vec<u16>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    record: IndexedRecord,
    /// End of its services in `services`.
    services_end: u32,
    /// It has spans of services that the index does not name.
    has_further_services: bool,
}

impl Table {
    pub(super) fn push(
        &mut self,
        place: RecordPlace,
        times: Times,
        services: &[u16],
        has_further_services: bool,
    ) {
        let record = IndexedRecord {
            place,
            spans: times.spans,
            earliest_unix_nanos: times.earliest,
            latest_unix_nanos: times.latest,
        };
        self.services.extend_from_slice(services);
        let services_end = self.services.len() as u32;
        self.rows.push(Row { record, services_end, has_further_services });
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, number: u32) -> Option<&IndexedRecord> {
        self.rows.get(number as usize).map(|row| &row.record)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &IndexedRecord> {
        self.rows.iter().map(|row| &row.record)
    }

    /// The services of a record that the index names.
    pub(super) fn services(&self, number: u32) -> &[u16] {
        let end_of = |row: &Row| row.services_end as usize;
        let at = number as usize;
        let from = at.checked_sub(1).and_then(|before| self.rows.get(before)).map_or(0, end_of);
        let to = self.rows.get(at).map_or(from, end_of);
        self.services.get(from..to).unwrap_or_default()
    }

    /// Whether the record may have spans of the service: of number `service`, or of one without a number.
    pub(super) fn may_have(&self, number: u32, service: Option<u16>) -> bool {
        self.rows.get(number as usize).is_some_and(|row| row.has_further_services)
            || service.is_some_and(|service| self.services(number).contains(&service))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let (mut next, mut end, mut time) = (0u32, 0u64, 0u64);
        for (number, row) in self.rows.iter().enumerate() {
            let record = &row.record;
            put_signed(out, record.place.record.wrapping_sub(next) as i32 as i64);
            put_signed(out, record.place.offset.wrapping_sub(end) as i64);
            put_varint(out, record.place.len.into());
            put_varint(out, record.spans);
            put_signed(out, record.earliest_unix_nanos.wrapping_sub(time) as i64);
            let duration = record.latest_unix_nanos.wrapping_sub(record.earliest_unix_nanos);
            put_signed(out, duration as i64);
            let services = self.services(number as u32);
            put_varint(out, (services.len() as u64) << 1 | u64::from(row.has_further_services));
            services.iter().for_each(|service| put_varint(out, (*service).into()));
            next = record.place.record.wrapping_add(1);
            end = record.place.offset.wrapping_add(record.place.len.into());
            time = record.earliest_unix_nanos;
        }
    }

    /// Reads `count` rows whose services are some of `services`; `None` if the bytes are none.
    pub(super) fn read(bytes: &mut Numbers<'_>, count: u32, services: &Services) -> Option<Self> {
        let mut table = Self::default();
        let (mut next, mut end, mut time) = (0u32, 0u64, 0u64);
        for _ in 0..count {
            let record = next.wrapping_add(i32::try_from(bytes.signed()?).ok()? as u32);
            let offset = end.wrapping_add(bytes.signed()? as u64);
            let place = RecordPlace { record, offset, len: bytes.varint()?.try_into().ok()? };
            next = record.wrapping_add(1);
            end = offset.checked_add(place.len.into())?;
            let spans = bytes.varint()?;
            let earliest = time.wrapping_add(bytes.signed()? as u64);
            let latest = earliest.wrapping_add(bytes.signed()? as u64);
            time = earliest;
            let of_services = bytes.varint()?;
            let has_further_services = of_services & 1 == 1;
            for _ in 0..of_services >> 1 {
                // Each takes a byte at least, so the loop ends with the bytes.
                let service = u16::try_from(bytes.varint()?).ok()?;
                services.name(service)?;
                table.services.push(service);
            }
            table.push(place, Times { spans, earliest, latest }, &[], has_further_services);
        }
        Some(table)
    }
}
