//! `Display` and `Debug`: every name with its number, and no name whose number is zero.

use spanwise_ledger::{Counter, DropReason, Ledger};

fn ledger() -> Ledger {
    let ledger = Ledger::new();
    (0..12).for_each(|_| ledger.started());
    ledger.sampled_out();
    ledger.exported(5);
    ledger.dropped(DropReason::QueueFull, 3);
    ledger.dropped(DropReason::AfterShutdown, 1);
    ledger.count(Counter::Retries, 2);
    ledger
}

#[test]
fn debug_formats_a_snapshot_on_one_line() {
    let expected = "created 13, sampled_out 1, exported 5, dropped 4 (queue_full 3, \
                    after_shutdown 1), in_flight 3; retries 2";
    assert_eq!(format!("{:?}", ledger().snapshot()), expected);
    assert_eq!(format!("{:?}", ledger()), expected);
    let nothing = "created 0, sampled_out 0, exported 0, dropped 0, in_flight 0";
    assert_eq!(format!("{:?}", Ledger::new()), nothing);
}

#[test]
fn display_formats_a_snapshot_as_a_table() {
    let snapshot = ledger().snapshot();
    assert_eq!(format!("{snapshot:#?}"), snapshot.to_string());
    for (name, number) in [("created", 13), ("queue_full", 3), ("in_flight", 3), ("retries", 2)] {
        let line = snapshot.to_string();
        let line = line.lines().find(|line| line.trim_start().starts_with(name));
        assert!(line.is_some_and(|line| line.ends_with(&format!(" {number}"))), "{line:?}");
    }
}

#[test]
fn debug_and_display_of_an_imbalance_are_equal() {
    let imbalance = ledger().snapshot().check().err().map(|error| {
        assert_eq!(format!("{error:?}"), error.to_string());
        error.to_string()
    });
    assert!(imbalance.is_some_and(|text| text.starts_with("3 spans without an outcome")));
}

#[test]
fn debug_of_tickets_prints_their_number() {
    let ledger = self::ledger();
    let tickets = ledger.tickets(3);
    assert_eq!(format!("{tickets:?}"), "Tickets of 3 spans");
    tickets.exported();
}

/// A ledger without a spool prints neither number.
#[test]
fn spans_on_disk_have_lines_of_their_own() {
    let ledger = Ledger::new();
    (0..9).for_each(|_| ledger.started());
    for text in [ledger.snapshot().to_string(), format!("{:?}", ledger.snapshot())] {
        assert!(!text.contains("recovered") && !text.contains("spooled"), "{text}");
    }
    ledger.tickets(4).spooled();
    ledger.recovered(3).spooled();
    ledger.tickets(5).exported();
    for text in [ledger.snapshot().to_string(), format!("{:?}", ledger.snapshot())] {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace(',', "");
        let expected =
            "created 9 recovered 3 sampled_out 0 exported 5 dropped 0 spooled 7 in_flight 0";
        assert_eq!(text, expected);
    }
}
