//! Cumulative metrics keep the promises that their readers rely on: a constant start, and counters that do not fall.

use crate::points::sum;
use spanwise_sdk::{Outcome, SpanKind, Spanwise};
use std::time::Duration;

fn provider() -> Spanwise {
    let accept = |_| async { Outcome::Accepted { rejected: 0, message: None } };
    Spanwise::builder().with_environment(|_| None).with_sink(accept).build().unwrap()
}

#[test]
fn all_snapshots_of_a_provider_have_the_same_start() {
    let spanwise = provider();
    let start = spanwise.metrics().start_unix_nanos();
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(spanwise.metrics().start_unix_nanos(), start);
    }
}

#[test]
fn the_hits_of_the_pool_do_not_fall_when_another_provider_allocates_records() {
    let (spanwise, other) = (provider(), provider());
    let tracer = spanwise.tracer("one");
    (0..200).for_each(|_| tracer.root("one", SpanKind::Internal).finish());
    let before = sum(&spanwise.metrics(), "spanwise_pool_hits", &[]);
    assert!(before > 100, "{before}");
    let tracer = other.tracer("other");
    let open: Vec<_> = (0..1_000).map(|_| tracer.root("other", SpanKind::Internal)).collect();
    let after = sum(&spanwise.metrics(), "spanwise_pool_hits", &[]);
    drop(open);
    assert!(after >= before, "{before} hits fell to {after}");
}
