//! OpenTelemetry's declarative configuration: `cargo run --example config_file [FILE]`.
//!
//! Without an argument it writes a file that prints lines of OTLP/JSON on the standard output.

use spanwise::Spanwise;
use spanwise::opentelemetry::global;
use spanwise::opentelemetry::trace::Tracer;
use std::path::PathBuf;

const FILE: &str = "
file_format: \"1.1\"
resource:
  attributes:
    - { name: service.name, value: \"${SERVICE:-shop}\" }
tracer_provider:
  processors:
    - simple: { exporter: { otlp_file/development: { output_stream: stdout } } }
  sampler:
    parent_based: { root: { trace_id_ratio_based: { ratio: 0.5 } } }
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => {
            let path = std::env::temp_dir().join("spanwise-example.yaml");
            std::fs::write(&path, FILE)?;
            path
        }
    };
    // A mistake in the file is an error with its line, path and the nearest known key.
    let tracing = Spanwise::builder().with_config_file(path).init()?;
    for order in 0..4 {
        global::tracer("shop").in_span(format!("order {order}"), |_| {});
    }
    eprintln!("{}", tracing.shutdown()?);
    Ok(())
}
