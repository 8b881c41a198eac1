//! The floor prototype, timed.
//!
//! It has the native path's techniques and none of its features: two readings of the counter, ids, a
//! span's bytes appended to a pooled buffer, a chunk of 64 KiB per thread and a consumer thread. It
//! has no limits, no search for duplicate keys, no sampler, no links, no status, no budget of bytes
//! and no calibration after its start. Spanwise cannot be faster than this, and each feature shows as
//! a distance from it.

mod buffer;
mod clock;
mod consumer;
mod exchange;
mod field;
mod http;
mod ids;
mod local;
mod span;
mod subject;

fn main() -> std::process::ExitCode {
    spanwise_bench_harness::serve(subject::build)
}
