#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
use crate::{Bytes, Outcome, SpanKind, Spanwise};
use std::time::{Duration, Instant};

fn provider() -> Spanwise {
    let accept = |_request: Bytes| async { Outcome::Accepted { rejected: 0, message: None } };
    Spanwise::builder().with_environment(|_| None).with_sink(accept).build().unwrap()
}

#[test]
fn spans_are_collected_only_while_a_view_watches() {
    let spanwise = provider();
    let view = spanwise.live_view();
    let tracer = spanwise.tracer("shop");
    tracer.root("before", SpanKind::Server).finish();
    spanwise.force_flush().unwrap();
    let charged = spanwise.buffered_bytes().0;
    view.watch_spans();
    tracer.root("checkout\n", SpanKind::Server).finish();
    spanwise.force_flush().unwrap();
    let spans = view.snapshot().unwrap().recent_spans;
    assert_eq!(spans.len(), 1, "{spans:?}");
    assert_eq!((&*spans[0].name, &*spans[0].scope), ("checkout ", "shop"));
    assert_eq!(spans[0].kind, SpanKind::Server);
    assert!(!spans[0].parent_span_id.is_valid() && spans[0].trace_id.is_valid());
    assert!(spanwise.buffered_bytes().0 > charged, "the ring is charged");

    // The next drain after the time frees the memory.
    let later = Instant::now() + Duration::from_secs(11);
    let core = &spanwise.handle.core;
    core.recent.drained(&[], (&core.scopes, core.budget()), later);
    assert!(view.snapshot().unwrap().recent_spans.is_empty());
    tracer.root("after", SpanKind::Server).finish();
    spanwise.force_flush().unwrap();
    assert!(view.snapshot().unwrap().recent_spans.is_empty());
}
