//! A running Collector.

use super::route::Security;
use super::setup::Setup;
use crate::peers::{Certificates, Running, Scratch, free_ports};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The configuration of a Collector. YAML contains JSON, so JSON is what is written.
#[derive(Debug, Default)]
pub(super) struct Config {
    receivers: Map<String, Value>,
    processors: Map<String, Value>,
    exporters: Map<String, Value>,
    pipelines: Map<String, Value>,
    ports: Vec<u16>,
}

/// The ports of an `otlp` receiver.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) grpc: u16,
    pub(super) http: u16,
}

impl Config {
    /// Adds an `otlp` receiver on free ports.
    ///
    /// # Errors
    /// The system has no port left.
    pub(super) fn otlp(
        &mut self,
        name: &str,
        security: Security,
        certificates: &Certificates,
    ) -> Result<Ports, String> {
        let [grpc, http] = free_ports()?;
        let protocol = |port: u16| {
            let mut settings = json!({ "endpoint": format!("127.0.0.1:{port}") });
            if security != Security::Plain {
                let (certificate, key) = certificates.server();
                settings["tls"] = json!({ "cert_file": certificate, "key_file": key });
            }
            if security == Security::Mtls {
                settings["tls"]["client_ca_file"] = certificates.authority().into();
            }
            settings
        };
        let protocols = json!({ "grpc": protocol(grpc), "http": protocol(http) });
        self.receivers.insert(format!("otlp/{name}"), json!({ "protocols": protocols }));
        self.ports.extend([grpc, http]);
        Ok(Ports { grpc, http })
    }

    /// Adds an `otlp` receiver on Unix sockets.
    pub(super) fn unix(&mut self, name: &str, grpc: &Path, http: &Path) {
        let protocol = |socket: &Path| json!({ "endpoint": socket, "transport": "unix" });
        let protocols = json!({ "grpc": protocol(grpc), "http": protocol(http) });
        self.receivers.insert(format!("otlp/{name}"), json!({ "protocols": protocols }));
    }

    /// Sets a limit of a receiver's protocol, `grpc` or `http`.
    pub(super) fn limit(&mut self, receiver: &str, protocol: &str, setting: &str, value: Value) {
        if let Some(receiver) = self.receivers.get_mut(&format!("otlp/{receiver}")) {
            receiver["protocols"][protocol][setting] = value;
        }
    }

    pub(super) fn processor(&mut self, name: &str, settings: Value) {
        self.processors.insert(name.to_owned(), settings);
    }

    pub(super) fn exporter(&mut self, name: &str, settings: Value) {
        self.exporters.insert(name.to_owned(), settings);
    }

    /// Adds a `file` exporter that writes protobuf, and returns its name.
    pub(super) fn file(&mut self, path: &Path) -> String {
        let name = format!("file/{}", path.file_stem().unwrap_or_default().display());
        let settings = json!({ "path": path, "format": "proto", "flush_interval": "20ms" });
        self.exporter(&name, settings);
        name
    }

    /// Adds a pipeline from receivers through processors to exporters.
    pub(super) fn pipeline(
        &mut self,
        name: &str,
        receivers: &[&str],
        processors: &[&str],
        exporters: &[String],
    ) {
        let receivers: Vec<String> = receivers.iter().map(|name| format!("otlp/{name}")).collect();
        let pipeline = json!({
            "receivers": receivers, "processors": processors, "exporters": exporters
        });
        self.pipelines.insert(format!("traces/{name}"), pipeline);
    }

    fn text(&self) -> String {
        let Self { receivers, processors, exporters, pipelines, .. } = self;
        let telemetry = json!({ "metrics": { "level": "none" }, "logs": { "level": "warn" } });
        let service = json!({ "telemetry": telemetry, "pipelines": pipelines });
        json!({
            "receivers": receivers,
            "processors": processors,
            "exporters": exporters,
            "service": service,
        })
        .to_string()
    }
}

/// A Collector that serves.
pub(super) struct Collector {
    running: Running,
}

impl Collector {
    /// Starts the Collector, and waits until all its ports are open.
    ///
    /// # Errors
    /// It ends, or does not open its ports in time; with the end of its log.
    pub(super) fn start(setup: &Setup, name: &str, config: &Config) -> Result<Self, String> {
        let path = setup.scratch.path().join(format!("{name}.yaml"));
        fs::write(&path, config.text()).map_err(|error| error.to_string())?;
        let mut command = Command::new(&setup.collector);
        command.arg("--config").arg(format!("file:{}", path.display()));
        let mut running = Running::start("the Collector", command)?;
        running.wait_for_ports(&config.ports, START)?;
        Ok(Self { running })
    }

    /// Runs `case`; its error has what the Collector logged meanwhile.
    pub(super) fn observe<T>(&self, case: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        self.running.forget_lines();
        case().map_err(|problem| {
            let lines = self.running.last_lines();
            // Lines without a date are stacks.
            let dated = lines.lines().filter(|line| line.trim_start().starts_with("20"));
            let logged: String = dated.take(LOGGED).map(|line| format!("\n{line:.300}")).collect();
            problem + &logged
        })
    }

    /// Ends it.
    ///
    /// # Errors
    /// It had ended before, or had to be killed.
    pub(super) fn stop(self) -> Result<(), String> {
        self.running.stop()
    }
}

/// A file for a `file` exporter.
pub(super) fn file_in(scratch: &Scratch, name: &str) -> PathBuf {
    scratch.path().join(format!("{name}.stored"))
}

/// Lines of the Collector's log in an error.
const LOGGED: usize = 3;
/// The time for the Collector to open its ports.
const START: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_names_its_parts() {
        let mut config = Config::default();
        let file = config.file(Path::new("/x/forward.stored"));
        config.processor("tail_sampling", json!({ "decision_wait": "1s" }));
        config.pipeline("all", &["plain"], &["tail_sampling"], &[file]);
        let json: Value = serde_json::from_str(&config.text()).unwrap();
        let pipeline = &json["service"]["pipelines"]["traces/all"];
        assert_eq!(pipeline["receivers"], json!(["otlp/plain"]));
        assert_eq!(pipeline["exporters"], json!(["file/forward"]));
        assert_eq!(json["exporters"]["file/forward"]["path"], "/x/forward.stored");
    }
}
