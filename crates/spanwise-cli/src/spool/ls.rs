//! `spanwise spool ls`.

use super::failed::failed;
use super::{times, words};
use crate::command::{Arguments, Command, FileArgument, Output};
use serde_json::{Value, json};
use spanwise_spool::{IndexState, SegmentState, SegmentSummary, SpoolReader};

pub const COMMAND: Command = Command {
    name: "spool ls",
    usage: "DIRECTORY [--json]",
    summary: "The segments of a spool: spans, bytes, times, services",
    help: "Prints a line for each file of stored spans, the oldest first: its number, whether it is complete or a process still \
           appends to it, its spans and those that are acknowledged, its records, its bytes, the bytes before compression, the \
           times of its spans, its index, and its services. Services are those of the index; a segment without one shows `-`. \
           Reads only, and needs no lock: the process with the spool may run.\n\n\
           The exit status is 0 if all segments can be read, and 1 if one is damaged, unreadable or of another version. --json \
           prints one object.",
    file: FileArgument::Spool,
    run,
};

fn run(arguments: &Arguments) -> Output {
    let reader = match SpoolReader::open(&arguments.spool.directory) {
        Ok(reader) => reader,
        Err(error) => return failed(&error.to_string(), arguments.json),
    };
    let segments = reader.segments();
    let is_readable =
        |it: &SegmentSummary| matches!(it.state, SegmentState::Complete | SegmentState::Open);
    let text = match arguments.json {
        true => json!({ "segments": segments.iter().map(segment).collect::<Vec<_>>() }).to_string(),
        false => text(segments),
    };
    Output { text, is_well: segments.iter().all(is_readable) }
}

fn text(segments: &[SegmentSummary]) -> String {
    if segments.is_empty() {
        return "no segments".to_owned();
    }
    let head = [
        "SEGMENT",
        "STATE",
        "SPANS",
        "ACKNOWLEDGED",
        "RECORDS",
        "BYTES",
        "RAW",
        "FROM",
        "TO",
        "INDEX",
        "SERVICES",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(segments.iter().map(row));
    let mut text = words::table(&rows);
    for segment in segments {
        if let Some(reason) = reason(segment) {
            text.push_str(&format!("{}: {}\n", segment.file_name, words::printable(&reason)));
        }
    }
    text
}

fn row(segment: &SegmentSummary) -> [String; 11] {
    let services: Vec<_> = segment.services.iter().map(|name| words::service(name)).collect();
    [
        segment.number.to_string(),
        words::state(&segment.state).to_owned(),
        segment.spans.to_string(),
        segment.acknowledged_spans.to_string(),
        segment.records.to_string(),
        words::bytes(segment.bytes),
        words::bytes(segment.raw_bytes),
        times::print_seconds(segment.earliest_unix_nanos),
        times::print_seconds(segment.latest_unix_nanos),
        words::index(&segment.index).to_owned(),
        if services.is_empty() { "-".to_owned() } else { services.join(", ") },
    ]
}

/// The reason why a segment or its index cannot be used.
fn reason(segment: &SegmentSummary) -> Option<String> {
    match (&segment.state, &segment.index) {
        (SegmentState::Unreadable { reason }, _) => Some(format!("it cannot be read: {reason}")),
        (SegmentState::Unsupported { version }, _) => {
            Some(format!("it has version {version}; this build reads version 1"))
        }
        (SegmentState::Damaged, _) => Some("it has no valid record".to_owned()),
        (_, IndexState::Unusable { reason }) => Some(format!("its index cannot be used: {reason}")),
        _ => None,
    }
}

/// A segment as JSON.
pub(super) fn segment(segment: &SegmentSummary) -> Value {
    let index_bytes = match segment.index {
        IndexState::Usable { bytes, .. } => Some(bytes),
        _ => None,
    };
    json!({
        "number": segment.number,
        "file": segment.file_name,
        "state": words::state(&segment.state),
        "reason": reason(segment),
        "created_unix_nanos": segment.created_unix_nanos,
        "bytes": segment.bytes,
        "raw_bytes": segment.raw_bytes,
        "records": segment.records,
        "spans": segment.spans,
        "stored_spans": segment.stored_spans,
        "acknowledged_spans": segment.acknowledged_spans,
        "earliest_unix_nanos": segment.earliest_unix_nanos,
        "latest_unix_nanos": segment.latest_unix_nanos,
        "services": segment.services,
        "index": { "state": words::index(&segment.index), "bytes": index_bytes },
    })
}
