//! A running service takes another configuration: `cargo run --example reload`.
//!
//! Two receivers in this process stand for two collectors.

use spanwise::{Diagnostic, SpanKind, Spanwise};
use spanwise_receiver::Receiver;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (first, at_first) = Receiver::collecting()?;
    let (second, at_second) = Receiver::collecting()?;
    let tracing = Spanwise::builder().with_endpoint(first.http_endpoint()).init()?;
    let tracer = tracing.tracer("shop");
    (0..100).for_each(|_| tracer.root("order", SpanKind::Server).finish());
    tracing.force_flush()?;

    // A whole configuration: what it leaves out has the value of a variable, or the default.
    let next = Spanwise::builder()
        .with_endpoint(second.http_endpoint())
        .with_sampling_ratio(0.5)
        .with_budget_bytes(32 << 20);
    println!("{}", tracing.reload(next)?);

    // A configuration with a mistake changes nothing.
    let mistake = Spanwise::builder().with_endpoint("collector:4318").with_sampling_ratio(2.0);
    if let Err(error) = tracing.reload(mistake) {
        println!("refused: {error}");
    }
    tracing.force_flush()?;
    (0..100).for_each(|_| tracer.root("order", SpanKind::Server).finish());
    println!("{}", tracing.shutdown()?);
    println!("{} spans at the first, {} at the second", at_first.spans(), at_second.spans());

    follow_a_file(&second.http_endpoint())
}

/// A provider that follows its configuration file.
fn follow_a_file(endpoint: &str) -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("spanwise-reload-{}.yaml", std::process::id()));
    std::fs::write(&path, FILE.replace("SAMPLER", "always_on").replace("ENDPOINT", endpoint))?;
    let (reported, reports) = std::sync::mpsc::channel();
    let tracing = Spanwise::builder()
        .with_config_file(&path)
        .with_config_file_watch(Duration::from_secs(1))
        .with_diagnostics(move |diagnostic| {
            println!("{diagnostic}");
            if let Diagnostic::ConfigFileReloaded { .. } = diagnostic {
                let _received = reported.send(());
            }
        })
        .init()?;
    std::fs::write(&path, FILE.replace("SAMPLER", "always_off").replace("ENDPOINT", endpoint))?;
    reports.recv_timeout(Duration::from_secs(20))?;
    println!("{}", tracing.shutdown()?);
    std::fs::remove_file(path)?;
    Ok(())
}

const FILE: &str = "
file_format: \"1.1\"
tracer_provider:
  processors:
    - batch: { exporter: { otlp_http: { endpoint: \"ENDPOINT/v1/traces\" } } }
  sampler: { SAMPLER: }
";
