//! Chunks that are held back, in virtual time. The oracle is the test's own count of spans and of time.

use crate::support;

use spanwise_export::sans_io::DrainedChunk;
use spanwise_export::{
    BatchConfig, HoldBack, HoldCause, HoldContext, HoldDecision, OnFull, ShedThreshold,
};
use spanwise_ledger::DropReason;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::line::{SMALL, line, push, running};

const SECOND: Duration = Duration::from_secs(1);
/// The interval at which the worker looks for full chunks.
const TICK: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_flush_sends_what_is_held_back() {
    let mut line = line(|builder| builder.with_hold_back(HOUR));
    line.push(70, SMALL);
    assert_eq!(line.wait(30 * SECOND), []);
    line.push(60, SMALL);
    assert_eq!(line.flush().iter().map(|request| request.spans).sum::<u64>(), 130);
    assert!(!line.is_flushed(), "the receiver has not answered");
    line.answer();
    assert!(line.is_flushed());
    line.push(5, SMALL);
    assert_eq!(line.wait(30 * SECOND), [], "later spans are held back again");
}

#[test]
fn a_shutdown_sends_what_is_held_back() {
    let mut line = line(|builder| builder.with_hold_back(HOUR));
    line.push(130, SMALL);
    assert_eq!(line.wait(30 * SECOND), []);
    assert_eq!(line.shut_down().iter().map(|request| request.spans).sum::<u64>(), 130);
}

#[test]
fn a_chunk_is_held_back_for_its_time() {
    for hold in [1, 10, 60] {
        let hold = hold * SECOND;
        let mut line = line(|builder| builder.with_hold_back(hold));
        line.push(40, SMALL);
        // The delay is one second.
        assert_eq!(line.wait(SECOND + hold - TICK), [], "{hold:?}");
        let sent = line.wait(3 * TICK);
        assert_eq!(sent.iter().map(|request| request.spans).sum::<u64>(), 40, "{hold:?}");
    }
}

/// Held chunks are bounded by a quarter of the budget: beyond it, the oldest leave early.
#[test]
fn held_chunks_use_at_most_a_quarter_of_the_budget() {
    let budget = 4 << 20;
    let mut line = line(|builder| builder.with_budget_bytes(budget).with_hold_back(HOUR));
    let mut left = 0;
    for _ in 0..200 {
        line.push(50, 1_000);
        left += line.wait(TICK).iter().map(|request| request.spans).sum::<u64>();
        line.answer();
    }
    // 10,000 spans of 1 KB are more than twice the budget.
    assert_eq!(line.dropped(), 0, "none is refused");
    let held = line.machine().backlog_spans() as usize * 1_000;
    assert!(held <= budget / 4 + (64 << 10), "{held} bytes are held");
    assert!(held >= budget / 8, "{held} bytes are held");
    assert!(left >= 5_000, "{left} left");
}

#[test]
fn held_spans_leave_half_of_the_queue_free() {
    let mut line = line(|builder| builder.with_max_queue_size(1_000).with_hold_back(HOUR));
    for _ in 0..100 {
        line.push(50, SMALL);
        line.wait(2 * SECOND);
        line.answer();
    }
    assert_eq!(line.dropped(), 0, "none is refused");
    assert!((400..=500).contains(&line.machine().backlog_spans()));
}

#[derive(Default, Clone)]
struct Recorded(Arc<Mutex<Vec<(HoldCause, u64)>>>);

/// Holds a chunk back twice, then drops the first chunk, panics at the second and releases the others.
struct Policy(Recorded);

impl HoldBack for Policy {
    fn decide(&mut self, chunk: &DrainedChunk, context: &HoldContext) -> HoldDecision {
        let mut seen = self.0.0.lock().unwrap();
        seen.push((context.cause, chunk.spans()));
        match seen.len() {
            1 | 2 => HoldDecision::Until(context.now + 10 * SECOND),
            3 => HoldDecision::Drop(DropReason::Redirect),
            4 => {
                drop(seen);
                panic!("on purpose")
            }
            _ => HoldDecision::Release,
        }
    }
}

#[test]
fn a_policy_decides_for_each_chunk() {
    let recorded = Recorded::default();
    let policy = Policy(recorded.clone());
    let mut line = line(|builder| builder.with_hold_policy(policy));
    line.push(7, SMALL);
    assert_eq!(line.wait(20 * SECOND), []);
    assert_eq!(line.wait(2 * SECOND), []);
    let asked = [HoldCause::Drained, HoldCause::Due, HoldCause::Due].map(|cause| (cause, 7));
    assert_eq!(*recorded.0.lock().unwrap(), asked);
    assert_eq!(line.ledger().dropped(DropReason::Redirect), 7);
    line.push(5, SMALL);
    assert_eq!(line.wait(2 * SECOND).len(), 1, "a panic releases the chunk");
    assert_eq!(line.panics(), 1);
}

/// Asks again after a nanosecond.
struct Soon(Arc<Mutex<u32>>);

impl HoldBack for Soon {
    fn decide(&mut self, _: &DrainedChunk, context: &HoldContext) -> HoldDecision {
        *self.0.lock().unwrap() += 1;
        HoldDecision::Until(context.now + Duration::from_nanos(1))
    }
}

#[test]
fn a_policy_that_holds_for_an_instant_keeps_no_core_busy() {
    let asked = Arc::new(Mutex::new(0));
    let policy = Soon(asked.clone());
    let mut line = line(|builder| builder.with_hold_policy(policy).with_scheduled_delay(HOUR));
    line.push(10_000, SMALL);
    line.notify();
    let before = *asked.lock().unwrap();
    assert!(before > 0);
    line.wait(Duration::from_micros(50));
    assert_eq!(*asked.lock().unwrap(), before);
}

/// Releases each chunk, and panics in its drop.
struct Fragile;

impl HoldBack for Fragile {
    fn decide(&mut self, _: &DrainedChunk, _: &HoldContext) -> HoldDecision {
        HoldDecision::Release
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("on purpose")
    }
}

#[test]
fn a_policy_whose_drop_panics_keeps_no_memory() {
    let (exporter, received) = running(|builder| builder.with_hold_policy(Fragile));
    push(&exporter);
    exporter.shutdown_timeout(HOUR).unwrap();
    assert!(exporter.join_until(Instant::now() + HOUR));
    assert_eq!((*received.lock().unwrap(), exporter.queue().budget().charged()), (1, 0));
}

#[test]
fn held_spans_shed_no_trace_once_a_burst_is_over() {
    let mut line = line(|builder| {
        let builder = builder.with_budget_bytes(1 << 20).with_hold_back(HOUR);
        builder.with_on_full(OnFull::ShedByTrace)
    });
    while line.shed_threshold() == ShedThreshold::NONE {
        line.push(100, 200);
    }
    line.wait(2 * SECOND);
    line.answer_all();
    line.wait(SECOND);
    assert_eq!(line.shed_threshold(), ShedThreshold::NONE);
}

/// The open chunk has the permits of the larger queue.
#[test]
fn a_queue_that_becomes_smaller_sheds_no_trace_because_of_an_open_chunk() {
    let mut line = line(|builder| {
        let builder = builder.with_max_queue_size(65_536).with_scheduled_delay(HOUR);
        builder.with_on_full(OnFull::ShedByTrace)
    });
    line.push(1, SMALL);
    let config = BatchConfig::default().with_scheduled_delay(HOUR);
    line.set(&config.with_max_queue_size(16).with_max_export_batch_size(16));
    line.wait(SECOND);
    assert_eq!(line.shed_threshold(), ShedThreshold::NONE);
}
