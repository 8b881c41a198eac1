//! The benches of the source document have the right answers.

#[allow(dead_code, reason = "the bench has a `main` of its own")]
#[path = "../benches/document.rs"]
mod document;

use criterion::Criterion;
use std::time::Duration;

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_millis(10))
        .nresamples(1_000)
        .output_directory(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")))
        .without_plots()
}

#[test]
fn every_span_that_is_made_arrives() {
    document::span_creation(&mut short());
}

#[test]
fn every_batch_arrives_whole() {
    document::batch_export(&mut short());
}
