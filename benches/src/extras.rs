//! Set-ups of an application with more than spans to a receiver: redaction, tail sampling, span metrics, a spool, or all of them.

use spanwise::redaction::Redactor;
use spanwise::{LocalTrace, SpanMetrics, SpanwiseBuilder, SpoolSettings};
use std::path::PathBuf;
use std::time::Duration;

/// A directory that is removed in the end.
pub(crate) struct SpoolDirectory(Option<PathBuf>);

/// Adds what the name of the implementation ends with.
///
/// # Errors
/// The system has no temporary directory, or the rules of redaction are not accepted.
pub(crate) fn add(
    mut builder: SpanwiseBuilder,
    implementation: &str,
) -> Result<(SpanwiseBuilder, SpoolDirectory), String> {
    let mut directory = None;
    let has = |extra: &str| implementation.ends_with(extra) || implementation.ends_with("-all");
    if has("-redaction") {
        let redactor = Redactor::builder().with_all_presets().build();
        builder = builder.with_redaction(redactor.map_err(|error| error.to_string())?);
    }
    if has("-tail") {
        builder = builder.with_tail_sampling(errors_slow_and_one_percent);
    }
    if has("-span-metrics") {
        let metrics = SpanMetrics::builder().build().map_err(|error| error.to_string())?;
        builder = builder.with_span_metrics(metrics);
    }
    if has("-spool") {
        let name = format!("spanwise-bench-spool-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        builder = builder.with_spool(SpoolSettings::new(&path));
        directory = Some(path);
    }
    Ok((builder, SpoolDirectory(directory)))
}

/// The traces that tail sampling exports.
fn errors_slow_and_one_percent(trace: &LocalTrace<'_>) -> bool {
    trace.has_error() || trace.duration() > Duration::from_secs(1) || trace.is_in_ratio(0.01)
}

impl Drop for SpoolDirectory {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // A directory that stays is one of the system's temporary ones.
            let _removed = std::fs::remove_dir_all(path);
        }
    }
}
