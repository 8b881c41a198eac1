//! Tail sampling in virtual time: which traces leave, when, and how the ledger counts the others. The oracle is the
//! test's own list of traces.

use crate::support;

use spanwise_export::{LocalTrace, OnFull, TailDecision, TailSampling};
use spanwise_ledger::Counter;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::ended_span::{child, root};
use support::line::{Line, line};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// The schedule of drains: a root that was drained waits for the next one.
const DRAINED: Duration = Duration::from_millis(1_300);

fn errors() -> TailSampling {
    TailSampling::new(|trace: &LocalTrace<'_>| trace.has_error())
}

fn tail(sampling: TailSampling) -> Line {
    line(|builder| builder.with_tail_sampling(sampling))
}

/// The spans of a trace with `children`, root last.
fn push_trace(line: &mut Line, trace: u128, children: u64, is_error: bool) {
    for id in 2..2 + children {
        let span = child(trace, id, 1);
        line.push_span(&if is_error && id == 2 { span.error() } else { span });
    }
    line.push_span(&root(trace, 1));
}

fn ids(traces: impl IntoIterator<Item = u128>, spans: u64) -> Vec<(u128, u64)> {
    traces.into_iter().flat_map(|trace| (1..=spans).map(move |span| (trace, span))).collect()
}

#[test]
fn a_trace_is_exported_whole_or_not_at_all() {
    let mut line = tail(errors());
    (1..=100).for_each(|trace| push_trace(&mut line, trace, 4, trace % 10 == 0));
    line.wait(DRAINED);
    line.answer_all();
    assert_eq!(line.take_exported(), ids((1..=10).map(|trace| trace * 10), 5));
    let account = line.ledger();
    account.check().unwrap();
    assert_eq!((account.created, account.exported), (500, 50));
    assert_eq!((account.tail_not_sampled, account.tail_dropped, account.in_flight), (450, 0, 0));
    assert_eq!(account.counter(Counter::TailDecidedEarly), 0);
    assert!(line.shut_down().is_empty());
}

#[test]
fn a_dropped_trace_has_an_outcome_of_its_own() {
    let mut line = tail(TailSampling::new(|trace: &LocalTrace<'_>| match trace.span_count() {
        1 => TailDecision::Dropped,
        2 => TailDecision::NotSampled,
        _ => TailDecision::Sampled,
    }));
    (1..=3).for_each(|trace| push_trace(&mut line, trace, trace as u64 - 1, false));
    line.shut_down();
    let account = line.ledger();
    assert_eq!((account.exported, account.tail_not_sampled, account.tail_dropped), (3, 2, 1));
    assert_eq!(account.dropped_total(), 0, "a decision is no loss");
}

/// Without a local root, a trace waits for the decision wait from its first span.
#[test]
fn a_trace_without_a_local_root_waits_for_the_decision_wait() {
    let mut line = tail(errors().with_decision_wait(10 * SECOND));
    line.push_span(&child(7, 2, 1).error());
    line.wait(5 * SECOND);
    line.push_span(&child(7, 3, 1));
    line.wait(5 * SECOND);
    assert_eq!(line.take_exported(), []);
    line.wait(2 * SECOND);
    assert_eq!(line.take_exported(), [(7, 2), (7, 3)]);
    // A parent in another service makes a span a local root.
    line.push_span(&child(8, 2, 1).error().remote());
    line.wait(DRAINED);
    assert_eq!(line.take_exported(), [(8, 2)]);
}

#[test]
fn a_trace_waits_after_its_local_root_for_the_time_that_is_set() {
    let wait = 5 * SECOND;
    let mut line = tail(errors().with_decision_wait_after_root_received(wait));
    push_trace(&mut line, 7, 2, false);
    line.wait(4 * SECOND);
    // It ends after the root, and is an error.
    line.push_span(&child(7, 9, 1).error());
    line.wait(SECOND);
    assert_eq!(line.take_exported(), []);
    line.wait(DRAINED + SECOND);
    assert_eq!(line.take_exported(), [(7, 1), (7, 2), (7, 3), (7, 9)]);
}

#[test]
fn late_spans_follow_the_decision() {
    let mut line = tail(errors());
    push_trace(&mut line, 1, 3, true);
    push_trace(&mut line, 2, 3, false);
    line.wait(DRAINED);
    assert_eq!(line.take_exported(), ids([1], 4));
    for trace in [1, 2] {
        line.push_span(&child(trace, 99, 1));
        line.push_span(&child(trace, 98, 1).error());
    }
    line.wait(DRAINED);
    assert_eq!(line.take_exported(), [(1, 98), (1, 99)]);
    assert_eq!(line.ledger().tail_not_sampled, 6);
    line.shut_down();
}

#[test]
fn a_flush_decides_about_all_traces() {
    let mut line = tail(errors().with_decision_wait(HOUR));
    line.push_span(&child(1, 2, 1).error());
    line.push_span(&child(2, 2, 1));
    line.flush();
    assert_eq!(line.take_exported(), [(1, 2)]);
    line.answer();
    assert!(line.is_flushed());
    let account = line.ledger();
    assert_eq!((account.exported, account.tail_not_sampled, account.in_flight), (1, 1, 0));
    // The rest of a trace follows.
    line.push_span(&root(1, 1));
    line.push_span(&root(2, 1).error());
    line.shut_down();
    assert_eq!(line.take_exported(), [(1, 1)]);
}

#[test]
fn a_shutdown_decides_about_all_traces_or_drops_them() {
    for drops in [false, true] {
        let sampling = errors().with_decision_wait(HOUR);
        let mut line = tail(sampling.with_drop_pending_traces_on_shutdown(drops));
        for trace in 1..=10 {
            line.push_span(&child(trace, 2, 1));
            line.push_span(&child(trace, 3, 1).error());
        }
        line.wait(2 * SECOND);
        line.push_span(&child(1, 4, 1));
        line.shut_down();
        let account = line.ledger();
        let outcomes = (account.exported, account.tail_not_sampled, account.tail_dropped);
        assert_eq!(outcomes, if drops { (0, 0, 21) } else { (21, 0, 0) });
    }
}

/// The deadline passes while the receiver gives no answer.
#[test]
fn a_shutdown_ends_by_its_deadline_with_traces_that_wait() {
    let mut line = tail(errors().with_decision_wait(HOUR));
    (1..=10).for_each(|trace| line.push_span(&child(trace, 2, 1).error()));
    line.push_span(&child(11, 2, 1));
    line.wait(2 * SECOND);
    line.shut_down_within(SECOND);
    let account = line.ledger();
    account.check().unwrap();
    assert_eq!((account.exported, account.tail_not_sampled), (0, 1));
    assert_eq!(account.dropped_total(), 10);
}

#[test]
fn a_panic_of_the_sampler_is_counted_and_its_trace_is_exported() {
    let mut line = tail(TailSampling::new(|trace: &LocalTrace<'_>| {
        assert!(trace.trace_id().0.is_multiple_of(2), "on purpose");
        false
    }));
    (1..=1_000).for_each(|trace| push_trace(&mut line, trace, 1, false));
    line.wait(DRAINED);
    line.answer_all();
    assert_eq!(line.take_exported(), ids((1..=999).step_by(2), 2));
    assert_eq!(line.ledger().counter(Counter::TailPanicked), 500);
    assert_eq!(line.panics(), 500, "they are reported");
    line.shut_down();
}

#[test]
fn a_sampler_reads_each_span_of_the_trace_in_place() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let read = seen.clone();
    let mut line = tail(TailSampling::new(move |trace: &LocalTrace<'_>| {
        assert_eq!(trace.span_count(), trace.spans().count());
        let root = trace.local_root().unwrap();
        assert!(trace.is_complete() && root.name() == "GET /" && root.is_local_root());
        assert_eq!(trace.duration(), Duration::from_millis(40));
        for span in trace.spans() {
            let value = span.attribute("key").map(|value| format!("{value:?}").len() > 10);
            let parent = span.parent_span_id().0;
            read.lock().unwrap().push((span.span_id().0, parent, span.name().to_owned(), value));
            assert!(span.view().is_some());
        }
        false
    }));
    line.push_span(&child(5, 2, 1).bytes(20).name("query"));
    line.push_span(&child(5, 3, 2).millis(40));
    line.wait(2 * SECOND);
    line.push_span(&root(5, 1).name("GET /").millis(30));
    line.shut_down();
    let expected = [(2, 1, "query", Some(true)), (3, 2, "span", None), (1, 0, "GET /", None)];
    let expected = expected.map(|(id, parent, name, value)| (id, parent, name.to_owned(), value));
    assert_eq!(*seen.lock().unwrap(), expected);
    assert_eq!(line.panics(), 0);
}

/// Spans that wait leave memory for new ones: those that have waited longest are decided before they are due.
#[test]
fn pressure_decides_the_earliest_traces_early() {
    let budget = 2 << 20;
    let mut line = line(|builder| {
        let sampling = errors().with_decision_wait(HOUR);
        builder.with_budget_bytes(budget).with_tail_sampling(sampling)
    });
    // Each trace has an error and no root; 12 MB in all.
    for trace in 1..=6_000u128 {
        line.push_span(&child(trace, 2, 1).bytes(1_000));
        line.push_span(&child(trace, 3, 1).bytes(1_000).error());
        if trace % 20 == 0 {
            line.wait(Duration::from_millis(100));
            line.answer_all();
        }
    }
    let account = line.ledger();
    assert_eq!(account.dropped_total(), 0, "none is refused");
    let early = account.counter(Counter::TailDecidedEarly);
    assert!(early > 5_000, "{early} were decided early");
    assert!(account.in_flight * 1_100 > budget as u64 / 6, "{} wait", account.in_flight);
    assert!(account.in_flight * 1_000 < budget as u64 / 2, "{} wait", account.in_flight);
    assert!(line.budget().peak() <= budget);
    line.shut_down();
    assert_eq!(line.ledger().exported, 12_000);
    assert_eq!(line.take_exported().len(), 12_000);
}

#[test]
fn spans_that_wait_leave_half_of_the_queue_free() {
    let mut line = line(|builder| {
        let sampling = errors().with_decision_wait(HOUR);
        builder.with_max_queue_size(1_000).with_tail_sampling(sampling)
    });
    for trace in 1..=2_000 {
        line.push_span(&child(trace, 2, 1));
        if trace % 50 == 0 {
            line.wait(2 * SECOND);
        }
    }
    assert_eq!(line.dropped(), 0, "none is refused");
    assert!((400..=500).contains(&line.machine().backlog_spans()), "{:?}", line.ledger());
}

#[test]
fn a_queue_that_sheds_traces_recovers_while_traces_wait() {
    let mut line = line(|builder| {
        let builder = builder.with_budget_bytes(1 << 20).with_on_full(OnFull::ShedByTrace);
        builder.with_tail_sampling(errors().with_decision_wait(HOUR))
    });
    let none = line.shed_threshold();
    let mut trace = 0;
    while line.shed_threshold() == none {
        trace += 1;
        line.push_span(&child(trace, 2, 1).bytes(200));
    }
    line.wait(2 * SECOND);
    line.answer_all();
    line.wait(SECOND);
    assert_eq!(line.shed_threshold(), none);
}

#[test]
fn the_number_of_traces_is_bounded() {
    let mut line = tail(errors().with_decision_wait(HOUR).with_num_traces(10));
    (1..=100).for_each(|trace| line.push_span(&child(trace, 2, 1)));
    line.wait(2 * SECOND);
    let account = line.ledger();
    assert_eq!((account.tail_not_sampled, account.in_flight), (90, 10));
    assert_eq!(account.counter(Counter::TailDecidedEarly), 90);
}

#[test]
fn a_trace_is_decided_at_its_most_spans_and_dropped_beyond_its_most_bytes() {
    let sampling = errors().with_decision_wait(HOUR).with_max_spans_per_trace(50);
    let mut line = tail(sampling.with_maximum_trace_size_bytes(100_000));
    // Decided at 50 spans, none of which is an error: the rest follows.
    (0..200).for_each(|id| line.push_span(&child(1, id + 2, 1)));
    line.wait(2 * SECOND);
    line.push_span(&child(1, 999, 1).error());
    // 150 KB in 15 spans.
    (0..15).for_each(|id| line.push_span(&child(2, id + 2, 1).bytes(10_000).error()));
    line.wait(2 * SECOND);
    let account = line.ledger();
    assert_eq!((account.tail_not_sampled, account.tail_dropped), (201, 15));
    assert_eq!(account.in_flight, 0);
    line.shut_down();
}

/// A trace that fills the budget, with spans up to the largest.
#[test]
fn a_huge_trace_is_decided_and_its_rest_follows() {
    let mut line = line(|builder| {
        let sampling = errors().with_decision_wait(HOUR);
        builder.with_budget_bytes(2 << 20).with_tail_sampling(sampling)
    });
    let mut refused = 0;
    for id in 2..3_002u64 {
        let bytes = if id % 100 == 0 { 60_000 } else { 2_000 };
        line.push_span(&child(9, id, 1).bytes(bytes));
        if id % 10 == 0 {
            line.wait(Duration::from_millis(100));
            line.answer_all();
        }
        refused = line.dropped();
    }
    assert_eq!(refused, 0);
    line.push_span(&root(9, 1).error());
    line.shut_down();
    let account = line.ledger();
    assert_eq!((account.exported, account.tail_not_sampled), (0, 3_001));
    assert_eq!(account.counter(Counter::TailDecidedEarly), 1);
}

/// All memory that tail sampling uses is charged, and freed with the exporter.
#[test]
fn the_index_is_charged_to_the_budget() {
    let plain = line(|builder| builder).budget().charged();
    let mut line = tail(errors().with_decision_wait(HOUR));
    let decisions = line.budget().charged();
    assert!(decisions >= plain + (16 << 20) / 128, "the decisions are charged: {decisions}");
    (1..=8_000).for_each(|trace| line.push_span(&child(trace, 2, 1)));
    let pushed = line.budget().charged();
    line.wait(2 * SECOND);
    let held = line.budget().charged();
    // At least 100 bytes for each trace and its run, beyond those of the chunks.
    assert!(held >= pushed + 8_000 * 100 - (64 << 10), "{pushed} before, {held} with an index");
    line.flush();
    line.wait(10 * SECOND);
    assert!(line.budget().charged() <= pushed, "an idle exporter frees it");
    line.shut_down();
    assert_eq!(line.charged_at_end(), 0);
}

/// A ratio is consistent: by the id alone, and a larger one contains a smaller one.
#[test]
fn a_ratio_is_that_of_trace_ids() {
    let counts = Arc::new(Mutex::new([0u32; 4]));
    let seen = counts.clone();
    let mut line = tail(TailSampling::new(move |trace: &LocalTrace<'_>| {
        let is_in = [0.0, 0.01, 0.25, 1.0].map(|ratio| trace.is_in_ratio(ratio));
        assert!(is_in.is_sorted());
        let mut counts = seen.lock().unwrap();
        counts.iter_mut().zip(is_in).for_each(|(count, is_in)| *count += u32::from(is_in));
        is_in[1]
    }));
    let ids = (1..=10_000u128)
        .map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    ids.for_each(|id| line.push_span(&root(id, 1)));
    line.shut_down();
    let [none, few, quarter, all] = *counts.lock().unwrap();
    assert_eq!((none, all), (0, 10_000));
    assert!((80..=120).contains(&few) && (2_400..=2_600).contains(&quarter), "{few} {quarter}");
    assert_eq!(line.ledger().exported, u64::from(few));
}

/// Settings out of range have the nearest possible value.
#[test]
fn impossible_settings_are_limited() {
    let sampling = errors().with_num_traces(0).with_max_spans_per_trace(0);
    let mut line = tail(sampling.with_decision_wait(Duration::MAX));
    (1..=10).for_each(|trace| line.push_span(&child(trace, 2, 1)));
    line.wait(2 * SECOND);
    let account = line.ledger();
    assert_eq!((account.tail_not_sampled, account.in_flight), (10, 0), "one span is the most");
    let mut line = tail(errors().with_decision_wait_after_root_received(Duration::MAX));
    line.push_span(&root(1, 1).error());
    line.wait(SECOND);
    line.shut_down();
    assert_eq!(line.ledger().exported, 1);
}
