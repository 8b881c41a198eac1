//! `spanwise spool stats`.

use super::failed::failed;
use super::{times, words};
use crate::command::{Arguments, Command, FileArgument, Output};
use serde_json::json;
use spanwise_spool::{IndexState, SegmentState, SegmentSummary, SpoolReader};
use std::collections::BTreeSet;

pub const COMMAND: Command = Command {
    name: "spool stats",
    usage: "DIRECTORY [--json]",
    summary: "The sums of a spool: segments, spans, bytes, compression, index",
    help: "Prints the number of segments and records, the spans with those that are acknowledged and those whose records are not \
           found, the bytes on disk and before compression, the bytes of the indexes, the times of the spans and the services of \
           the indexes. Reads the headers of all records, and no payload: `spool verify` reads all. Needs no lock.\n\n\
           The exit status is 0 if the directory can be read. --json prints one object.",
    file: FileArgument::Spool,
    run,
};

fn run(arguments: &Arguments) -> Output {
    let reader = match SpoolReader::open(&arguments.spool.directory) {
        Ok(reader) => reader,
        Err(error) => return failed(&error.to_string(), arguments.json),
    };
    let sums = Sums::of(reader.segments());
    let text = if arguments.json { sums.json() } else { sums.text() };
    Output { text, is_well: true }
}

#[derive(Default)]
struct Sums {
    segments: u64,
    complete: u64,
    records: u64,
    spans: u64,
    acknowledged: u64,
    /// Spans of records that are not found.
    missing: u64,
    bytes: u64,
    raw_bytes: u64,
    indexes: u64,
    index_bytes: u64,
    earliest: u64,
    latest: u64,
    services: BTreeSet<String>,
}

impl Sums {
    fn of(segments: &[SegmentSummary]) -> Self {
        let mut sums = Self::default();
        for segment in segments {
            sums.segments += 1;
            sums.complete += u64::from(segment.state == SegmentState::Complete);
            sums.records += segment.records;
            sums.spans += segment.spans;
            sums.acknowledged += segment.acknowledged_spans;
            sums.missing += segment.stored_spans.saturating_sub(segment.spans);
            sums.bytes += segment.bytes;
            sums.raw_bytes += segment.raw_bytes;
            if let IndexState::Usable { bytes, .. } = segment.index {
                sums.indexes += 1;
                sums.index_bytes += bytes;
            }
            let earliest = segment.earliest_unix_nanos;
            if earliest > 0 && (sums.earliest == 0 || earliest < sums.earliest) {
                sums.earliest = earliest;
            }
            sums.latest = sums.latest.max(segment.latest_unix_nanos);
            sums.services.extend(segment.services.iter().cloned());
        }
        sums
    }

    fn text(&self) -> String {
        let services: Vec<_> = self.services.iter().map(|name| words::service(name)).collect();
        let rows = [
            ("segments", format!("{}, of which {} complete", self.segments, self.complete)),
            ("records", self.records.to_string()),
            (
                "spans",
                format!(
                    "{}, of which {} acknowledged; {} not found",
                    self.spans, self.acknowledged, self.missing
                ),
            ),
            (
                "bytes",
                format!(
                    "{}, {} of {} before compression",
                    words::bytes(self.bytes),
                    words::percent(self.bytes, self.raw_bytes),
                    words::bytes(self.raw_bytes)
                ),
            ),
            (
                "indexes",
                format!(
                    "{}, {}, {} of the segments",
                    self.indexes,
                    words::bytes(self.index_bytes),
                    words::percent(self.index_bytes, self.bytes)
                ),
            ),
            ("times", format!("{} to {}", times::print(self.earliest), times::print(self.latest))),
            ("services", if services.is_empty() { "-".to_owned() } else { services.join(", ") }),
        ];
        words::table(&rows.map(|(name, value)| [name.to_owned(), value]))
    }

    fn json(&self) -> String {
        json!({
            "segments": self.segments,
            "complete_segments": self.complete,
            "records": self.records,
            "spans": self.spans,
            "acknowledged_spans": self.acknowledged,
            "spans_not_found": self.missing,
            "bytes": self.bytes,
            "raw_bytes": self.raw_bytes,
            "indexes": self.indexes,
            "index_bytes": self.index_bytes,
            "earliest_unix_nanos": self.earliest,
            "latest_unix_nanos": self.latest,
            "services": self.services,
        })
        .to_string()
    }
}
