use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::thread_counters::{self, Count, Lines};
use crate::{Counter, DropReason, Snapshot, Tickets};

/// The account of every span a program creates.
///
/// A clone is another handle on the same account. The law it keeps, for any reader at any instant:
///
/// ```text
/// created = sampled_out + exported + Σ dropped{reason} + in_flight        in_flight ≥ 0
/// ```
///
/// It holds as long as callers keep their side: [`started`](Ledger::started) comes before the
/// span is handed to whoever reports its outcome, and each started span gets exactly one outcome
/// ([`Tickets`] see to that).
///
/// # Cost
/// About 9 KiB per ledger, whatever the number of threads. A thread that used a ledger keeps the
/// memory (not the account) until it exits or counts on another one.
#[derive(Clone)]
pub struct Ledger {
    account: Arc<Account>,
}

/// What all handles share.
pub(crate) struct Account {
    /// The counters application threads bump.
    pub(crate) lines: Lines,
    outcomes: Outcomes,
    counters: Counters,
}

/// Sinks. Apart from the counters and the lines: they are bumped by other threads.
#[repr(align(128))]
struct Outcomes {
    exported: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

#[repr(align(128))]
struct Counters([AtomicU64; Counter::ALL.len()]);

impl Ledger {
    /// Opens an empty account.
    pub fn new() -> Self {
        Ledger {
            account: Arc::new(Account {
                lines: Lines::new(),
                outcomes: Outcomes {
                    exported: AtomicU64::new(0),
                    dropped: [const { AtomicU64::new(0) }; DropReason::ALL.len()],
                },
                counters: Counters([const { AtomicU64::new(0) }; Counter::ALL.len()]),
            }),
        }
    }

    /// A recorded span begins: it now owes an outcome.
    ///
    /// # Cost
    /// A thread-local read, a compare, a load and a store for up to 64 threads at a time; one
    /// `fetch_add` on a shared line for the threads beyond. No lock, no allocation, never waits.
    #[inline]
    pub fn started(&self) {
        thread_counters::bump(&self.account, Count::Started);
    }

    /// A span was created and at once sampled out: it owes nothing.
    ///
    /// # Cost
    /// As [`started`](Ledger::started).
    #[inline]
    pub fn sampled_out(&self) {
        thread_counters::bump(&self.account, Count::SampledOut);
    }

    /// `spans` spans were acknowledged by the receiver.
    pub fn exported(&self, spans: u64) {
        // ORDER: Release, after the spans' `started`; pairs with the Acquire load in `snapshot`.
        self.account.outcomes.exported.fetch_add(spans, Release);
    }

    /// `spans` spans are lost, and this is why.
    pub fn dropped(&self, reason: DropReason, spans: u64) {
        if let Some(count) = self.account.outcomes.dropped.get(reason as usize) {
            // ORDER: as in `exported`.
            count.fetch_add(spans, Release);
        }
    }

    /// Something happened `times` times that cost no span but should be seen.
    pub fn count(&self, counter: Counter, times: u64) {
        if let Some(count) = self.account.counters.0.get(counter as usize) {
            count.fetch_add(times, Relaxed);
        }
    }

    /// Takes over the duty to report an outcome for `spans` spans already counted as
    /// [`started`](Ledger::started).
    pub fn tickets(&self, spans: u64) -> Tickets {
        Tickets::new(self.clone(), spans)
    }

    /// Reads the account.
    ///
    /// The reading is consistent, not frozen: other threads go on counting while it is taken, and
    /// `in_flight` errs on the high side by what they count meanwhile. At rest it is exact.
    ///
    /// # Cost
    /// About 160 loads; takes no lock and disturbs no writer.
    pub fn snapshot(&self) -> Snapshot {
        // ORDER: sinks before sources. Each outcome is a Release increment that comes after its
        // span's `started` (same thread, or handed over with synchronisation). Having read it with
        // Acquire, every `started` behind it is visible to the loads below, so that
        // started ≥ exported + dropped in every snapshot.
        let exported = self.account.outcomes.exported.load(Acquire);
        let dropped =
            std::array::from_fn(|i| load(&self.account.outcomes.dropped, i, |c| c.load(Acquire)));
        let counters =
            std::array::from_fn(|i| load(&self.account.counters.0, i, |c| c.load(Relaxed)));
        let (started, sampled_out) = self.account.lines.sums();
        Snapshot::new(started, sampled_out, exported, dropped, counters)
    }

    /// Whether both are handles on one account.
    pub fn ptr_eq(&self, other: &Ledger) -> bool {
        Arc::ptr_eq(&self.account, &other.account)
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger::new()
    }
}

/// Its [`snapshot`](Ledger::snapshot), on one line.
impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.snapshot(), f)
    }
}

fn load(counts: &[AtomicU64], index: usize, read: impl Fn(&AtomicU64) -> u64) -> u64 {
    counts.get(index).map_or(0, read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn free(ledger: &Ledger) -> u32 {
        ledger.account.lines.free()
    }

    #[test]
    fn a_thread_has_its_line_until_it_exits() {
        let ledger = Ledger::new();
        for _ in 0..3 {
            let counting = ledger.clone();
            let seated = thread::spawn(move || {
                counting.started();
                counting.sampled_out();
                free(&counting)
            });
            assert_eq!(seated.join().unwrap(), 63);
            assert_eq!(free(&ledger), 64);
        }
    }

    #[test]
    fn a_thread_that_moved_to_another_ledger_leaves_its_line() {
        thread::spawn(|| {
            let (old, new) = (Ledger::new(), Ledger::new());
            old.started();
            (0..1000).for_each(|_| new.started());
            assert_eq!((free(&old), free(&new)), (64, 63));
            assert_eq!((old.snapshot().in_flight, new.snapshot().in_flight), (1, 1000));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_thread_does_not_keep_an_account_alive() {
        let ledger = Ledger::new();
        ledger.started();
        let account = Arc::downgrade(&ledger.account);
        drop(ledger);
        assert!(account.upgrade().is_none());
        Ledger::new().started();
    }
}
