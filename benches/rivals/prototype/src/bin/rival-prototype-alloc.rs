//! The floor prototype, its allocations counted.

#[path = "../buffer.rs"]
mod buffer;
#[path = "../clock.rs"]
mod clock;
#[path = "../consumer.rs"]
mod consumer;
#[path = "../exchange.rs"]
mod exchange;
#[path = "../field.rs"]
mod field;
#[path = "../http.rs"]
mod http;
#[path = "../ids.rs"]
mod ids;
#[path = "../local.rs"]
mod local;
#[path = "../span.rs"]
mod span;
#[path = "../subject.rs"]
mod subject;

#[global_allocator]
static ALLOCATOR: spanwise_bench_harness::CountingAllocator =
    spanwise_bench_harness::CountingAllocator;

fn main() -> std::process::ExitCode {
    spanwise_bench_harness::serve(subject::build)
}
