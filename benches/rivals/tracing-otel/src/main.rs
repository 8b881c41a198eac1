//! `tracing` and tracing-opentelemetry on the stock SDK, timed.

mod subject;

fn main() -> std::process::ExitCode {
    spanwise_bench_harness::serve(subject::build)
}
