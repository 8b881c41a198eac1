//! The examples run to their end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "../examples/plug_in_exporter.rs"]
mod plug_in_exporter;
#[path = "../examples/plug_in_processor.rs"]
mod plug_in_processor;
#[path = "../examples/plug_in_sampler.rs"]
mod plug_in_sampler;

/// One test: the examples share the globals of the API.
#[test]
fn the_examples_export_their_spans() {
    plug_in_processor::main().unwrap();
    plug_in_exporter::main().unwrap();
    plug_in_sampler::main().unwrap();
}
