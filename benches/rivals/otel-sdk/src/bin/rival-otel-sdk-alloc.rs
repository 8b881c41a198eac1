//! The stock SDK, counted.

#[path = "../encode.rs"]
mod encode;
#[path = "../exporter.rs"]
mod exporter;
#[path = "../null_tracer.rs"]
mod null_tracer;
#[path = "../subject.rs"]
mod subject;

#[global_allocator]
static ALLOCATOR: spanwise_bench_harness::CountingAllocator =
    spanwise_bench_harness::CountingAllocator;

fn main() -> std::process::ExitCode {
    spanwise_bench_harness::serve(subject::build)
}
