//! Spanwise over mimalloc.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    spanwise_bench_harness::serve(spanwise_benches::build)
}
