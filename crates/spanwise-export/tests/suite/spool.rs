//! A spool behind the exporter: an outage of the receiver costs no span, and the ledger adds up over a restart.

use crate::support;

use spanwise_export::{ExporterBuilder, SpoolReport};
use spanwise_ledger::DropReason;
use std::time::Duration;
use support::spooled::{Receiver, World};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn usual(builder: ExporterBuilder) -> ExporterBuilder {
    builder
}

#[test]
fn an_outage_of_two_minutes_costs_no_span() {
    let mut world = World::new(usual);
    world.push(100, 50);
    world.wait(2 * SECOND);
    assert_eq!(world.ledger().exported, 100);
    world.set_receiver(Receiver::Down);
    for _ in 0..1_200 {
        world.push(20, 100);
        world.wait(SECOND / 10);
    }
    let during = world.ledger();
    assert_eq!((during.exported, during.dropped_total()), (100, 0), "{during}");
    assert!(during.spooled > 20_000, "{during}");
    assert!(world.reports.iter().any(|it| matches!(it, SpoolReport::Storing)));
    world.set_receiver(Receiver::Up);
    world.wait(MINUTE);
    let after = world.ledger();
    after.check().unwrap();
    assert_eq!((after.exported, after.spooled, after.dropped_total()), (24_100, 0, 0), "{after}");
    assert_eq!(world.received.len() as u64, world.pushed());
    assert!(world.received.values().all(|copies| *copies == 1), "no span arrives twice");
    assert!(world.reports.iter().any(|it| matches!(it, SpoolReport::Drained)));
    assert_eq!(world.disk.records(), 0);
}

/// The world after an outage, with spans on disk and the receiver down.
fn outage(configure: fn(ExporterBuilder) -> ExporterBuilder) -> World {
    let mut world = World::new(configure);
    world.set_receiver(Receiver::Down);
    for _ in 0..40 {
        world.push(100, 100);
        world.wait(SECOND);
    }
    assert!(world.ledger().spooled > 1_000, "{}", world.ledger());
    assert_eq!(world.ledger().dropped_total(), 0);
    world
}

#[test]
fn a_full_budget_spills_to_the_disk() {
    let mut world = World::new(usual);
    world.set_receiver(Receiver::Down);
    // 20 MiB within the timeout of the first request, with a budget of 1 MiB.
    for _ in 0..1_000 {
        world.push(50, 400);
        world.wait(Duration::from_millis(5));
    }
    let account = world.ledger();
    assert_eq!(account.dropped_total(), 0, "{account}");
    assert!(account.spooled > 40_000, "{account}");
    world.set_receiver(Receiver::Up);
    world.wait(MINUTE);
    assert_eq!((world.ledger().exported, world.ledger().spooled), (50_000, 0));
}

#[test]
fn records_are_sent_again_in_their_order_and_one_at_a_time() {
    let mut world = outage(usual);
    // The last live spans are stored, too.
    while world.ledger().spooled < 4_000 {
        world.wait(SECOND / 20);
    }
    world.most_in_flight = 0;
    world.set_receiver(Receiver::Up);
    world.wait(MINUTE);
    assert_eq!(world.ledger().exported, 4_000);
    assert_eq!(world.most_in_flight, 1, "no live span is left");
    assert!(world.order == world.disk.order);
}

#[test]
fn live_spans_are_sent_while_records_are() {
    for in_flight in [|it: ExporterBuilder| it.with_max_in_flight(1), usual] {
        let mut world = outage(in_flight);
        // Records wait for longer than live spans.
        world.disk.latency = SECOND / 20;
        world.set_receiver(Receiver::Up);
        world.wait(5 * SECOND);
        while world.ledger().spooled > 500 {
            let before = world.pushed();
            world.push(10, 100);
            let flush = world.flush(SECOND);
            world.wait(SECOND / 4);
            assert_eq!(world.reply(flush), Some(true));
            assert!((before + 1..=before + 10).all(|id| world.received.contains_key(&id)));
        }
        world.wait(MINUTE);
        world.ledger().check().unwrap();
        assert_eq!(world.ledger().exported, world.pushed());
    }
}

#[test]
fn a_rejected_request_is_not_stored_and_records_wait() {
    let mut world = outage(usual);
    world.set_receiver(Receiver::Rejecting);
    // The last live requests end, and the first record is a probe.
    world.wait(15 * SECOND);
    let before = world.ledger();
    world.push(50, 100);
    world.wait(5 * SECOND);
    let account = world.ledger();
    assert_eq!(account.dropped(DropReason::Rejected), before.dropped(DropReason::Rejected) + 50);
    assert_eq!(account.spooled, before.spooled, "records are not spent on it: {account}");
    world.set_receiver(Receiver::Up);
    world.wait(2 * MINUTE);
    world.ledger().check().unwrap();
    assert_eq!(world.ledger().spooled, 0);
}

#[test]
fn a_record_that_is_accepted_in_part_is_booked_as_any_request() {
    let mut world = outage(usual);
    let before = world.disk.stores;
    world.set_receiver(Receiver::Partial);
    world.wait(2 * MINUTE);
    let account = world.ledger();
    account.check().unwrap();
    let requests = account.dropped(DropReason::PartialRejected);
    assert!(requests > 0 && account.exported + requests == 4_000, "{account}");
    assert_eq!((account.spooled, world.disk.records()), (0, 0));
    assert_eq!(world.disk.stores, before, "none is stored again");
}

#[test]
fn a_record_that_is_too_large_for_the_receiver_is_sent_in_parts() {
    let mut world = outage(usual);
    world.set_receiver(Receiver::Small(20_000));
    world.wait(2 * MINUTE);
    let account = world.ledger();
    account.check().unwrap();
    assert_eq!((account.exported, account.spooled), (4_000, 0), "{account}");
    assert!(world.received.values().all(|copies| *copies == 1));
    assert_eq!(world.disk.records(), 0);
}

#[test]
fn parts_of_a_record_that_fail_are_stored_anew() {
    let mut world = World::new(|it| it.with_max_in_flight(1));
    world.set_receiver(Receiver::Down);
    world.push(400, 100);
    while world.ledger().spooled < 400 {
        world.wait(SECOND / 20);
    }
    let [records, stores] = [world.disk.records() as u64, world.disk.stores];
    world.set_receiver(Receiver::Small(20_000));
    while world.received.is_empty() {
        world.wait(Duration::from_millis(1));
    }
    world.set_receiver(Receiver::Down);
    world.wait(15 * SECOND);
    let account = world.ledger();
    assert_eq!(account.exported + account.spooled + account.in_flight, 400, "{account}");
    assert!(account.exported > 0 && world.disk.stores > stores, "{account}");
    world.set_receiver(Receiver::Up);
    world.wait(2 * MINUTE);
    assert_eq!((world.ledger().exported, world.ledger().spooled), (400, 0));
    assert!(world.received.values().all(|copies| *copies == 1), "of {records} records");
}

#[test]
fn a_shutdown_stores_what_is_left_and_the_next_process_sends_it() {
    let mut world = outage(usual);
    world.push(777, 100);
    assert!(world.shut_down(5 * SECOND), "every span is on disk");
    let first = world.ledger();
    assert_eq!((first.spooled, first.dropped_total()), (4_777, 0), "{first}");
    world.restart(false);
    world.wait(SECOND / 10);
    let second = world.ledger();
    assert_eq!((second.recovered, second.created), (first.spooled, 0), "{second}");
    world.set_receiver(Receiver::Up);
    world.push(3, 10);
    world.wait(MINUTE);
    let second = world.ledger();
    second.check().unwrap();
    assert_eq!((second.exported, second.spooled), (4_780, 0));
    assert_eq!(world.received.len() as u64, world.pushed());
}

#[test]
fn a_record_that_waits_for_a_slot_at_the_end_stays_on_disk() {
    let mut world = World::new(|it| it.with_max_in_flight(1));
    world.set_receiver(Receiver::Down);
    world.push(1, 0);
    world.shut_down(Duration::from_millis(12));
    world.restart(false);
    // The record is read while a new span has the only slot.
    world.push(1, 0);
    world.flush(Duration::ZERO);
    world.shut_down(Duration::from_millis(24));
    assert_eq!((world.ledger().spooled, world.disk.spans()), (2, 2), "{}", world.ledger());
    world.restart(false);
    world.set_receiver(Receiver::Up);
    world.wait(MINUTE);
    assert_eq!((world.ledger().recovered, world.ledger().exported), (2, 2));
}

#[test]
fn a_crash_loses_what_was_in_memory_and_the_next_ledger_counts_it() {
    let mut world = outage(usual);
    world.push(300, 100);
    let before = world.ledger();
    let lost = before.in_flight;
    assert!(lost >= 300);
    world.restart(true);
    world.wait(SECOND / 10);
    let after = world.ledger();
    assert_eq!(after.recovered, before.created, "{after}");
    assert_eq!(after.dropped(DropReason::Crash) + after.spooled + after.in_flight, before.created);
    world.set_receiver(Receiver::Up);
    world.wait(MINUTE);
    let after = world.ledger();
    after.check().unwrap();
    assert_eq!(after.exported + after.dropped(DropReason::Crash), before.created);
    assert_eq!(world.received.len() as u64, after.exported);
}

#[test]
fn a_disk_that_fails_costs_the_spans_that_it_was_given_and_no_others() {
    let mut world = World::new(usual);
    world.disk.is_failing = true;
    world.set_receiver(Receiver::Down);
    world.push(100, 100);
    world.wait(15 * SECOND);
    let account = world.ledger();
    assert_eq!((account.dropped(DropReason::SpoolIo), account.spooled), (100, 0), "{account}");
    assert!(world.reports.iter().any(|it| matches!(it, SpoolReport::Failed { .. })));
    world.set_receiver(Receiver::Up);
    world.push(50, 100);
    world.wait(5 * SECOND);
    assert_eq!(world.ledger().exported, 50);
    world.disk.is_failing = false;
    world.set_receiver(Receiver::Down);
    world.push(25, 100);
    world.wait(15 * SECOND);
    assert_eq!(world.ledger().spooled + world.ledger().in_flight, 25);
}

#[test]
fn a_record_that_the_disk_does_not_store_behind_the_others_stays_where_it_is() {
    let mut world = outage(usual);
    let stored = world.pushed();
    while world.ledger().spooled < stored {
        world.wait(SECOND / 10);
    }
    world.disk.is_failing = true;
    // The receiver accepts live spans and fails on each record.
    world.set_receiver(Receiver::From(world.pushed() + 1));
    for _ in 0..240 {
        world.push(10, 100);
        world.wait(SECOND / 2);
    }
    let during = world.ledger();
    assert!(world.reports.iter().any(|it| matches!(it, SpoolReport::Failed { .. })), "it moves");
    assert_eq!(
        (during.spooled + during.in_flight, during.dropped_total()),
        (stored, 0),
        "{during}"
    );
    world.disk.is_failing = false;
    world.set_receiver(Receiver::Up);
    world.wait(2 * MINUTE);
    assert_eq!(world.ledger().exported, world.pushed());
    world.ledger().check().unwrap();
}

#[test]
fn a_disk_that_hangs_leaves_memory_for_what_the_receiver_accepts() {
    let mut world = World::new(usual);
    world.disk.is_hung = true;
    world.set_receiver(Receiver::Down);
    for _ in 0..300 {
        world.push(200, 300);
        world.wait(SECOND / 10);
    }
    let during = world.ledger();
    assert!(during.dropped(DropReason::QueueBytes) > 0, "{during}");
    world.set_receiver(Receiver::Up);
    world.wait(15 * SECOND);
    let exported = world.ledger().exported;
    world.push(100, 100);
    world.wait(2 * SECOND);
    assert_eq!(world.ledger().exported, exported + 100);
    assert!(!world.shut_down(2 * SECOND));
    assert!(world.ledger().dropped(DropReason::SpoolIo) > 0, "{}", world.ledger());
}

#[test]
fn a_spool_that_cannot_be_opened_changes_nothing_for_the_receiver() {
    let mut world = World::new(usual);
    world.disk.fail();
    world.turn();
    assert!(world.reports.iter().any(|it| matches!(it, SpoolReport::Unavailable { .. })));
    world.set_receiver(Receiver::Down);
    world.push(10, 100);
    world.wait(15 * SECOND);
    assert_eq!(world.ledger().dropped(DropReason::RetryDeadline), 10);
    world.set_receiver(Receiver::Up);
    world.push(10, 100);
    assert!(world.shut_down(SECOND));
    assert_eq!((world.ledger().exported, world.disk.stores), (10, 0));
}

#[test]
fn evicted_records_are_lost_once_also_while_one_is_sent_again() {
    let mut world = outage(usual);
    let before = world.ledger();
    world.disk.evict();
    world.turn();
    let evicted = world.ledger().dropped(DropReason::SpoolEvicted);
    assert_eq!(world.ledger().spooled, before.spooled - evicted);
    // The next probe of the receiver has a record.
    world.disk.reads = 0;
    while world.disk.reads == 0 {
        world.wait(SECOND / 4);
    }
    world.disk.evict();
    world.wait(15 * SECOND);
    assert!(world.ledger().dropped(DropReason::SpoolEvicted) > evicted);
    world.set_receiver(Receiver::Up);
    world.wait(2 * MINUTE);
    let after = world.ledger();
    after.check().unwrap();
    assert_eq!(after.exported + after.dropped(DropReason::SpoolEvicted), 4_000, "{after}");
    assert_eq!(world.received.len() as u64, after.exported);
}

#[test]
fn a_flush_is_done_once_its_spans_are_on_disk() {
    let mut world = World::new(usual);
    world.set_receiver(Receiver::Down);
    world.push(100, 100);
    let early = world.flush(SECOND);
    world.wait(2 * SECOND);
    assert_eq!(world.reply(early), Some(false), "the receiver may still come back");
    let late = world.flush(MINUTE);
    world.wait(15 * SECOND);
    assert_eq!(world.reply(late), Some(true));
    assert_eq!(world.ledger().spooled + world.ledger().in_flight, 100);
    // Records are older, and no flush waits for them.
    world.disk.latency = 5 * SECOND;
    world.wait(MINUTE);
    world.set_receiver(Receiver::Up);
    world.push(5, 100);
    let flush = world.flush(SECOND);
    world.wait(SECOND);
    assert_eq!(world.reply(flush), Some(true));
}

#[test]
fn a_shutdown_ends_by_its_deadline_whatever_the_disk_does() {
    for is_hung in [false, true] {
        for millis in [0, 1, 50, 700, 5_000] {
            let mut world = World::new(usual);
            world.disk.is_hung = is_hung;
            world.set_receiver(Receiver::Hung);
            for _ in 0..20 {
                world.push(50, 400);
                world.wait(SECOND / 20);
            }
            let is_done = world.shut_down(Duration::from_millis(millis));
            let account = world.ledger();
            assert!(!(is_done && is_hung), "{millis} {account}");
            assert!(is_hung || millis < 50 || (is_done && account.spooled == 1_000), "{account}");
        }
    }
}

#[test]
fn a_span_that_a_receiver_may_have_arrives_twice_at_most_as_often_as_it_was_sent() {
    let mut world = World::new(usual);
    world.set_receiver(Receiver::Hung);
    world.push(200, 100);
    world.wait(15 * SECOND);
    world.push(201, 100);
    world.wait(15 * SECOND);
    world.set_receiver(Receiver::Up);
    world.wait(2 * MINUTE);
    let account = world.ledger();
    account.check().unwrap();
    assert_eq!((account.exported, world.received.len()), (401, 401));
}

#[test]
fn a_record_that_is_larger_than_the_budget_is_lost_as_too_large() {
    let mut world = World::new(|it| it.with_budget_bytes(16 << 20));
    world.set_receiver(Receiver::Down);
    for _ in 0..30 {
        world.push(20, 30_000);
        world.wait(2 * SECOND);
    }
    assert!(world.shut_down(5 * SECOND));
    let first = world.ledger();
    assert_eq!(first.spooled, 600, "{first}");
    world.configure(|it| it.with_budget_bytes(1 << 20));
    world.restart(false);
    world.set_receiver(Receiver::Up);
    world.push(1, 10);
    world.wait(2 * MINUTE);
    let second = world.ledger();
    second.check().unwrap();
    assert_eq!(second.exported + second.dropped(DropReason::TooLarge), 601, "{second}");
    assert!(second.dropped(DropReason::TooLarge) > 0, "{second}");
}

#[test]
fn a_spool_is_for_a_first_destination_with_one_endpoint() {
    use spanwise_export::{Destination, Exporter};
    use spanwise_transport::{RingVersion, Transport};
    let to = |port: u16| {
        let transport = Transport::builder().build().unwrap();
        (format!("127.0.0.1:{port}"), transport)
    };
    let routed = Destination::routed_by_trace_id(RingVersion::default(), [to(1), to(2)]).unwrap();
    let builder = Exporter::builder(routed).with_spool(support::spooled::NoThread);
    let error = builder.build().unwrap_err().to_string();
    assert!(error.contains("with_spool") && error.contains("one endpoint"), "{error}");
}
