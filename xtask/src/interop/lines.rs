//! The lines of JSON that the Collector's `file` exporter writes.

use super::collector::{Collector, Config, file_in};
use super::route::{Route, Security};
use super::setup::Setup;
use crate::peers::{Report, Request, compare, decoded, spans_of, wait_until};
use serde_json::json;
use spanwise::wire::json::to_protobuf;
use std::fs;
use std::path::Path;
use std::time::Duration;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    if !report.wants_any([NAME.to_owned()]) {
        return Ok(());
    }
    let file = file_in(&setup.scratch, "lines");
    let mut config = Config::default();
    let ports = config.otlp("in", Security::Plain, &setup.certificates)?;
    let settings = json!({ "path": file, "format": "json", "flush_interval": "20ms" });
    config.exporter("file/lines", settings);
    config.pipeline("all", &["in"], &[], &["file/lines".to_owned()]);
    let collector = Collector::start(setup, "lines", &config)?;
    report.case(NAME, || {
        let route = Route::plain("grpc", "none");
        let sent = setup.corpus.send(NAME, route.variables(ports.grpc, &setup.certificates))?;
        let mut found = Ok(Request::default());
        let has_all = wait_until(PATIENCE, || {
            found = read(&file);
            found.as_ref().is_ok_and(|found| spans_of(found) >= sent.spans)
        });
        let found = found?;
        if !has_all {
            return Err(format!("{} of {} spans in the file", spans_of(&found), sent.spans));
        }
        compare(&found, &sent.expected)?;
        Ok(format!("{} spans", sent.spans))
    });
    collector.stop()
}

/// All spans of the complete lines.
fn read(file: &Path) -> Result<Request, String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut all = Request::default();
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let mut message = Vec::new();
        to_protobuf(line.trim_end().as_bytes(), MAX_LINE, &mut message)
            .map_err(|error| format!("{error}: {line:.200}"))?;
        all.resource_spans.extend(decoded(&message)?.resource_spans);
    }
    Ok(all)
}

const NAME: &str = "lines/file_exporter";
const MAX_LINE: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(15);
