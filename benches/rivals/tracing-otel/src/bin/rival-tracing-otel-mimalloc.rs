//! `tracing` and tracing-opentelemetry on the stock SDK, over mimalloc.

#[path = "../subject.rs"]
mod subject;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    spanwise_bench_harness::serve(subject::build)
}
