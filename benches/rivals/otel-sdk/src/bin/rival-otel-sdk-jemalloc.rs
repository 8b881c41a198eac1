//! The stock SDK over jemalloc.

#[path = "../encode.rs"]
mod encode;
#[path = "../exporter.rs"]
mod exporter;
#[path = "../null_tracer.rs"]
mod null_tracer;
#[path = "../subject.rs"]
mod subject;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    spanwise_bench_harness::serve(subject::build)
}
