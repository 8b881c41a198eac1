//! The settings of a further destination, for an explanation.

use super::super::of_file::FurtherSetting;
use super::super::redaction::{REDACTED, shown_path};
use super::super::settings::millis;
use super::exporters::Kind;
use super::otlp::{Otlp, limit};
use super::processors::Processor;
use spanwise_transport::Protocol;
use std::path::Path;

/// The settings of `processor` that are its own, without secrets.
pub(super) fn settings(processor: &Processor<'_>) -> Vec<FurtherSetting> {
    let mut settings = Vec::new();
    let mut add = |key, paths, value| settings.push(FurtherSetting { key, paths, value });
    add("export_timeout", &["*.export_timeout"], with_unit(processor.export_timeout));
    if let Kind::Otlp(otlp) = &processor.exporter.kind {
        of_exporter(otlp, &mut add);
    }
    settings
}

fn of_exporter(otlp: &Otlp, add: &mut impl FnMut(&'static str, &'static [&'static str], String)) {
    add("protocol", &["*.exporter.*.encoding", "*.exporter.*"], otlp.protocol.to_string());
    if otlp.protocol == Protocol::Grpc {
        add("tls.insecure", &["*.exporter.*.tls.insecure"], otlp.insecure.to_string());
    }
    add("compression", &["*.exporter.*.compression"], otlp.compression.to_string());
    add("timeout", &["*.exporter.*.timeout"], with_unit(otlp.timeout));
    if !otlp.headers.is_empty() {
        let paths = &["*.exporter.*.headers", "*.exporter.*.headers_list"];
        let shown = |(name, _): &(String, String)| {
            let name = if otlp.hidden_names.contains(name) { REDACTED } else { name };
            format!("{name}={REDACTED}")
        };
        add("headers", paths, otlp.headers.iter().map(shown).collect::<Vec<_>>().join(","));
    }
    let path = |path: &Path| shown_path(&path.display().to_string());
    if let Some(file) = &otlp.ca_file {
        add("tls.ca_file", &["*.exporter.*.tls.ca_file"], path(file));
    }
    if let Some((certificates, key)) = &otlp.client_files {
        add("tls.cert_file", &["*.exporter.*.tls.cert_file"], path(certificates));
        add("tls.key_file", &["*.exporter.*.tls.key_file"], path(key));
    }
}

fn with_unit(timeout: std::time::Duration) -> String {
    format!("{} ms", millis(limit(timeout)))
}
