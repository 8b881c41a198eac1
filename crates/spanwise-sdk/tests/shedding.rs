//! A queue that sheds whole traces (`OnFull::ShedByTrace`). The oracles are the specification (*TraceState:
//! Probability Sampling*: R, T and the adjusted count, computed here), the ids that arrive at a
//! receiver, and the numbers of spans that a test started.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceState, Tracer as _};
use spanwise_pool::PooledSpan;
use spanwise_receiver::Receiver;
use spanwise_sampling::{RateLimited, Sampler};
use spanwise_sdk::{DropReason, Finished, OnFull, SpanKind, Spanwise, SpanwiseBuilder, Tracer};
use spanwise_testkit::{Fault, FaultProxy, SplitMix64, in_own_process};
use std::time::{Duration, Instant};
use support::full_queue::{
    self, check_forked_child, check_shutdown, remote, unrecorded_root, until,
};
use support::{LONG, assert_idle, builder, wait_until_idle};

/// A provider that sheds, and whose receiver never answers: the fill, and so the threshold, changes only when a
/// span ends.
fn stuck(configure: impl FnOnce(SpanwiseBuilder) -> SpanwiseBuilder) -> Spanwise {
    full_queue::stuck(|builder| configure(builder.with_on_full(OnFull::ShedByTrace)))
}

/// The threshold of a context, by the specification: up to 14 hexadecimal digits.
fn threshold(context: &SpanContext) -> Option<u64> {
    let member = context.trace_state().get("ot")?;
    let digits = member.split(';').find_map(|pair| pair.strip_prefix("th:"))?;
    Some(u64::from_str_radix(&format!("{digits:0<14}"), 16).unwrap())
}

fn randomness(context: &SpanContext) -> u64 {
    u128::from_be_bytes(context.trace_id().to_bytes()) as u64 & (END - 1)
}

/// Fills the queue until the threshold is in the middle, and returns it. No span ends after this.
fn middle(tracer: &Tracer) -> u64 {
    let root = until(
        || tracer.root("root", SpanKind::Server),
        |span| threshold(span.context()).is_some_and(|it| it > END / 4),
    );
    let found = threshold(root.context()).unwrap();
    // Its end would change the fill.
    std::mem::forget(root);
    found
}

/// Runs `check` with the threshold in force. The worker may change it meanwhile; then the check is repeated. It may also change it
/// back, so that a check fails for good only when it fails again and again.
fn with_threshold(tracer: &Tracer, check: impl Fn(u64) -> Result<(), String>) {
    let patience = Instant::now() + LONG;
    let mut failures = 0;
    loop {
        let before = middle(tracer);
        let result = check(before);
        let after = middle(tracer);
        match result {
            Ok(()) => return,
            Err(problem) if before == after => {
                failures += 1;
                assert!(failures < 5, "{problem}");
            }
            Err(_) => assert!(Instant::now() < patience, "the threshold does not settle"),
        }
    }
}

fn expect(is_true: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if is_true { Ok(()) } else { Err(problem()) }
}

#[test]
fn a_shed_root_is_not_sampled_and_its_children_follow_it() {
    for size in [None, Some(100)] {
        let spanwise = stuck(|builder| match size {
            Some(size) => builder.with_max_queue_size(size),
            None => builder,
        });
        let tracer = spanwise.tracer("shedding");
        let root = unrecorded_root(&tracer);
        let context = root.context().clone();
        assert!(context.is_valid() && !context.is_sampled());
        assert_eq!(context.trace_flags().to_u8(), 2, "the random flag stays");
        assert_eq!(*context.trace_state(), TraceState::NONE);
        let before = spanwise.ledger();
        let native = tracer.child("child", SpanKind::Internal, &context);
        let below = tracer.child("grandchild", SpanKind::Internal, native.context());
        let parent = Context::new().with_remote_span_context(context.clone());
        let api = tracer.start_with_context("child", &parent);
        for child in [&native, &below, &api] {
            assert!(!child.is_recording() && !child.context().is_sampled());
            assert_eq!(child.context().trace_id(), context.trace_id());
        }
        drop((api, below, native, root));
        assert_eq!(spanwise.ledger().since(&before).sampled_out, 3);
        let ledger = spanwise.ledger();
        assert!(ledger.dropped(DropReason::Shed) > 0);
        assert_eq!(ledger.dropped_total(), ledger.dropped(DropReason::Shed), "before it is full");
        let _timed_out = spanwise.shutdown_timeout(Duration::from_millis(10));
        assert_idle(&wait_until_idle(&spanwise));
    }
}

#[test]
fn a_span_below_a_sampled_span_of_this_process_is_recorded() {
    let spanwise = stuck(|builder| builder);
    let tracer = spanwise.tracer("shedding");
    let early = tracer.root("early", SpanKind::Server);
    assert_eq!(*early.context().trace_state(), TraceState::NONE, "nothing is shed yet");
    // Until every trace is shed.
    let mut in_a_row = 0;
    while in_a_row < 1000 {
        in_a_row =
            if tracer.root("root", SpanKind::Server).is_recording() { 0 } else { in_a_row + 1 };
    }
    let mut pooled = PooledSpan::default();
    for _ in 0..10 {
        let child = tracer.child("child", SpanKind::Internal, early.context());
        let below = tracer.child("below", SpanKind::Internal, child.context());
        let api = tracer.start_with_context(
            "api",
            &Context::new().with_span(tracer.child("parent", SpanKind::Internal, early.context())),
        );
        for span in [&child, &below, &api] {
            assert!(span.is_recording() && span.context().is_sampled());
            assert_eq!(threshold(span.context()), None, "as its root");
        }
        assert!(tracer.start_pooled(&mut pooled, "p", SpanKind::Internal, Some(early.context())));
    }
}

/// R ≥ T, for roots, and for spans below a parent of another process.
#[test]
fn a_local_root_is_shed_by_the_randomness_of_its_trace() {
    let spanwise = stuck(|builder| builder);
    let tracer = spanwise.tracer("shedding");
    with_threshold(&tracer, |in_force| {
        let roots: Vec<_> = (0..200).map(|_| tracer.root("root", SpanKind::Server)).collect();
        let checked = roots.iter().try_for_each(|root| {
            let context = root.context();
            let expected = randomness(context) >= in_force;
            expect(root.is_recording() == expected && context.is_sampled() == expected, || {
                format!("{in_force:x}: {context:?}")
            })?;
            expect(threshold(context) == expected.then_some(in_force), || format!("{context:?}"))
        });
        std::mem::forget(roots);
        checked
    });
    let mut random = SplitMix64::new(7);
    let ids: Vec<u64> = (0..50).map(|_| random.next_u64() & (END - 1)).collect();
    with_threshold(&tracer, |in_force| {
        let check = |id: u128, trace_state: &str, expected: Option<&str>| {
            let child = tracer.child("child", SpanKind::Server, &remote(id, true, trace_state));
            let header = child.context().trace_state().header();
            let is_recording = child.is_recording();
            std::mem::forget(child);
            expect(is_recording == expected.is_some(), || format!("{in_force:x} {trace_state}"))?;
            let expected = expected.map(str::to_owned);
            let expected = expected.unwrap_or_else(|| trace_state.replace("ot=th:8", ""));
            let sorted = |header: &str| {
                let mut members: Vec<_> = header.split(',').map(str::to_owned).collect();
                members.retain(|member| !member.is_empty());
                members.sort();
                members
            };
            expect(sorted(&header) == sorted(&expected), || format!("{header} for {expected}"))
        };
        let digits = format!("{in_force:014x}");
        let th = digits.trim_end_matches('0');
        let own = format!("ot=th:{th}");
        // Without a threshold of the other service its probability is unknown, and stays so.
        for &low in &ids {
            check(5 << 64 | u128::from(low), "", (low >= in_force).then_some(""))?;
        }
        // Explicit randomness counts, and not the trace id.
        let (low, high) = ("ot=rv:00000000000001", "ot=rv:fffffffffffffe");
        check(u128::MAX, low, None)?;
        check(1, high, Some(high))?;
        check(1, &format!("a=1,{high};th:0"), Some(&format!("ot=rv:fffffffffffffe;th:{th},a=1")))?;
        // The threshold of another service stays where it is higher.
        check(u128::MAX, "ot=th:fffffff", Some("ot=th:fffffff"))?;
        check(u128::MAX, "ot=th:0", Some(&own))?;
        check(u128::MAX, "ot=th:0;x:y", Some(&format!("ot=th:{th};x:y")))?;
        // A parent that is not sampled: the sampler decides.
        let follower = tracer.child("child", SpanKind::Server, &remote(u128::MAX, false, ""));
        expect(!follower.is_recording(), || "it follows".to_owned())
    });
}

#[test]
fn a_root_has_the_higher_one_of_the_thresholds() {
    // Of a quarter: below and above the threshold in force.
    let sampler = || Sampler::probability(0.25).unwrap().parent_based();
    let spanwise = stuck(|builder| builder.with_sampler(sampler()));
    let tracer = spanwise.tracer("shedding");
    let own = 3 * END / 4;
    let patience = Instant::now() + LONG;
    let mut seen = [false; 2];
    while seen != [true; 2] {
        let root = tracer.root("root", SpanKind::Server);
        if let Some(found) = threshold(root.context()) {
            assert!(root.is_recording() && found >= own && randomness(root.context()) >= found);
            seen[usize::from(found > own)] = true;
        }
        assert!(Instant::now() < patience, "{seen:?}");
    }
}

#[test]
fn no_threshold_is_written_where_the_probability_of_the_sampler_is_unknown() {
    let sampler = RateLimited::new(1e6).unwrap();
    let spanwise = stuck(|builder| builder.with_sampler(sampler));
    let tracer = spanwise.tracer("shedding");
    let patience = Instant::now() + LONG;
    while spanwise.ledger().dropped(DropReason::Shed) < 100 {
        let root = tracer.root("root", SpanKind::Server);
        assert_eq!(threshold(root.context()), None);
        assert!(Instant::now() < patience);
    }
}

/// A sampler that ignores its parent samples a child of a shed root: the queue sheds it by the same randomness.
#[test]
fn a_child_of_a_shed_root_is_shed_too_where_the_sampler_ignores_its_parent() {
    let spanwise = stuck(|builder| builder.with_sampler(Sampler::always_on()));
    let tracer = spanwise.tracer("shedding");
    with_threshold(&tracer, |_| {
        let mut roots: Vec<_> = (0..200).map(|_| tracer.root("root", SpanKind::Server)).collect();
        let shed = roots.iter().position(|root| !root.is_recording());
        let root = roots.swap_remove(shed.ok_or("no root is shed")?);
        std::mem::forget(roots);
        let child = tracer.child("child", SpanKind::Internal, root.context());
        let is_shed = !child.is_recording() && !child.context().is_sampled();
        std::mem::forget(child);
        expect(is_shed, || "the child is recorded".to_owned())
    });
    assert_eq!(spanwise.ledger().sampled_out, 0, "both count as shed");
}

#[test]
fn a_pooled_span_is_shed_at_its_start_and_counted_at_its_end() {
    let spanwise = stuck(|builder| builder);
    let tracer = spanwise.tracer("shedding");
    let start = || {
        let mut span = PooledSpan::default();
        let sampled = tracer.start_pooled(&mut span, "pooled", SpanKind::Internal, None);
        if sampled {
            assert_eq!(tracer.finish_pooled(&span), Ok(Finished::Recorded));
        }
        (sampled, span)
    };
    let (_, with_threshold) = until(start, |(_, span)| !span.trace_state.is_empty());
    assert!(with_threshold.trace_state.starts_with("ot=th:"));
    let (_, span) = until(start, |(sampled, _)| !sampled);
    assert!(!span.trace_flags.is_sampled() && span.trace_state.is_empty());
    let before = spanwise.ledger();
    assert_eq!(tracer.finish_pooled(&span), Ok(Finished::Refused));
    let since = spanwise.ledger().since(&before);
    assert_eq!((since.created, since.dropped(DropReason::Shed)), (1, 1));
}

/// Within their deadlines, and every span has an outcome.
#[test]
fn a_shutdown_while_traces_are_shed_accounts_for_every_span() {
    check_shutdown(&stuck(|builder| builder));
}

/// The receiver refuses connections until traces are shed; then it answers, and each trace is accepted.
#[test]
fn each_trace_is_accepted_again_once_the_receiver_answers() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let proxy = FaultProxy::start(receiver.address()).unwrap();
    proxy.set(Fault::Refuse);
    let spanwise = builder()
        .with_endpoint(proxy.endpoint())
        .with_budget_bytes(1 << 20)
        .with_on_full(OnFull::ShedByTrace)
        .with_attempt_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let tracer = spanwise.tracer("shedding");
    let mut in_a_row = 0;
    let patience = Instant::now() + LONG;
    while in_a_row < 1000 {
        let is_shed = !tracer.root("root", SpanKind::Server).is_recording();
        in_a_row = if is_shed { in_a_row + 1 } else { 0 };
        assert!(Instant::now() < patience, "no trace was shed");
    }
    proxy.set(Fault::Pass);
    spanwise.force_flush_timeout(LONG).unwrap();
    let again = until(
        || {
            std::thread::sleep(Duration::from_millis(1));
            tracer.root("again", SpanKind::Server)
        },
        |span| span.is_recording() && threshold(span.context()).is_none(),
    );
    let trace_id = again.context().trace_id().to_bytes();
    drop(again);
    let ledger = spanwise.shutdown_timeout(LONG).unwrap().ledger;
    assert_idle(&ledger);
    assert_eq!(ledger.exported + ledger.dropped_total() + ledger.sampled_out, ledger.created);
    assert!(collected.span_ids().iter().any(|(found, _)| *found == trace_id));
}

#[cfg(unix)]
#[test]
fn a_forked_child_counts_its_spans_as_its_own() {
    in_own_process("a_forked_child_counts_its_spans_as_its_own", || {
        check_forked_child(&stuck(|builder| builder));
    });
}

/// One above the largest randomness.
const END: u64 = 1 << 56;
