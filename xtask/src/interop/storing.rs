//! A Collector that stores what arrives at a receiver of any security.

use super::collector::{Collector, Config, Ports, file_in};
use super::route::Security;
use super::setup::Setup;
use std::path::PathBuf;

/// A running Collector with an `otlp` receiver for each security and one file.
pub(super) struct StoringCollector {
    pub(super) collector: Collector,
    pub(super) file: PathBuf,
    ports: Vec<(Security, Ports)>,
}

impl StoringCollector {
    /// Starts it; `name` is that of its configuration and its file.
    ///
    /// # Errors
    /// As [`Collector::start`]; or the system has no port left.
    pub(super) fn start(setup: &Setup, name: &str) -> Result<Self, String> {
        let file = file_in(&setup.scratch, name);
        let mut config = Config::default();
        let mut ports = Vec::new();
        for security in Security::ALL {
            ports.push((security, config.otlp(security.name(), security, &setup.certificates)?));
        }
        let exporter = config.file(&file);
        config.pipeline("all", &Security::ALL.map(Security::name), &[], &[exporter]);
        Ok(Self { collector: Collector::start(setup, name, &config)?, file, ports })
    }

    /// The port of `security` for gRPC or for HTTP.
    ///
    /// # Errors
    /// No receiver has this security.
    pub(super) fn port(&self, security: Security, is_grpc: bool) -> Result<u16, String> {
        let (_, ports) = self.ports.iter().find(|(of, _)| *of == security).ok_or("no port")?;
        Ok(if is_grpc { ports.grpc } else { ports.http })
    }
}
