//! The examples run to their end; each checks its own answer.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue must fail")]

#[path = "../examples/batching.rs"]
mod batching;
#[path = "../examples/drop_in.rs"]
mod drop_in;
#[path = "../examples/export_task.rs"]
mod export_task;
#[path = "../examples/fewer_allocations.rs"]
mod fewer_allocations;
#[path = "../examples/metrics_prometheus.rs"]
mod metrics_prometheus;
#[path = "../examples/process_request.rs"]
mod process_request;
#[path = "../examples/samplers.rs"]
mod samplers;

#[test]
fn requests_are_as_large_as_their_setting_allows() {
    batching::main().unwrap();
}

#[test]
fn a_pool_of_ten_threads_sends_a_thousand_batches() {
    export_task::main().unwrap();
}

/// The only test here that sets the global provider.
#[test]
fn code_for_the_api_exports_its_spans() {
    drop_in::main().unwrap();
}

#[test]
fn reuse_and_known_capacity_allocate_less() {
    fewer_allocations::main().unwrap();
}

#[test]
fn the_text_for_prometheus_has_the_outcome_of_each_span() {
    metrics_prometheus::main().unwrap();
}

#[test]
fn one_pooled_span_serves_all_requests() {
    process_request::main().unwrap();
}

#[test]
fn samplers_sample_their_share() {
    samplers::main().unwrap();
}
