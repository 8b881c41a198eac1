//! The thread local that names the counter line a thread owns.

use std::cell::Cell;
use std::sync::{Arc, Weak};

use crate::account::Account;
use crate::thread_counters::Start;

/// Counts one span on the line of this thread.
#[inline]
pub(crate) fn increment(account: &Arc<Account>, start: Start) {
    let counted = SLOT.try_with(|slot| {
        if slot.owner_address.get() != address(account) {
            return slot.increment_other(account, start);
        }
        account.starts.increment_owned(slot.line.get(), start);
    });
    if counted.is_err() {
        account.starts.increment_shared(start);
    }
}

thread_local! {
    static SLOT: CounterSlot = const {
        CounterSlot {
            owner_address: Cell::new(0),
            line: Cell::new(0),
            owner: Cell::new(Weak::new()),
            misses: Cell::new(0),
        }
    };
}

/// The counter line that this thread owns in one account.
struct CounterSlot {
    /// Address of the account that the line belongs to, 0 for none. `owner` retains the
    /// allocation, so that no other ledger is allocated at this address.
    owner_address: Cell<usize>,
    line: Cell<usize>,
    owner: Cell<Weak<Account>>,
    /// Increments for an account other than the owner.
    misses: Cell<u32>,
}

impl CounterSlot {
    /// Counts on the shared line of `account`; every `MISSES_PER_MOVE` misses, the thread first
    /// gives its line back and claims one in `account`, if one is free. So a thread that changed
    /// ledgers (or found all lines taken) is soon fast, and one that alternates pays little for it.
    #[cold]
    fn increment_other(&self, account: &Arc<Account>, start: Start) {
        let misses = self.misses.get();
        self.misses.set(misses.wrapping_add(1));
        if misses.is_multiple_of(MISSES_PER_MOVE) {
            self.release();
            if let Some(line) = account.starts.claim() {
                self.owner_address.set(address(account));
                self.line.set(line);
                self.owner.set(Arc::downgrade(account));
            }
        }
        account.starts.increment_shared(start);
    }

    fn release(&self) {
        self.owner_address.set(0);
        if let Some(account) = self.owner.take().upgrade() {
            account.starts.release(self.line.get());
        }
    }
}

impl Drop for CounterSlot {
    fn drop(&mut self) {
        self.release();
    }
}

#[inline]
fn address(account: &Arc<Account>) -> usize {
    Arc::as_ptr(account).addr()
}

const MISSES_PER_MOVE: u32 = 256;
