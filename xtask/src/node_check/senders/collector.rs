//! A Collector in front of the node: it receives, and its exporter sends by its queue.

use super::super::sender::{Load, Sent};
use crate::interop::build;
use crate::peers::{Running, free_ports, wait_until};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// A Collector that is not started yet.
pub(in super::super) struct Collector {
    pub(super) program: PathBuf,
    /// For its file.
    pub(super) folder: PathBuf,
    /// The port of the node.
    pub(super) port: u16,
    /// Sent to the Collector.
    pub(super) load: Load,
}

/// The Collector's own counts of spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    /// Acknowledged by the node.
    sent: u64,
    /// Given up, or refused by the queue.
    lost: u64,
}

impl Collector {
    pub(super) fn run(self) -> Result<Sent, String> {
        let Self { program, folder, port, mut load } = self;
        let [grpc, metrics] = free_ports()?;
        let file = folder.join("collector.yaml");
        let text = FILE
            .replace("GRPC", &grpc.to_string())
            .replace("METRICS", &metrics.to_string())
            .replace("NODE", &port.to_string());
        std::fs::write(&file, text).map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.arg(format!("--config=file:{}", file.display()));
        let mut running = Running::start(build::VERSION, command)?;
        running.wait_for_ports(&[grpc, metrics], PATIENCE)?;
        load.endpoint = format!("http://127.0.0.1:{grpc}");
        let fed = load.run()?;
        let failed = |problem: &str| format!("the Collector: {problem}\n{}", running.last_lines());
        if fed.failed_spans + fed.uncertain_spans > 0 {
            return Err(failed(&format!("it did not take the load: {fed:?}")));
        }
        let (mut counts, mut problem) = (Counts::default(), None);
        wait_until(PATIENCE, || {
            match Counts::read(metrics) {
                Ok(read) => counts = read,
                Err(error) => problem = Some(error),
            }
            problem.is_some() || counts.sent >= fed.accepted_spans
        });
        let lost = fed.accepted_spans.checked_sub(counts.sent);
        match (problem, lost) {
            (Some(problem), _) => Err(failed(&problem)),
            // A failed attempt may be in the count of losses, too.
            (None, Some(lost)) if lost <= counts.lost => {
                running.stop()?;
                let accepted_spans = counts.sent;
                Ok(Sent { accepted_spans, failed_spans: lost, uncertain_spans: lost, ..fed })
            }
            _ => Err(failed(&format!("{counts:?} of {} spans", fed.accepted_spans))),
        }
    }
}

impl Counts {
    fn read(port: u16) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("metrics: {error}");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        // Its answer has no chunks.
        stream.write_all(b"GET /metrics HTTP/1.0\r\nhost: localhost\r\n\r\n").map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(failed)?;
        Ok(Self::parse(&answer))
    }

    fn parse(text: &str) -> Self {
        let sum = |name: &str| -> u64 {
            let lines = text.lines().filter(|line| line.starts_with(name));
            let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
            values.sum::<f64>() as u64
        };
        let lost = ["otelcol_exporter_send_failed_spans", "otelcol_exporter_enqueue_failed_spans"];
        Self { sent: sum("otelcol_exporter_sent_spans"), lost: lost.map(sum).iter().sum() }
    }
}

/// The queue has the settings of its defaults but for one: a full queue holds up its senders.
const FILE: &str = "\
receivers: {otlp: {protocols: {grpc: {endpoint: '127.0.0.1:GRPC', max_recv_msg_size_mib: 16}}}}
exporters:
  otlp_grpc: {endpoint: '127.0.0.1:NODE', tls: {insecure: true}, sending_queue: {block_on_overflow: true}}
service:
  telemetry:
    metrics: {level: normal, readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: METRICS}}}}]}
    logs: {level: error}
  pipelines: {traces: {receivers: [otlp], exporters: [otlp_grpc]}}
";

const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_all_exporters() {
        let text = "\
            # TYPE otelcol_exporter_sent_spans_total counter\n\
            otelcol_exporter_sent_spans_total{exporter=\"a\",service_name=\"x y\"} 1200\n\
            otelcol_exporter_sent_spans_total{exporter=\"b\"} 1e+06\n\
            otelcol_exporter_send_failed_spans_total{exporter=\"a\"} 3\n\
            otelcol_exporter_queue_size{exporter=\"a\"} 7\n";
        assert_eq!(Counts::parse(text), Counts { sent: 1_001_200, lost: 3 });
    }
}
