//! Two services as two processes, and a check of the trace that crosses them: for the examples `tracing_axum` and `tracing_tonic`.

use spanwise::wire::read::{TraceRequest, ValueView};
use spanwise_receiver::{Collected, Receiver};
use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

/// A process of this program that serves.
pub struct Service {
    name: &'static str,
    process: Child,
    output: JoinHandle<()>,
    /// Where it listens.
    pub address: String,
}

impl Service {
    /// Starts this program with the name of a service and the address of the service that it calls.
    pub fn start(
        name: &'static str,
        calls: Option<&str>,
        receiver: &Receiver,
    ) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(name)
            .args(calls)
            .env("OTEL_SERVICE_NAME", name)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.http_endpoint())
            .env("RUST_LOG", "info")
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(process.stdout.take().ok_or("no output")?);
        let address = loop {
            let mut line = String::new();
            if output.read_line(&mut line)? == 0 {
                return Err(format!("{name} ended").into());
            }
            if let Some(address) = line.trim_end().strip_prefix(LISTENING) {
                break address.to_owned();
            }
        };
        let output = std::thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| println!("{name:>10} | {line}"));
        });
        Ok(Self { name, process, output, address })
    }

    /// Ends the process and waits for it, and with it for its spans.
    pub fn stop(mut self) -> Result<(), Box<dyn Error>> {
        drop(self.process.stdin.take());
        let status = self.process.wait()?;
        self.output.join().map_err(|_| "the output could not be printed")?;
        if status.success() { Ok(()) } else { Err(format!("{}: {status}", self.name).into()) }
    }
}

/// Prints the address for the process that started this one, and waits until that stops it.
pub async fn listening(address: std::net::SocketAddr) {
    println!("{LISTENING}{address}");
    let stopped = || std::io::stdin().read_to_end(&mut Vec::new());
    let _ended = tokio::task::spawn_blocking(stopped).await;
}

/// A span that the receiver has.
struct Seen {
    service: String,
    name: String,
    trace_id: [u8; 16],
    id: [u8; 8],
    parent: Option<[u8; 8]>,
}

/// Checks that the receiver has one trace with these services and names of spans, each span the parent of the next. Prints it.
pub fn check(collected: &Collected, expected: &[(&str, &str)]) -> Result<(), Box<dyn Error>> {
    let mut seen = Vec::new();
    for body in collected.bodies() {
        for span in TraceRequest::new(&body).spans() {
            let span = span?;
            let Some(ValueView::Str(service)) = span.resource_attribute("service.name") else {
                return Err("a span has no service".into());
            };
            seen.push(Seen {
                service: service.to_owned(),
                name: span.name()?.to_owned(),
                trace_id: span.trace_id().ok_or("no trace id")?,
                id: span.span_id().ok_or("no span id")?,
                parent: span.parent_span_id(),
            });
        }
    }
    let mut parent: Option<&Seen> = None;
    for (depth, (service, name)) in expected.iter().enumerate() {
        let mut children = seen.iter().filter(|span| span.parent == parent.map(|it| it.id));
        let child = children.next().ok_or(format!("{service}: {name} did not arrive"))?;
        println!("{}{}: {}", "  ".repeat(depth), child.service, child.name);
        let is_expected = child.service == *service
            && child.name == *name
            && parent.is_none_or(|parent| parent.trace_id == child.trace_id)
            && children.next().is_none();
        if !is_expected {
            return Err(format!("expected {service}: {name}").into());
        }
        parent = Some(child);
    }
    match seen.len() == expected.len() {
        true => Ok(()),
        false => Err(format!("{} spans instead of {}", seen.len(), expected.len()).into()),
    }
}

const LISTENING: &str = "listening on ";
