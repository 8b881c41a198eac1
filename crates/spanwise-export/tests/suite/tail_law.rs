//! Tail sampling under random events in virtual time. The oracle is the test's own record of decisions: a trace has one,
//! all its spans follow it, and the ledger agrees.

use crate::support;

use proptest::prelude::*;
use spanwise_export::{BatchConfig, LocalTrace, OnFull, TailDecision, TailSampling};
use spanwise_ledger::{Counter, Snapshot};
use spanwise_transport::{Failure, Outcome, ResponseStatus};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::ended_span::{child, root};
use support::line::{Line, line};

#[derive(Debug, Clone)]
enum Op {
    /// Pushes spans of a trace; the last of them is a local root if the trace ends with them.
    Spans {
        trace: u8,
        spans: u8,
        bytes: u16,
        is_error: bool,
        ends: bool,
    },
    /// Pushes one span of each of many traces.
    Sweep {
        bytes: u16,
    },
    Wait(u16),
    Answer,
    Reject,
    Flush,
    FlushWhileSlotsAreHeld,
    Notify,
    Retune {
        batch: u16,
        delay: u16,
        hold_back: u16,
    },
}

#[derive(Debug, Clone)]
struct Setup {
    budget: usize,
    queue: Option<usize>,
    sheds: bool,
    decision_wait: u16,
    wait_after_root: u16,
    num_traces: usize,
    max_spans: u32,
    max_bytes: u64,
    drops_pending: bool,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Shutdown,
    /// With a deadline, and no answer.
    Deadline(u16),
    Death,
}

fn op() -> impl Strategy<Value = Op> {
    let bytes = || prop_oneof![4 => 0u16..300, 2 => 0u16..5_000, 1 => 0u16..60_000];
    prop_oneof![
        6 => (any::<u8>(), 1u8..30, bytes(), any::<bool>(), any::<bool>())
            .prop_map(|(trace, spans, bytes, is_error, ends)| {
                Op::Spans { trace, spans, bytes, is_error, ends }
            }),
        2 => (0u16..2_000).prop_map(|bytes| Op::Sweep { bytes }),
        5 => prop_oneof![0u16..20, 0u16..300, 500u16..3_000].prop_map(Op::Wait),
        3 => Just(Op::Answer),
        1 => Just(Op::Reject),
        1 => Just(Op::Flush),
        1 => Just(Op::FlushWhileSlotsAreHeld),
        1 => Just(Op::Notify),
        1 => (1u16..200, 50u16..5_000, prop_oneof![Just(0u16), 1u16..5_000])
            .prop_map(|(batch, delay, hold_back)| Op::Retune { batch, delay, hold_back }),
    ]
}

fn setup() -> impl Strategy<Value = Setup> {
    let budget = prop_oneof![Just(1usize << 20), Just(2 << 20), Just(16 << 20)];
    let queue = prop_oneof![3 => Just(None), 1 => (200usize..2_000).prop_map(Some)];
    let times = (prop_oneof![1u16..3_000, Just(60_000u16)], prop_oneof![Just(0u16), 0u16..5_000]);
    let limits = (
        prop_oneof![Just(50_000usize), 1usize..50],
        prop_oneof![4 => Just(u32::MAX), 1 => 1u32..50],
        prop_oneof![4 => Just(0u64), 1 => 1_000u64..200_000],
    );
    (budget, queue, any::<bool>(), times, limits, any::<bool>()).prop_map(
        |(budget, queue, sheds, (decision_wait, wait_after_root), limits, drops_pending)| {
            let (num_traces, max_spans, max_bytes) = limits;
            Setup {
                budget,
                queue,
                sheds,
                decision_wait,
                wait_after_root,
                num_traces,
                max_spans,
                max_bytes,
                drops_pending,
            }
        },
    )
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        3 => Just(End::Shutdown),
        1 => prop_oneof![Just(0u16), 0u16..5_000].prop_map(End::Deadline),
        1 => Just(End::Death),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 64 }))]
    #[test]
    fn all_spans_of_a_trace_follow_one_decision(
        setup in setup(),
        ops in prop::collection::vec(op(), 0..60),
        end in end(),
    ) {
        let mut world = World::new(&setup);
        ops.iter().for_each(|op| world.apply(op));
        world.end(end);
    }
}

/// Decisions of the sampler by trace.
type Decided = Arc<Mutex<HashMap<u128, TailDecision>>>;

struct World {
    line: Line,
    drops_pending: bool,
    /// The size limit decides without the sampler.
    has_max_bytes: bool,
    decided: Decided,
    /// Accepted spans of each trace.
    accepted: BTreeMap<u128, HashSet<u64>>,
    sent: HashSet<(u128, u64)>,
    pushed: u64,
    refused: u64,
    next_id: u64,
}

impl World {
    fn new(setup: &Setup) -> Self {
        let decided = Decided::default();
        let millis = |millis: u16| Duration::from_millis(millis.into());
        let record = decided.clone();
        let sampling = TailSampling::new(move |trace: &LocalTrace<'_>| decide(trace, &record))
            .with_decision_wait(millis(setup.decision_wait))
            .with_decision_wait_after_root_received(millis(setup.wait_after_root))
            .with_num_traces(setup.num_traces)
            .with_max_spans_per_trace(setup.max_spans)
            .with_maximum_trace_size_bytes(setup.max_bytes)
            .with_drop_pending_traces_on_shutdown(setup.drops_pending);
        let line = line(|builder| {
            let builder = builder.with_budget_bytes(setup.budget).with_tail_sampling(sampling);
            let builder = match setup.queue {
                Some(spans) => builder.with_max_queue_size(spans).with_max_export_batch_size(100),
                None => builder,
            };
            builder.with_on_full(if setup.sheds { OnFull::ShedByTrace } else { OnFull::Drop })
        });
        Self {
            line,
            drops_pending: setup.drops_pending,
            has_max_bytes: setup.max_bytes > 0,
            decided,
            accepted: BTreeMap::new(),
            sent: HashSet::new(),
            pushed: 0,
            refused: 0,
            next_id: 2,
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Spans { trace, spans, bytes, is_error, ends } => {
                let trace = u128::from(trace % 40) + 1;
                for index in 1..=spans {
                    self.push(trace, bytes, is_error && index == 1, ends && index == spans);
                }
            }
            Op::Sweep { bytes } => {
                (1..=MANY).for_each(|trace| self.push(trace, bytes, false, true))
            }
            Op::Wait(millis) => {
                self.line.wait(Duration::from_millis(millis.into()));
            }
            Op::Answer => self.line.answer(),
            Op::Reject => {
                let status = ResponseStatus::Http(400);
                self.line.answer_with(&Outcome::Failed(Failure::Rejected { status }));
            }
            Op::Flush => drop(self.line.flush()),
            Op::FlushWhileSlotsAreHeld => {
                self.line.flush_while_slots_are_held();
            }
            Op::Notify => drop(self.line.notify()),
            Op::Retune { batch, delay, hold_back } => {
                let config = BatchConfig::default()
                    .with_max_export_batch_size(batch.into())
                    .with_scheduled_delay(Duration::from_millis(delay.into()))
                    .with_hold_back(Duration::from_millis(hold_back.into()));
                self.line.set(&config);
            }
        }
        self.check();
    }

    fn push(&mut self, trace: u128, bytes: u16, is_error: bool, is_root: bool) {
        let id = self.next_id;
        self.next_id += 1;
        let span = if is_root { root(trace, id) } else { child(trace, id, 1) };
        let span = if is_error { span.error() } else { span };
        let before = self.line.dropped();
        self.line.push_span(&span.bytes(bytes.into()));
        let refused = self.line.dropped() - before;
        self.pushed += 1;
        self.refused += refused;
        if refused == 0 {
            self.accepted.entry(trace).or_default().insert(id);
        }
    }

    /// Holds at each step.
    fn check(&mut self) {
        for span in self.line.take_exported() {
            assert!(self.sent.insert(span), "{span:?} is sent once");
            assert!(self.accepted[&span.0].contains(&span.1), "{span:?} was accepted");
            let decision = self.decided.lock().unwrap().get(&span.0).copied();
            assert_eq!(decision, Some(TailDecision::Sampled), "of the trace of {span:?}");
        }
        let account = self.line.ledger();
        assert_eq!(account.created, self.pushed);
        assert_eq!(account.in_flight, self.pushed - outcomes(&account), "the law");
        assert!(self.line.machine().backlog_spans() <= account.in_flight);
        assert!(self.line.budget().peak() <= self.line.budget().limit());
    }

    fn end(mut self, end: End) {
        let is_orderly = matches!(end, End::Shutdown);
        match end {
            End::Shutdown => drop(self.line.shut_down()),
            End::Deadline(millis) => {
                self.line.shut_down_within(Duration::from_millis(millis.into()));
            }
            End::Death => {}
        }
        self.check();
        let Self { line, accepted, sent, decided, pushed, refused, .. } = self;
        let account = if matches!(end, End::Death) { line.die() } else { line.ledger() };
        account.check().unwrap();
        assert_eq!((account.created, account.dropped_total() >= refused), (pushed, true));
        let decided = decided.lock().unwrap();
        let spans = |decision| -> u64 {
            let traces = accepted.iter().filter(|(trace, _)| decided.get(trace) == decision);
            traces.map(|(_, spans)| spans.len() as u64).sum()
        };
        let lost = account.dropped_total() - refused;
        let (left_out, dropped, undecided) = (
            spans(Some(&TailDecision::NotSampled)),
            spans(Some(&TailDecision::Dropped)),
            spans(None),
        );
        assert!(
            account.tail_not_sampled <= left_out && account.tail_dropped <= dropped + undecided
        );
        if is_orderly {
            // None is lost but in a request: all spans of the sampled traces were sent.
            let sampled = spans(Some(&TailDecision::Sampled));
            assert_eq!(account.tail_not_sampled, left_out);
            assert_eq!(account.tail_dropped, dropped + undecided);
            assert_eq!((sent.len() as u64, account.exported + lost), (sampled, sampled));
            assert!(undecided == 0 || self.drops_pending || self.has_max_bytes, "{undecided}");
        }
        let panics = decided.keys().filter(|trace| panics_at(**trace)).count() as u64;
        assert_eq!(account.counter(Counter::TailPanicked), panics);
    }
}

/// Spans with an outcome.
fn outcomes(account: &Snapshot) -> u64 {
    account.sampled_out
        + account.exported
        + account.tail_not_sampled
        + account.tail_dropped
        + account.dropped_total()
}

/// Decides by the id or by the spans of a trace, and records the decision.
fn decide(trace: &LocalTrace<'_>, decided: &Decided) -> TailDecision {
    let id = trace.trace_id().0;
    let mut bytes = 0;
    for span in trace.spans() {
        let view = span.view().unwrap();
        assert_eq!((span.name(), view.name().unwrap()), ("span", "span"));
        bytes += span.attribute("key").map_or(0, |_| 1);
    }
    let count = trace.spans().count();
    let has_error = trace.spans().any(|span| span.status() == spanwise_wire::StatusCode::Error);
    let facts = (trace.span_count(), trace.has_error(), bytes <= count);
    let decision = match (facts == (count, has_error, true), id % 5) {
        // It fails the test, since the decisions of its other spans differ.
        (false, _) => return TailDecision::Dropped,
        (_, 0) => TailDecision::Dropped,
        (_, 1 | 2) => TailDecision::Sampled,
        (_, 3) => TailDecision::NotSampled,
        _ => TailDecision::from(trace.has_error()),
    };
    let earlier = decided.lock().unwrap().insert(id, decision);
    if earlier.is_some() {
        // A second decision fails the test: no span follows it.
        decided.lock().unwrap().remove(&id);
    }
    assert!(!panics_at(id), "on purpose");
    decision
}

/// The sampler panics, which samples the trace.
fn panics_at(trace: u128) -> bool {
    trace % 40 == 2
}

/// So few that the exporter remembers the decisions about all of them.
const MANY: u128 = 60;
