#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
use super::*;
use crate::{Bytes, Outcome, SpanKind, Spanwise};
use std::time::Duration;

fn provider() -> Spanwise {
    let accept = |_request: Bytes| async { Outcome::Accepted { rejected: 0, message: None } };
    Spanwise::builder().with_environment(|_| None).with_sink(accept).build().unwrap()
}

#[test]
fn attributes_are_counted_only_while_a_view_watches() {
    let spanwise = provider();
    let view = spanwise.live_view();
    let tracer = spanwise.tracer("shop");
    let end = |tenant: &str| {
        let mut span = tracer.root("checkout", SpanKind::Server);
        span.attribute("tenant", tenant);
        span.event("retried", &[("attempt", 2_i64.into())]);
        span.finish();
        spanwise.force_flush().unwrap();
    };
    end("before");
    assert_eq!(view.attributes(), Some(AttributeReport::default()));
    let charged = spanwise.buffered_bytes().0;
    view.watch_attributes();
    end("hunter2canary");
    end("another");
    let report = view.attributes().unwrap();
    assert_eq!(report.spans, 2);
    let keys: Vec<_> = report
        .keys
        .iter()
        .map(|it| (&*it.key, it.place.name(), it.occurrences, it.values))
        .collect();
    assert_eq!(keys, [("tenant", "span", 2, 2), ("attempt", "event", 2, 1)]);
    assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
    assert!(spanwise.buffered_bytes().0 > charged, "the sketch is charged");

    // The next drain after the time frees the memory.
    let core = &spanwise.handle.core;
    core.attributes.drained(&[], core.budget(), Instant::now() + Duration::from_secs(11));
    end("after");
    assert_eq!(view.attributes(), Some(AttributeReport::default()));
}

#[test]
fn a_sketch_is_charged_within_a_sixteenth_of_the_budget_or_not_at_all() {
    for (limit, keys) in [(16 << 20, MAX_KEYS), (2 << 20, MAX_KEYS / 4), (1 << 20, MIN_KEYS)] {
        let budget = Budget::new(limit);
        let sampled = Sampled::charged(&budget).unwrap();
        assert_eq!(budget.charged(), AttributeSketch::max_bytes(keys), "{limit}");
        assert!(budget.charged() <= limit / 16, "{limit}");
        drop(sampled);
        assert_eq!(budget.charged(), 0);
        let _all = budget.try_charge(limit).unwrap();
        assert!(Sampled::charged(&budget).is_none());
    }
}
