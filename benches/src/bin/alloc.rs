//! Spanwise, its allocations counted.

#[global_allocator]
static ALLOCATOR: spanwise_bench_harness::CountingAllocator =
    spanwise_bench_harness::CountingAllocator;

fn main() -> std::process::ExitCode {
    spanwise_bench_harness::serve(spanwise_benches::build)
}
