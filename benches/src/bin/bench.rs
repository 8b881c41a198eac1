//! Spanwise, timed.

fn main() -> std::process::ExitCode {
    spanwise_bench_harness::serve(spanwise_benches::build)
}
