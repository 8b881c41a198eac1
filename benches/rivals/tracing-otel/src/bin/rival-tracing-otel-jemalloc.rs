//! `tracing` and tracing-opentelemetry on the stock SDK, over jemalloc.

#[path = "../subject.rs"]
mod subject;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    spanwise_bench_harness::serve(subject::build)
}
