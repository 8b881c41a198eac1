//! The process at the end: it receives, and finds out which spans of the load it has.

use super::load::{SPANS_OF_A_TRACE, number};
use crate::peers::Running;
use spanwise_receiver::{Answer, Export, Limits, Receiver};
use spanwise_wire::read::TraceRequest;
use std::io::{BufRead as _, BufReader, Write as _, stdin, stdout};
use std::net::SocketAddr;
use std::process::{ChildStdin, ChildStdout, Command};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A running destination.
pub(super) struct Sink {
    // Ended by its drop.
    running: Running,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub(super) address: SocketAddr,
}

/// The spans that a destination has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Arrived {
    /// Spans of all requests.
    pub(super) spans: u64,
    /// Different spans of the load.
    pub(super) distinct: u64,
    /// Traces of which some spans came and some did not.
    pub(super) torn: u64,
    /// Traces of which all spans came.
    pub(super) whole: u64,
}

impl Arrived {
    /// Spans that came once more.
    pub(super) fn repeated(&self) -> u64 {
        self.spans.saturating_sub(self.distinct)
    }
}

impl Sink {
    /// Starts one at this port, 0 for a free one. `reads_spans`: it finds out which spans came, not their number alone.
    ///
    /// # Errors
    /// The process does not start.
    pub(super) fn start(port: u16, reads_spans: bool) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(own);
        command.args([
            super::options::NAME,
            NAME,
            &port.to_string(),
            &u8::from(reads_spans).to_string(),
        ]);
        let mut running = Running::start("the destination", command)?;
        let (input, output) = running.pipes().ok_or("the destination has no pipes")?;
        let mut sink = Self { running, input, output, address: ([127, 0, 0, 1], port).into() };
        sink.address =
            sink.line()?.trim().parse().map_err(|error| format!("the destination: {error}"))?;
        Ok(sink)
    }

    /// The spans that came so far.
    ///
    /// # Errors
    /// The process has ended.
    pub(super) fn arrived(&mut self) -> Result<Arrived, String> {
        self.command("count")
    }

    /// Closes its port and all connections without an answer to what is on its way; it has what it received.
    ///
    /// # Errors
    /// The process has ended.
    pub(super) fn down(&mut self) -> Result<Arrived, String> {
        self.command("down")
    }

    /// Opens the port again.
    ///
    /// # Errors
    /// The process has ended, or another one has the port.
    pub(super) fn up(&mut self) -> Result<Arrived, String> {
        self.command("up")
    }

    fn command(&mut self, command: &str) -> Result<Arrived, String> {
        self.input
            .write_all(format!("{command}\n").as_bytes())
            .map_err(|error| format!("the destination: {error}"))?;
        let line = self.line()?;
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|it| it.parse().ok()).collect();
        match *numbers.as_slice() {
            [spans, distinct, torn, whole] => Ok(Arrived { spans, distinct, torn, whole }),
            _ => Err(format!("the destination printed {line:?}")),
        }
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(1..) => Ok(line),
            Ok(0) => Err(format!("the destination ended\n{}", self.running.last_lines())),
            Err(error) => Err(format!("the destination: {error}")),
        }
    }
}

/// The process. Each line of its input is a command, and has an answer.
pub(super) fn run(arguments: &[String]) -> Result<(), String> {
    let port = arguments.first().and_then(|port| port.parse::<u16>().ok());
    let reads_spans = arguments.get(1).is_some_and(|flag| flag == "1");
    let port = port.ok_or("the destination's process is started by this command alone")?;
    let traces = Arc::new(Mutex::new(Vec::new()));
    // The receiver counts no span of a request that was not answered.
    let handled = Arc::new(AtomicU64::new(0));
    let start = |port: u16| {
        let limits = Limits::default()
            .with_memory_bytes(256 << 20)
            .with_connections(64)
            .with_shutdown_timeout(Duration::ZERO);
        let builder = Receiver::builder().with_address(([127, 0, 0, 1], port)).with_limits(limits);
        let builder = match reads_spans {
            false => builder,
            true => {
                let (traces, handled) = (traces.clone(), handled.clone());
                builder.with_handler(move |export: Export| {
                    // ORDER: Relaxed: a count, which the lock below publishes with the marks.
                    handled.fetch_add(export.spans, Relaxed);
                    add(&mut traces.lock().unwrap_or_else(PoisonError::into_inner), &export.body);
                    Answer::Accept
                })
            }
        };
        builder.start().map_err(|error| error.to_string())
    };
    let print = |line: String| {
        let mut out = stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| error.to_string())
    };
    let receiver = start(port)?;
    let (address, mut spans_before) = (receiver.address(), 0);
    print(address.to_string())?;
    let mut receiver = Some(receiver);
    for command in stdin().lines().map_while(Result::ok) {
        match (command.as_str(), receiver.take()) {
            ("down", Some(running)) => {
                spans_before += running.stats().spans;
                running.shutdown();
            }
            ("up", None) => receiver = Some(start(address.port())?),
            (_, unchanged) => receiver = unchanged,
        }
        let traces = traces.lock().unwrap_or_else(PoisonError::into_inner);
        let distinct: u64 = traces.iter().map(|mask: &u8| u64::from(mask.count_ones())).sum();
        let whole = traces.iter().filter(|mask| **mask == ALL).count();
        let torn = traces.iter().filter(|mask| ![0, ALL].contains(*mask)).count();
        let answered = spans_before + receiver.as_ref().map_or(0, |running| running.stats().spans);
        let spans = if reads_spans { handled.load(Relaxed) } else { answered };
        print(format!("{spans} {distinct} {torn} {whole}"))?;
    }
    Ok(())
}

/// Marks the spans of a request: a byte for each trace, a bit for each span.
fn add(traces: &mut Vec<u8>, request: &[u8]) {
    let spans = TraceRequest::new(request).spans().filter_map(Result::ok);
    for span in spans {
        let trace = span.trace_id().and_then(number).and_then(|it| usize::try_from(it).ok());
        let (Some(trace), Some(id)) = (trace.filter(|it| *it < MAX_TRACES), span.span_id()) else {
            continue;
        };
        if traces.len() <= trace {
            traces.resize(trace + 1, 0);
        }
        let place = (u64::from_be_bytes(id).wrapping_sub(1)) % SPANS_OF_A_TRACE;
        if let Some(mask) = traces.get_mut(trace) {
            *mask |= 1 << place;
        }
    }
}

/// The first argument of the process.
pub(super) const NAME: &str = "the-destination";
/// The mask of a trace with all spans.
const ALL: u8 = (1 << SPANS_OF_A_TRACE) - 1;
/// A wrong id must not take the memory of the machine.
const MAX_TRACES: usize = 1 << 28;

#[cfg(test)]
mod tests {
    use super::super::load::{SPANS, TRACES, Template};
    use super::*;

    #[test]
    fn spans_are_found_once() {
        let (template, mut traces) = (Template::new(), Vec::new());
        let request = template.request(400);
        add(&mut traces, &request);
        add(&mut traces, &request);
        let marked: u64 = traces.iter().map(|mask| u64::from(mask.count_ones())).sum();
        assert_eq!((marked, traces.len() as u64), (SPANS, 400 + TRACES));
        assert!(traces.iter().skip(400).all(|mask| *mask == ALL));
    }
}
