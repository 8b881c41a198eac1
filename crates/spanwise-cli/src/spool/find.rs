//! `spanwise spool find`.

use super::failed::failed;
use super::options::Options;
use super::{times, words};
use crate::command::{Arguments, Command, FileArgument, Output};
use spanwise_spool::index::extract_spans;
use spanwise_spool::storage::ReadOnlyDirectory;
use spanwise_spool::{RecordQuery, SpoolReader};
use spanwise_wire::json::from_protobuf;
use spanwise_wire::read::{SpanView, TraceRequest};
use spanwise_wire::{SpanId, TraceId};
use std::time::Duration;

pub const COMMAND: Command = Command {
    name: "spool find",
    usage: "DIRECTORY [TRACE_ID] [--service NAME] [--since TIME] [--until TIME] [--limit N] [--json]",
    summary: "The stored spans of a trace, or of a service and a time",
    help: "Finds the spans of a trace by the indexes of the segments, or those of a service and a time: spans whose resource has the \
           `service.name`, and that were running between --since and --until. Prints a line for each span, by start: its start, \
           duration, service, name, ids and status. Values of spans are as sensitive as they are. Reads only, and needs no lock. An \
           index that is missing is built in memory by reading its segment.\n\n\
           TRACE_ID has 32 hexadecimal digits. A time is an age such as 90s, 15m, 2h or 3d, or 2026-11-29T15:04:05Z. --limit is the \
           number of spans at most, 1000 by default; spans beyond it are counted by a last line. The exit status is 0 if a span is \
           found, and 1 if not. --json prints the spans as OTLP/JSON.",
    file: FileArgument::Spool,
    run,
};

/// Spans of a service and a time.
const DEFAULT_LIMIT: usize = 1000;
const MAX_JSON_BYTES: usize = 1 << 30;

/// The spans, and sentences about the search.
#[derive(Default)]
struct FoundSpans {
    request: Vec<u8>,
    notes: Vec<String>,
}

fn run(arguments: &Arguments) -> Output {
    let options = &arguments.spool;
    let mut reader = match SpoolReader::open(&options.directory) {
        Ok(reader) => reader,
        Err(error) => return failed(&error.to_string(), arguments.json),
    };
    let FoundSpans { request, notes } = match options.trace_id {
        Some(trace_id) => trace(&mut reader, trace_id),
        None => query(&mut reader, options),
    };
    let mut spans: Vec<_> = TraceRequest::new(&request).spans().flatten().collect();
    spans.sort_by_key(SpanView::start_unix_nanos);
    let is_well = !spans.is_empty();
    if arguments.json {
        let mut json = Vec::new();
        return match from_protobuf(&request, MAX_JSON_BYTES, &mut json) {
            Ok(()) => Output { text: String::from_utf8_lossy(&json).into_owned(), is_well },
            Err(error) => failed(&error.to_string(), true),
        };
    }
    let mut text: String = spans.iter().map(line).collect();
    notes.iter().for_each(|note| text.push_str(&format!("{note}\n")));
    Output { text, is_well }
}

fn trace(reader: &mut SpoolReader<ReadOnlyDirectory>, trace_id: TraceId) -> FoundSpans {
    let found = reader.find(trace_id);
    let mut notes = vec![format!(
        "{} of trace {trace_id} in {}",
        words::count(found.spans, "span"),
        words::count(found.records, "record")
    )];
    unread(&mut notes, found.damaged_records, found.unreadable_segments);
    if found.is_cut {
        notes.push("the search ended at 64 MiB of spans".to_owned());
    }
    FoundSpans { request: found.request, notes }
}

fn unread(notes: &mut Vec<String>, records: u64, segments: u64) {
    for (number, noun) in [(records, "record"), (segments, "segment")] {
        if number > 0 {
            let unread = words::count(number, noun);
            notes
                .push(format!("{unread} cannot be read; `spanwise spool verify` names the reason"));
        }
    }
}

fn query(reader: &mut SpoolReader<ReadOnlyDirectory>, options: &Options) -> FoundSpans {
    let (since, until) = (options.since.unwrap_or(0), options.until.unwrap_or(u64::MAX));
    let mut query = RecordQuery::default();
    if options.since.is_some() || options.until.is_some() {
        query = query.with_times(since..=until);
    }
    if let Some(service) = &options.service {
        query = query.with_service(service);
    }
    let found = reader.find_records(&query);
    let limit = options.limit.unwrap_or(DEFAULT_LIMIT);
    let (mut result, mut damaged, mut matched) = (FoundSpans::default(), 0, 0);
    for record in &found.records {
        let Ok(stored) = reader.read(record.id) else {
            damaged += 1;
            continue;
        };
        let is_wanted = |span: &SpanView<'_>| {
            let is_match = is_match(span, options, (since, until));
            matched += usize::from(is_match);
            is_match && matched <= limit
        };
        // The spans in front of a malformed group are found.
        let _count = extract_spans(&stored.request, is_wanted, &mut result.request);
    }
    let spans = words::count(matched as u64, "span");
    let records = words::count(found.records.len() as u64, "record");
    result.notes.push(format!("{spans} found; {records} read"));
    if matched > limit {
        let more = words::count((matched - limit) as u64, "further span");
        result.notes.push(format!("{more} not shown: --limit is {limit}"));
    }
    unread(&mut result.notes, damaged, found.unreadable_segments);
    result
}

fn is_match(span: &SpanView<'_>, options: &Options, (since, until): (u64, u64)) -> bool {
    let is_of_service = options.service.as_ref().is_none_or(|wanted| service(span) == wanted);
    let is_limited = options.since.is_some() || options.until.is_some();
    let (start, end) = (span.start_unix_nanos(), span.end_unix_nanos());
    let start = if start > 0 { start } else { end };
    let in_time = start > 0 && start <= until && end.max(start) >= since;
    is_of_service && (!is_limited || in_time)
}

fn service<'a>(span: &SpanView<'a>) -> &'a str {
    span.resource_attribute("service.name").and_then(|value| value.as_str()).unwrap_or_default()
}

fn line(span: &SpanView<'_>) -> String {
    let duration = span.end_unix_nanos().saturating_sub(span.start_unix_nanos());
    let id = |id: Option<[u8; 8]>| id.map(|id| SpanId::from_bytes(id).to_string());
    let parent = match id(span.parent_span_id()) {
        Some(parent) => format!(" parent {parent}"),
        None => String::new(),
    };
    let status = match span.status_code() {
        1 => " ok".to_owned(),
        2 => match span.status_message().unwrap_or_default() {
            "" => " error".to_owned(),
            message => format!(" error: {}", words::printable(message)),
        },
        _ => String::new(),
    };
    let trace = span.trace_id().map(|id| TraceId::from_bytes(id).to_string()).unwrap_or_default();
    format!(
        "{}  {:?}  {}  \"{}\"  trace {trace} span {}{parent}{status}\n",
        times::print(span.start_unix_nanos()),
        Duration::from_nanos(duration),
        words::service(service(span)),
        words::printable(span.name().unwrap_or("(not UTF-8)")),
        id(span.span_id()).unwrap_or_default(),
    )
}
