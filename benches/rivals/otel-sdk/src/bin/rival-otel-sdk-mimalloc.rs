//! The stock SDK over mimalloc.

#[path = "../encode.rs"]
mod encode;
#[path = "../exporter.rs"]
mod exporter;
#[path = "../null_tracer.rs"]
mod null_tracer;
#[path = "../subject.rs"]
mod subject;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    spanwise_bench_harness::serve(subject::build)
}
