//! The decisions of a running Collector for a load.

use super::configurations::{Configuration, processors};
use super::load::{Load, SpanKey};
use super::ours::{TIMES, keys_of};
use crate::interop::stored;
use crate::peers::{Running, Scratch, free_ports};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// The file that the Collector read and the spans that it sampled, for each configuration.
///
/// # Errors
/// A Collector does not run.
pub(super) fn sampled(
    collector: &Path,
    all: &[Configuration],
    load: &Load,
) -> Result<Vec<(String, Vec<SpanKey>)>, String> {
    let mut found = Vec::new();
    let groups = all.chunk_by(|one, next| one.has_gate() == next.has_gate());
    for configurations in groups.flat_map(|group| group.chunks(PIPELINES)) {
        let scratch = Scratch::new("tail")?;
        let file = CollectorFile::new(configurations, &scratch)?;
        let has_gate = configurations.iter().all(Configuration::has_gate);
        let options = if has_gate { &[GATE][..] } else { &[] };
        let sampled = file.sampled(collector, options, load)?;
        found.extend(sampled.into_iter().map(|keys| (file.text.clone(), keys)));
    }
    Ok(found)
}

/// The file of a Collector that passes all traces to each of the configurations.
struct CollectorFile<'a> {
    text: String,
    port: u16,
    configurations: &'a [Configuration],
    scratch: &'a Scratch,
}

impl<'a> CollectorFile<'a> {
    /// Writes it for a free port; the spans are stored in `scratch`.
    ///
    /// # Errors
    /// The system has no port left.
    fn new(configurations: &'a [Configuration], scratch: &'a Scratch) -> Result<Self, String> {
        let [port] = free_ports()?;
        let mut text = format!(
            "receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}'}}}}}}}}\n{}exporters:\n",
            processors(configurations)
        );
        let mut pipelines = String::new();
        for configuration in configurations {
            let name = &configuration.name;
            let path = stored_in(scratch.path(), name);
            let _infallible = writeln!(
                text,
                "  file/{name}: {{path: '{}', format: proto, flush_interval: 50ms}}",
                path.display()
            );
            let _infallible = writeln!(
                pipelines,
                "    traces/{name}: {{receivers: [otlp], processors: [{}], exporters: [file/{name}]}}",
                configuration.processor()
            );
        }
        text +=
            "service:\n  telemetry: {metrics: {level: none}, logs: {level: error}}\n  pipelines:\n";
        text += &pipelines;
        Ok(Self { text, port, configurations, scratch })
    }

    /// The spans that the Collector stores for each of the configurations, sorted.
    ///
    /// # Errors
    /// The Collector does not start, does not take a request, or was too slow for the times of the phases.
    fn sampled(
        &self,
        program: &Path,
        options: &[&str],
        load: &Load,
    ) -> Result<Vec<Vec<SpanKey>>, String> {
        let path = self.scratch.path().join("collector.yaml");
        fs::write(&path, &self.text).map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.arg("--config").arg(format!("file:{}", path.display())).args(options);
        let mut running = Running::start("the Collector", command)?;
        running.wait_for_ports(&[self.port], START)?;
        let sent = send(self.port, load);
        let lines = running.last_lines();
        // It decides the rest, and writes all files to their ends.
        running.stop()?;
        sent.map_err(|problem| format!("{problem}\n{lines}"))?;
        let mut all = Vec::new();
        for configuration in self.configurations {
            let file = stored_in(self.scratch.path(), &configuration.name);
            let mut keys = keys_of(&stored::read(&file)?);
            keys.sort_unstable();
            all.push(keys);
        }
        Ok(all)
    }
}

fn stored_in(folder: &Path, name: &str) -> std::path::PathBuf {
    folder.join(format!("{name}.stored"))
}

/// Sends the requests of each phase at its time.
fn send(port: u16, load: &Load) -> Result<(), String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .map_err(|error| format!("the Collector cannot be reached: {error}"))?;
    connection.set_read_timeout(Some(START)).map_err(|error| error.to_string())?;
    let start = Instant::now();
    for (time, requests) in TIMES.iter().zip(&load.phases) {
        thread::sleep(time.saturating_sub(start.elapsed()));
        let begun = Instant::now();
        for request in requests {
            post(&mut connection, request).map_err(|error| format!("a request failed: {error}"))?;
        }
        let took = begun.elapsed();
        if took > PHASE || begun.saturating_duration_since(start) > *time + PHASE {
            return Err(format!(
                "a phase took {took:?}, which is more than {PHASE:?}: the machine is too busy"
            ));
        }
    }
    Ok(())
}

/// Sends a request and reads the answer.
fn post(connection: &mut TcpStream, body: &[u8]) -> std::io::Result<()> {
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    let end = loop {
        if let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        let mut buffer = [0; 4096];
        match connection.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => answer.extend_from_slice(&buffer[..read]),
        }
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head.split_once("content-length:").and_then(|(_, rest)| rest.lines().next());
    let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
    let mut rest = vec![0; (end + length).saturating_sub(answer.len())];
    connection.read_exact(&mut rest)?;
    if head.starts_with("http/1.1 200") {
        return Ok(());
    }
    Err(std::io::Error::other(head.lines().next().unwrap_or_default().to_owned()))
}

/// The time for the Collector to open its port, and to answer.
const START: Duration = Duration::from_secs(60);
/// The longest time for the requests of one phase.
const PHASE: Duration = Duration::from_millis(900);
const GATE: &str = "--feature-gates=+processor.tailsamplingprocessor.usetracestate";
/// Pipelines of one Collector.
const PIPELINES: usize = 84;
