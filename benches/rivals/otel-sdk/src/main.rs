//! The stock SDK, timed.

mod encode;
mod exporter;
mod null_tracer;
mod subject;

fn main() -> std::process::ExitCode {
    spanwise_bench_harness::serve(subject::build)
}
