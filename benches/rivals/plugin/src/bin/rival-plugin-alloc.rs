//! The stock SDK with Spanwise's processor, counted.

#[path = "../end.rs"]
mod end;
#[path = "../subject.rs"]
mod subject;

#[global_allocator]
static ALLOCATOR: spanwise_bench_harness::CountingAllocator =
    spanwise_bench_harness::CountingAllocator;

fn main() -> std::process::ExitCode {
    spanwise_bench_harness::serve(subject::build)
}
