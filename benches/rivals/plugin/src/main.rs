//! The stock SDK with Spanwise's processor, timed.

mod end;
mod subject;

fn main() -> std::process::ExitCode {
    spanwise_bench_harness::serve(subject::build)
}
