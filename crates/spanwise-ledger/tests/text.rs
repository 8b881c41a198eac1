//! What a person reads, in `{}` and in `{:?}`: every name with its number, and nothing that is zero.

use spanwise_ledger::{Counter, DropReason, Ledger};

fn account() -> Ledger {
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
fn a_snapshot_is_a_line_in_debug() {
    let expected = "created 13, sampled_out 1, exported 5, dropped 4 (queue_full 3, \
                    after_shutdown 1), in_flight 3; retries 2";
    assert_eq!(format!("{:?}", account().snapshot()), expected);
    assert_eq!(format!("{:?}", account()), expected);
    let nothing = "created 0, sampled_out 0, exported 0, dropped 0, in_flight 0";
    assert_eq!(format!("{:?}", Ledger::new()), nothing);
}

#[test]
fn a_snapshot_is_a_table_in_display() {
    let snapshot = account().snapshot();
    assert_eq!(format!("{snapshot:#?}"), snapshot.to_string());
    for (name, number) in [("created", 13), ("queue_full", 3), ("in_flight", 3), ("retries", 2)] {
        let line = snapshot.to_string();
        let line = line.lines().find(|line| line.trim_start().starts_with(name));
        assert!(line.is_some_and(|line| line.ends_with(&format!(" {number}"))), "{line:?}");
    }
}

#[test]
fn an_imbalance_reads_the_same_in_debug() {
    let imbalance = account().snapshot().check().err().map(|error| {
        assert_eq!(format!("{error:?}"), error.to_string());
        error.to_string()
    });
    assert!(imbalance.is_some_and(|text| text.starts_with("3 spans without an outcome")));
}

#[test]
fn tickets_show_their_number() {
    let ledger = account();
    let tickets = ledger.tickets(3);
    assert_eq!(format!("{tickets:?}"), "Tickets of 3 spans");
    tickets.exported();
}
