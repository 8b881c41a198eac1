//! `spanwise spool replay`.

use super::failed::failed;
use super::words;
use crate::command::{Arguments, Command, FileArgument, Output};
use serde_json::json;
use spanwise_spool::storage::DirectoryStorage;
use spanwise_spool::{Losses, SegmentSummary, Spool, SpoolError, SpoolReader, StoredRequest};
use spanwise_transport::{BlockingTransport, Endpoint, Failure, Headers, Outcome};
use spanwise_wire::{RequestLimits, RequestPart};
use std::path::Path;
use std::time::{Duration, SystemTime};

pub const COMMAND: Command = Command {
    name: "spool replay",
    usage: "DIRECTORY [--endpoint URL] [--dry-run] [--skip-rejected] [--json]",
    summary: "Sends the stored spans to a receiver, and removes what it accepts",
    help: "Sends the records in the order of their appends over OTLP/HTTP in protobuf, with the transport's retries, acknowledges each \
           one that the receiver accepts, and removes the segments that are acknowledged as a whole. Ends at the first record that is \
           not accepted, which stays stored. Needs the lock of the spool: the process with the spool must have ended. `spanwise replay` \
           is the same command.\n\n\
           --dry-run prints what would be sent and its destination: it sends and changes nothing, and needs no lock.\n\n\
           --endpoint is the URL without /v1/traces, as OTEL_EXPORTER_OTLP_ENDPOINT, which is the default; without both it is \
           http://localhost:4318. OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_COMPRESSION and \
           OTEL_EXPORTER_OTLP_CERTIFICATE, and their TRACES forms, are read as well. --skip-rejected acknowledges a record that the \
           receiver rejects for good, such as by HTTP 400, and goes on: its spans are lost and counted. The exit status is 0 if no \
           record is left, and 1 if one is left or spans are lost. --json prints one object.",
    file: FileArgument::Spool,
    run,
};

fn run(arguments: &Arguments) -> Output {
    let options = &arguments.spool;
    let transport = match transport(options.endpoint.as_deref(), |name| std::env::var(name).ok()) {
        Ok(transport) => transport,
        Err(problem) => return failed(&problem, arguments.json),
    };
    if options.dry_run {
        return dry_run(&options.directory, &transport.destination(), arguments.json);
    }
    let mut spool = match open(&options.directory) {
        Ok(spool) => spool,
        Err(problem) => return failed(&problem, arguments.json),
    };
    let mut replay = Replay { transport, skips: options.skip_rejected, sums: Sums::default() };
    let stopped = replay.run(&mut spool);
    spool.checkpoint();
    let Replay { sums, transport, .. } = replay;
    let (left, losses) = (spool.stats().spans, spool.take_losses());
    let noted = spool.note_delivered(spool.stats().acknowledged_spans + losses.total());
    let stopped = stopped.or(noted.err().map(|error| error.to_string()));
    let is_well = stopped.is_none() && left == 0 && sums.rejected == 0 && losses.total() == 0;
    let text = match arguments.json {
        true => json!({
            "destination": transport.destination(),
            "sent_records": sums.records,
            "sent_spans": sums.spans,
            "rejected_spans": sums.rejected,
            "unreadable_spans": losses.io,
            "left_spans": left,
            "stopped": stopped,
        })
        .to_string(),
        false => to_text(&sums, (left, &losses), &transport, stopped.as_deref()),
    };
    Output { text, is_well }
}

/// The spans that a replay would send, as of the last checkpoint of the process with the spool.
fn dry_run(directory: &Path, destination: &str, json: bool) -> Output {
    let reader = match SpoolReader::open(directory) {
        Ok(reader) => reader,
        Err(error) => return failed(&error.to_string(), json),
    };
    let left = |it: &SegmentSummary| it.spans.saturating_sub(it.acknowledged_spans);
    let unsent: Vec<_> = reader.segments().iter().filter(|it| left(it) > 0).collect();
    let spans: u64 = unsent.iter().map(|it| left(it)).sum();
    let bytes: u64 = unsent.iter().map(|it| it.bytes).sum();
    let unreadable: u64 =
        reader.segments().iter().map(|it| it.stored_spans.saturating_sub(it.spans)).sum();
    let text = match json {
        true => json!({
            "destination": destination,
            "unsent_segments": unsent.len(),
            "unsent_spans": spans,
            "unsent_bytes": bytes,
            "unreadable_spans": unreadable,
        })
        .to_string(),
        false => {
            let segments = words::count(unsent.len() as u64, "segment");
            let mut text = format!(
                "{} in {segments}, {}, would be sent to {destination}; nothing was sent",
                words::count(spans, "span"),
                words::bytes(bytes)
            );
            if unreadable > 0 {
                text.push_str(&format!("; {unreadable} not readable"));
            }
            text
        }
    };
    Output { text, is_well: unreadable == 0 }
}

fn to_text(
    sums: &Sums,
    (left, losses): (u64, &Losses),
    transport: &BlockingTransport,
    stopped: Option<&str>,
) -> String {
    let mut text = String::new();
    if let Some(stopped) = stopped {
        text.push_str(&format!("{}\n", words::printable(stopped)));
    }
    let (spans, records) = (words::count(sums.spans, "span"), words::count(sums.records, "record"));
    text.push_str(&format!(
        "{spans} in {records} sent to {}; {left} left",
        transport.destination()
    ));
    for (spans, verb) in [(sums.rejected, "rejected"), (losses.io, "not readable")] {
        if spans > 0 {
            text.push_str(&format!("; {spans} {verb}"));
        }
    }
    text
}

/// Opens a spool that exists. Its limits are those of another process: here nothing expires and nothing is evicted.
fn open(directory: &Path) -> Result<Spool<DirectoryStorage>, String> {
    if !directory.is_dir() {
        return Err(format!(
            "{} is no directory: name the directory of a spool",
            directory.display()
        ));
    }
    let builder = Spool::builder().with_max_bytes(u64::MAX).with_max_age(Duration::MAX);
    match builder.open(directory) {
        Ok((spool, _)) => Ok(spool),
        Err(error @ SpoolError::Locked { .. }) => Err(format!(
            "{error}; end the process that has it, or read it with `spanwise spool find`"
        )),
        Err(error) => Err(error.to_string()),
    }
}

#[derive(Default)]
struct Sums {
    records: u64,
    /// Accepted ones.
    spans: u64,
    rejected: u64,
}

struct Replay {
    transport: BlockingTransport,
    skips: bool,
    sums: Sums,
}

impl Replay {
    /// Sends all records. Returns the reason if it ends before the last one.
    fn run(&mut self, spool: &mut Spool<DirectoryStorage>) -> Option<String> {
        loop {
            match spool.read_next(SystemTime::now()) {
                Ok(Some(stored)) => match self.send(&stored) {
                    Ok(()) => spool.acknowledge(stored.id),
                    Err(stopped) => {
                        spool.rewind();
                        return Some(stopped);
                    }
                },
                Ok(None) => return None,
                Err(error) => return Some(error.to_string()),
            }
        }
    }

    fn send(&mut self, stored: &StoredRequest) -> Result<(), String> {
        // A receiver may have a lower limit than the spool.
        let (limits, mut sent) = (RequestLimits::default(), 0);
        loop {
            let part = match RequestPart::plan(&stored.request, sent, limits) {
                Ok(Some(part)) => part,
                Ok(None) => break,
                // An encoded request that is malformed is the receiver's to judge, as it is.
                Err(_) => {
                    self.send_part(stored.request.clone(), stored.spans)?;
                    break;
                }
            };
            let spans = part.spans();
            self.send_part(part.write(Vec::new()).message().to_vec(), spans)?;
            sent += spans;
        }
        self.sums.records += 1;
        Ok(())
    }

    fn send_part(&mut self, request: Vec<u8>, spans: u64) -> Result<(), String> {
        let delivery = self.transport.send(request);
        match delivery.outcome {
            Outcome::Accepted { rejected, .. } => {
                let rejected = rejected.min(spans);
                self.sums.spans += spans - rejected;
                self.sums.rejected += rejected;
                Ok(())
            }
            Outcome::Failed(Failure::Rejected { .. } | Failure::TooLarge) if self.skips => {
                self.sums.rejected += spans;
                Ok(())
            }
            _ => Err(delivery.to_string()),
        }
    }
}

/// The transport of the option and the variables.
fn transport(
    endpoint: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<BlockingTransport, String> {
    let either = |name: &str| {
        let of_traces = format!("OTEL_EXPORTER_OTLP_TRACES_{name}");
        let of_all = format!("OTEL_EXPORTER_OTLP_{name}");
        [of_traces, of_all].into_iter().find_map(|name| {
            let value = variable(&name).filter(|value| !value.trim().is_empty())?;
            Some((name, value))
        })
    };
    let endpoint = match (endpoint, either("ENDPOINT")) {
        (Some(url), _) => Endpoint::parse_base("--endpoint", url),
        (None, Some((name, url))) if name.contains("TRACES") => Endpoint::parse(&name, &url),
        (None, Some((name, url))) => Endpoint::parse_base(&name, &url),
        (None, None) => Endpoint::parse_base("--endpoint", "http://localhost:4318"),
    };
    let endpoint = endpoint.map_err(|error| error.to_string())?;
    let mut builder = BlockingTransport::builder().with_endpoint(endpoint);
    if let Some((name, value)) = either("HEADERS") {
        let headers = Headers::parse(&value).map_err(|error| format!("{name}: {error}"))?;
        builder = builder.with_headers(headers);
    }
    if let Some((name, value)) = either("COMPRESSION") {
        let compression = value.trim().parse();
        builder =
            builder.with_compression(compression.map_err(|error| format!("{name}: {error}"))?);
    }
    if let Some((_, value)) = either("CERTIFICATE") {
        builder = builder.with_certificate_file(value);
    }
    builder.build_blocking().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;

    fn destination(endpoint: Option<&str>, variables: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        transport(endpoint, variable).map(|transport| transport.destination())
    }

    #[test]
    fn the_option_is_before_the_variables() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:1");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:2/path");
        assert_eq!(destination(None, &[]).unwrap(), "http://localhost:4318/v1/traces");
        assert_eq!(destination(None, &[all]).unwrap(), "http://all:1/v1/traces");
        assert_eq!(destination(None, &[all, traces]).unwrap(), "http://traces:2/path");
        let option = Some("http://option:3");
        assert_eq!(destination(option, &[all, traces]).unwrap(), "http://option:3/v1/traces");
        assert_eq!(destination(None, &[(all.0, " ")]).unwrap(), "http://localhost:4318/v1/traces");
    }

    #[test]
    fn a_mistake_names_its_setting_and_no_secret() {
        let problem = |name, value| destination(None, &[(name, value)]).unwrap_err();
        let endpoint = destination(Some("localhost:4318"), &[]).unwrap_err();
        assert!(
            endpoint.starts_with("--endpoint=`localhost:4318`: it has no scheme"),
            "{endpoint}"
        );
        let headers = problem("OTEL_EXPORTER_OTLP_HEADERS", "authorization: s3cret");
        assert!(headers.starts_with("OTEL_EXPORTER_OTLP_HEADERS: "), "{headers}");
        assert!(!headers.contains("s3cret"), "{headers}");
        let compression = problem("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli");
        assert!(compression.contains("brotli") && compression.contains("gzip"), "{compression}");
    }
}
