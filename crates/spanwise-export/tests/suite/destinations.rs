//! Several destinations, in virtual time: the test answers, delays or drops the requests of each endpoint.

use proptest::prelude::*;
use spanwise_batch::{AdaptiveBatchSize, BatchSize};
use spanwise_export::{Destination, Exporter};
use spanwise_ledger::DropReason;
use spanwise_testkit::SplitMix64;
use spanwise_transport::{
    Compression, Delivery, Failure, FramedRequest, Outcome, Protocol, ResponseStatus, Ring,
    RingVersion, Transport,
};
use std::time::Duration;

use crate::support;

use support::destinations::*;

#[test]
fn every_destination_gets_every_span_and_the_same_bytes() {
    let builder = Exporter::builder(plain("a:1")).with_destination(plain("b:2"));
    let builder = builder.with_destination(Destination::new(plain("c:3")).with_name("archive"));
    let mut world = World::new(builder);
    world.answers = vec![false; 3];
    world.push(1_000, 10);
    world.machine.flush(world.now + HOUR);
    world.turn();
    let sent: Vec<_> =
        world.in_flight.iter().map(|(_, request)| request.message().as_ptr()).collect();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|memory| *memory == sent[0]));
    let debug =
        |request: &FramedRequest| format!("{request:?}").contains("has_shared_bodies: true");
    assert!(world.in_flight.iter().all(|(_, request)| debug(request)));
    // The flush waits for the last of them.
    world.answer(0, Some(accepted()));
    world.answer(0, Some(accepted()));
    world.turn();
    assert!(world.flushes.is_empty());
    world.answer(0, Some(accepted()));
    world.turn();
    assert_eq!(world.flushes, [true]);
    for destination in 0..3 {
        let account = world.account(destination);
        assert_eq!((account.created, account.exported), (1_000, 1_000));
        assert_eq!(world.traces(destination).len(), 1_000);
    }
    let names = [None, Some("b:2".to_owned()), Some("archive".to_owned())];
    assert_eq!(world.reported, names.map(|name| (name, 1)).into());
    world.shut_down(HOUR);
}

/// Bytes charged while requests of 1,000 spans are in flight to two destinations, and after each of them ended.
fn charged(destinations: [Transport; 2], last: usize) -> [usize; 3] {
    let [first, second] = destinations;
    let mut world = World::new(Exporter::builder(first).with_destination(second));
    world.answers = vec![false; 2];
    world.push(1_000, 100);
    world.machine.flush(world.now + HOUR);
    world.turn();
    let mut measured = [world.queue.budget().charged(), 0, 0];
    for (after, endpoint) in measured[1..].iter_mut().zip([1 - last, last]) {
        let ended = world.in_flight.iter().position(|(id, _)| id.endpoint() == endpoint);
        world.answer(ended.unwrap(), Some(accepted()));
        world.turn();
        *after = world.queue.budget().charged();
    }
    world.shut_down(HOUR);
    measured
}

#[test]
fn destinations_that_share_compressed_bytes_are_charged_for_them_once_until_the_last_one_ends() {
    let gzip = |name| to(name, Compression::Gzip);
    let one = charged([plain("a:1"), gzip("b:2")], 0);
    let copies = one[0] - one[2];
    for last in 0..2 {
        let same = charged([gzip("a:1"), gzip("b:2")], last);
        assert_eq!((same[0] - same[2], same[0] - same[1]), (copies, 0), "{last}");
    }
}

/// Whichever of them never answers.
/// Later there may be no memory for its request, and no end of another request would free any.
#[test]
fn a_large_span_is_charged_for_its_request_when_it_ends() {
    let mut world = World::new(Exporter::builder(plain("a")));
    world.push(1, 1 << 16);
    let charged = world.queue.budget().charged();
    assert!((2 << 16..5 << 15).contains(&charged), "{charged}");
    world.flush();
    assert_eq!(world.account(0).exported, 1);
}

#[test]
fn a_dead_destination_delays_and_loses_no_span_of_another() {
    for dead in 0..2 {
        let budget = 4 << 20;
        let builder = Exporter::builder(plain("a:1")).with_destination(plain("b:2"));
        let mut world = World::new(builder.with_budget_bytes(budget));
        world.answers[dead] = false;
        // Five times the budget, a hundredth of it at a time.
        for _ in 0..500 {
            world.push(40, 1_000);
            world.wait(Duration::from_millis(50));
        }
        world.wait(Duration::from_secs(2));
        let alive = world.account(1 - dead);
        assert_eq!(alive.exported, 20_000, "{alive}");
        let lost = world.account(dead);
        assert_eq!(lost.exported, 0);
        assert_eq!(lost.created, 20_000);
        let held = lost.in_flight;
        assert_eq!(lost.dropped(DropReason::QueueBytes), 20_000 - held, "{lost}");
        // Its share is three sixteenths of the budget.
        let bytes = held as usize * 1_060;
        assert!((budget / 12..budget * 3 / 16).contains(&bytes), "{bytes}");
        world.shut_down(Duration::from_secs(1));
        let lost = world.account(dead);
        assert!(lost.dropped(DropReason::ShutdownDeadline) > 0, "{lost}");
        assert!(lost.dropped(DropReason::AmbiguousShutdown) > 0, "{lost}");
    }
}

/// Lets `endpoint` answer one of its requests every 20 ms, and the others at once, until all have ended.
fn answer_slowly(world: &mut World, endpoint: usize) {
    for _ in 0..200 {
        world.wait(Duration::from_millis(20));
        if let Some(index) = world.in_flight.iter().position(|(id, _)| id.endpoint() == endpoint) {
            world.answer(index, Some(accepted()));
        }
    }
    world.run();
}

#[test]
fn a_burst_waits_for_an_endpoint_that_is_busy_and_loses_no_span() {
    let json = || Transport::builder().with_protocol(Protocol::HttpJson).build().unwrap();
    let gzip = |name| to(name, Compression::Gzip);
    let cases = [(json(), plain("b:2"), 8_000), (gzip("a:1"), gzip("b:2"), 20_000)];
    for (slower, other, spans) in cases {
        let mut world = World::new(Exporter::builder(slower).with_destination(other));
        world.answers[0] = false;
        world.push(spans, 10);
        let is_flushed = world.machine.flush(world.now + Duration::from_secs(5));
        answer_slowly(&mut world, 0);
        let exported = [0, 1].map(|destination| world.account(destination).exported);
        assert_eq!(exported, [spans as u64; 2], "{is_flushed:?}");
        assert_eq!(world.flushes, [true]);
        world.shut_down(HOUR);
    }
}

#[test]
fn a_dead_endpoint_delays_the_others_once_and_leaves_them_time_to_shut_down() {
    for (timeout, spans) in [(None, 2_000), (Some(Duration::from_millis(400)), 2_000)] {
        let builder = Exporter::builder(plain("a:1")).with_destination(plain("b:2"));
        let mut world = World::new(builder.with_budget_bytes(8 << 20));
        world.answers[1] = false;
        // More than its share.
        world.push(spans, 1_000);
        match timeout {
            Some(timeout) => world.shut_down(timeout),
            None => {
                world.flush();
                world.wait(Duration::from_millis(600));
                assert_eq!(world.account(0).exported, 2_000);
                assert!(world.account(1).dropped(DropReason::QueueBytes) > 0);
                world.push(100, 1_000);
                world.flush();
                assert_eq!(world.account(0).exported, 2_100, "without another delay");
                world.shut_down(Duration::from_secs(1));
            }
        }
        assert_eq!(world.account(0).dropped_total(), 0);
    }
}

#[test]
fn a_burst_waits_in_the_queue_while_all_destinations_are_busy() {
    let builder = Exporter::builder(plain("a:1")).with_destination(plain("b:2"));
    let mut world = World::new(builder.with_max_in_flight(1));
    world.answers = vec![false; 2];
    // More than the share of a destination, less than the budget.
    world.push(4_500, 1_000);
    world.wait(Duration::from_millis(200));
    world.answers = vec![true; 2];
    world.flush();
    assert_eq!([0, 1].map(|it| world.account(it).exported), [4_500, 4_500]);
    world.shut_down(HOUR);
}

#[test]
fn a_routed_destination_gets_each_trace_at_the_endpoint_of_the_ring() {
    let builder = Exporter::builder(routed()).with_destination(plain("archive:4318"));
    let mut world = World::new(builder);
    for _ in 0..5 {
        world.push(1_000, 10);
        world.flush();
    }
    let ring = Ring::new(RingVersion::V3, NAMES).unwrap();
    let mut all = 0;
    for endpoint in 0..3 {
        let traces = world.traces(endpoint);
        assert!(traces.len() > 500, "{}", traces.len());
        all += traces.len();
        for (trace_id, spans) in traces {
            assert_eq!((ring.index(trace_id.to_be_bytes()), spans), (endpoint, 1));
        }
    }
    assert_eq!((all, world.traces(3).len()), (5_000, 5_000));
    for destination in 0..2 {
        assert_eq!(world.account(destination).exported, 5_000);
    }
    world.shut_down(HOUR);
}

#[test]
fn a_dead_endpoint_of_a_routed_destination_loses_its_own_traces_alone() {
    let mut world = World::new(Exporter::builder(routed()).with_budget_bytes(4 << 20));
    world.answers[1] = false;
    for _ in 0..500 {
        world.push(40, 1_000);
        world.wait(Duration::from_millis(50));
    }
    world.wait(Duration::from_secs(2));
    let account = world.account(0);
    let alive = world.traces(0).len() + world.traces(2).len();
    assert_eq!(account.exported, alive as u64, "{account}");
    assert!(account.dropped(DropReason::QueueBytes) > 1_000, "{account}");
    let ring = Ring::new(RingVersion::V3, NAMES).unwrap();
    let mut ids = SplitMix64::new(7);
    let its_own = (0..20_000)
        .filter(|_| ring.index((u128::from(ids.next_u64()) + 1).to_be_bytes()) == 1)
        .count();
    assert_eq!(alive, 20_000 - its_own);
    world.shut_down(Duration::from_secs(1));
}

/// The open chunks are drained although a part of a refused request waits for its turn.
#[test]
fn a_request_that_is_split_delays_no_span_for_another_destination() {
    let builder = Exporter::builder(plain("a:1")).with_destination(plain("b:2"));
    let mut world = World::new(builder.with_max_in_flight(1));
    world.answers[0] = false;
    world.push(10, 1_000);
    world.wait(Duration::from_millis(1_200));
    world.answer(0, Some(Delivery::from(Outcome::Failed(Failure::TooLarge))));
    world.push(5, 10);
    world.wait(Duration::from_millis(1_200));
    assert_eq!(world.in_flight.len(), 1);
    assert_eq!(world.account(1).exported, 15);
    world.answers[0] = true;
    world.run();
    assert_eq!(world.account(0).exported, 15);
    world.shut_down(HOUR);
}

#[test]
fn a_request_is_split_without_a_trim_while_there_is_memory() {
    let mut world = World::new(Exporter::builder(plain("a")));
    world.answers = vec![false];
    world.push(100, 1_000);
    world.flush();
    let trims = world.trims;
    world.answer(0, Some(Delivery::from(Outcome::Failed(Failure::TooLarge))));
    world.turn();
    assert!(!world.in_flight.is_empty() && world.trims == trims);
}

/// Also if a whole batch is for the endpoint that is busy.
#[test]
fn a_trace_of_a_busy_endpoint_delays_no_trace_of_another() {
    let builder = Exporter::builder(routed()).with_max_in_flight(1);
    let mut world = World::new(builder.with_max_export_batch_size(1));
    world.answers[1] = false;
    let ring = Ring::new(RingVersion::V3, NAMES).unwrap();
    let of = |endpoint| (1_u128..).filter(move |id| ring.index(id.to_be_bytes()) == endpoint);
    for trace_id in of.clone()(1).take(3).chain(of(0).take(1)) {
        world.push_trace(trace_id, 10);
        world.wait(Duration::from_millis(1_200));
    }
    assert_eq!((world.traces(0).len(), world.traces(1).len()), (1, 1));
    world.answers[1] = true;
    world.run();
    assert_eq!((world.traces(1).len(), world.account(0).exported), (3, 4));
    world.shut_down(HOUR);
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize, usize),
    /// Answers the request in flight with this index, modulo their number, by an outcome.
    Answer(usize, u8),
    Wait(u16),
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1usize..200, 0usize..300).prop_map(|(spans, bytes)| Step::Push(spans, bytes)),
        1 => (1usize..20, 10_000usize..150_000).prop_map(|(spans, bytes)| Step::Push(spans, bytes)),
        6 => (any::<usize>(), 0u8..5).prop_map(|(index, outcome)| Step::Answer(index, outcome)),
        3 => (0u16..1_500).prop_map(Step::Wait),
        1 => Just(Step::Flush),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// For any answers of the endpoints: each span has one outcome at each destination, no endpoint gets a span
    /// twice or one of another's traces, and the budget is never exceeded.
    #[test]
    fn each_span_has_one_outcome_at_each_destination(
        steps in steps(),
        kinds in prop::collection::vec(0u8..3, 1..4),
        max_in_flight in 1usize..4,
        timeout in prop_oneof![Just(0u64), 0u64..5_000],
    ) {
        let destination = |index: usize, kind: u8| match kind {
            0 => Destination::new(plain(&format!("d-{index}:1"))),
            1 => Destination::new(to(&format!("d-{index}:1"), Compression::Gzip)),
            _ => routed(),
        };
        let mut kinds = kinds.into_iter().enumerate();
        let (_, first) = kinds.next().unwrap();
        let mut builder = Exporter::builder(destination(0, first));
        for (index, kind) in kinds {
            builder = builder.with_destination(destination(index, kind));
        }
        let mut world =
            World::new(builder.with_budget_bytes(6 << 20).with_max_in_flight(max_in_flight));
        let (mut random, lanes) = (SplitMix64::new(3), world.answers.len());
        let mut is_split = false;
        world.answers = (0..lanes).map(|_| random.below(2) == 0).collect();
        for step in steps {
            match step {
                Step::Push(spans, bytes) => world.push(spans, bytes),
                Step::Answer(index, outcome) if !world.in_flight.is_empty() => {
                    let failed = |failure| Delivery::from(Outcome::Failed(failure));
                    let delivery = match outcome {
                        0 => Some(accepted()),
                        1 => Some(failed(Failure::Redirect { status: 302 })),
                        2 => Some(Delivery::from(Outcome::Accepted { rejected: 3, message: None })),
                        3 => {
                            // Its spans are sent again.
                            is_split = true;
                            Some(failed(Failure::TooLarge))
                        }
                        _ => None,
                    };
                    let index = index % world.in_flight.len();
                    world.answer(index, delivery);
                }
                Step::Answer(..) => {}
                Step::Wait(millis) => world.wait(Duration::from_millis(millis.into())),
                Step::Flush => world.flush(),
            }
        }
        world.shut_down(Duration::from_millis(timeout));
        let first = world.account(0);
        // Spans that the queue refused reach no destination.
        let refused = first.created - world.account(world.ledgers.len() - 1).created;
        prop_assert!(refused <= first.dropped_total());
        for destination in 1..world.ledgers.len() {
            prop_assert_eq!(world.account(destination).created, first.created - refused);
        }
        for endpoint in 0..lanes {
            prop_assert!(is_split || world.traces(endpoint).values().all(|spans| *spans == 1));
        }
    }
}

/// The size follows the outcomes of requests, and not only the backlog.
#[test]
fn an_adaptive_size_is_half_of_a_request_that_failed() {
    let size = BatchSize::Adaptive(AdaptiveBatchSize::default());
    let mut world = World::new(Exporter::builder(plain("a")).with_batch_size(size));
    world.answers = vec![false];
    let largest = |world: &World| {
        world.in_flight.iter().map(|(_, request)| request.message().len()).max().unwrap_or(0)
    };
    for _ in 0..50 {
        world.push(1_000, 100);
        world.wait(Duration::from_millis(50));
        if largest(&world) > 0 {
            break;
        }
    }
    let before = largest(&world);
    assert!(before > 0);
    let status = ResponseStatus::Http(500);
    let failed = Delivery::from(Outcome::Failed(Failure::Rejected { status }));
    for _ in 0..world.in_flight.len() {
        world.answer(0, Some(failed.clone()));
    }
    for _ in 0..50 {
        world.push(1_000, 100);
        world.wait(Duration::from_millis(50));
        if largest(&world) > 0 {
            break;
        }
    }
    let after = largest(&world);
    assert!(after > 0 && after <= before * 3 / 4, "{before} {after}");
}
