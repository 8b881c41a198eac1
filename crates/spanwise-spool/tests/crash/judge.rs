//! Opens the spool after a crash, reads all of it, and compares it with the account.

use std::collections::BTreeSet;
use std::time::SystemTime;

use spanwise_spool::storage::Storage;
use spanwise_spool::{Losses, Spool, SpoolBuilder};
use spanwise_wire::TraceId;

use crate::oracle::{Oracle, State};
use crate::requests::{Requests, number_of, trace_id};

/// The records that a spool delivered after a crash.
#[derive(Debug)]
pub struct Found {
    pub numbers: BTreeSet<u64>,
    /// Records that were found twice: a sync of them failed, and they were written to another segment again.
    pub copies: Vec<u64>,
    pub losses: Losses,
}

/// Reads all records of a spool, each of which must be one that was appended.
///
/// # Errors
/// A record that is no request, changed, or out of order, or a call that failed.
pub fn read_all<S: Storage>(
    spool: &mut Spool<S>,
    now: SystemTime,
    requests: &mut Requests,
) -> Result<Vec<u64>, String> {
    let mut numbers = Vec::new();
    let mut last = None;
    // A loop without an end would return to an earlier place, which is an error below.
    while let Some(stored) = spool.read_next(now).map_err(|error| format!("read_next: {error}"))? {
        let Some(number) = number_of(&stored.request) else {
            return Err(format!("{:?} is no request", stored.id));
        };
        let expected = requests.get(number);
        if stored.request != expected.bytes {
            return Err(format!("{:?}: the request {number} was changed", stored.id));
        }
        if stored.spans != expected.spans {
            return Err(format!(
                "request {number}: {} spans instead of {}",
                stored.spans, expected.spans
            ));
        }
        numbers.push(number);
        if last.is_some_and(|last| last >= stored.id) {
            return Err(format!("{:?} follows {last:?}", stored.id));
        }
        last = Some(stored.id);
    }
    Ok(numbers)
}

/// Opens the spool in `storage` and judges what it has. `before` and `after` are the accounts on both sides of the call during which
/// the crash happened: its effect may be on disk, or not.
///
/// # Errors
/// The rule that is broken.
pub fn judge<S: Storage>(
    builder: SpoolBuilder,
    storage: S,
    now: SystemTime,
    requests: &mut Requests,
    accounts: (&Oracle, &Oracle),
) -> Result<Found, String> {
    let (before, after) = accounts;
    let (mut spool, recovery) =
        builder.open_in(storage, now).map_err(|error| format!("open: {error}"))?;
    let live_at_start = spool.stats().spans;
    let delivered = read_all(&mut spool, now, requests)?;
    let losses = spool.take_losses();
    let (mut numbers, mut copies) = (BTreeSet::new(), Vec::new());
    for number in &delivered {
        if !numbers.insert(*number) {
            copies.push(*number);
        }
    }
    let is_rewritten =
        |number: &u64| after.records.get(number).is_some_and(|entry| entry.is_rewritten);
    if let Some(number) = copies.iter().find(|number| !is_rewritten(number)) {
        return Err(format!("request {number} is delivered twice"));
    }
    let is_known = |number: &u64| before.state(*number).is_some() || after.state(*number).is_some();
    if let Some(number) = numbers.iter().find(|number| !is_known(number)) {
        return Err(format!("request {number} was never appended"));
    }
    let spans_of = |number: u64| after.spans_of(number).max(before.spans_of(number));
    let found: u64 = delivered.iter().map(|number| spans_of(*number)).sum();
    // Every span on disk is delivered or counted as lost.
    if recovery.spans != found + losses.total() {
        return Err(format!(
            "{} spans recovered, {found} delivered, {losses:?} lost",
            recovery.spans
        ));
    }
    if live_at_start + losses.evicted + losses.expired < found {
        return Err(format!("{live_at_start} spans in the statistics, {found} delivered"));
    }
    let must = |number: &u64| {
        before.state(*number) == Some(State::Stored) && after.state(*number) == Some(State::Stored)
    };
    let missing: Vec<u64> = before
        .records
        .keys()
        .filter(|number| must(number) && !numbers.contains(number))
        .copied()
        .collect();
    let missing_spans: u64 = missing.iter().map(|number| spans_of(*number)).sum();
    if missing_spans > losses.evicted + losses.expired {
        return Err(format!("stored requests {missing:?} are lost; {losses:?}"));
    }
    if let Some(number) = before.checkpointed().iter().find(|number| numbers.contains(number)) {
        return Err(format!(
            "request {number} is delivered again, although its acknowledgement is on disk"
        ));
    }
    // A crash damages nothing that was synced: damaged records were not stored, or are other copies of those that were. A sync that
    // fails writes its records to a second segment, and to a third one.
    let uncertain = after.records.keys().map(|number| {
        let most = match (is_rewritten(number), must(number)) {
            (true, _) => 3,
            (false, true) => return 0,
            (false, false) => 1,
        };
        let found = delivered.iter().filter(|found| *found == number).count() as u64;
        spans_of(*number) * (most - found.min(most))
    });
    let uncertain: u64 = uncertain.sum();
    if losses.io > uncertain {
        return Err(format!(
            "{} spans counted as damaged, of {uncertain} that were not stored",
            losses.io
        ));
    }
    // An index that the crash left is right, or is built again: it hides no record. A search is slow, and every seventh finds it, too.
    if let Some(number) = numbers.last().filter(|number| **number % 7 == 0) {
        let trace = spool.find(TraceId::from_bytes(trace_id(*number, 0)));
        let copies = copies.iter().filter(|copy| *copy == number).count() as u64;
        if trace.spans != 1 + copies {
            return Err(format!(
                "request {number} is delivered, and its trace has {} spans",
                trace.spans
            ));
        }
    }
    Ok(Found { numbers, copies, losses })
}
