//! Where records rest between two spans.

use super::record::Record;
use spanwise_pool::Pool;
use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A record to write a span into, as its last user left it.
#[inline(always)]
pub(super) fn take() -> Box<Record> {
    match CACHE.try_with(|cache| cache.take()) {
        Ok(Some(record)) => record,
        _ => take_shared(),
    }
}

/// Gives a record back.
#[inline(always)]
pub(super) fn put(record: Box<Record>) {
    // An `Option` that is still full after the call could not be taken: the thread is exiting.
    let record = Cell::new(Some(record));
    let kept = CACHE.try_with(|cache| record.take().and_then(|record| cache.put(record)));
    if let Some(record) = kept.unwrap_or_else(|_| record.take()) {
        put_shared(record);
    }
}

#[cold]
fn take_shared() -> Box<Record> {
    SHARED.take().unwrap_or_default()
}

#[cold]
fn put_shared(record: Box<Record>) {
    // A full pool gives it back, and it is freed here.
    drop(SHARED.put(record));
}

/// A few records of this thread's own.
///
/// A span that starts and ends on one thread finds its record without a locked instruction. So
/// that memory does not grow with threads, only `LICENCES` threads at a time may have a cache;
/// the others use the shared pool.
struct Cache {
    slots: [Cell<Option<Box<Record>>>; SLOTS],
    /// Slots in use, from the first.
    used: Cell<usize>,
    licence: Cell<Licence>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Licence {
    Unasked,
    Granted,
    Refused,
}

impl Cache {
    const fn new() -> Self {
        Self {
            slots: [const { Cell::new(None) }; SLOTS],
            used: Cell::new(0),
            licence: Cell::new(Licence::Unasked),
        }
    }

    #[inline(always)]
    fn take(&self) -> Option<Box<Record>> {
        let last = self.used.get().checked_sub(1)?;
        self.used.set(last);
        self.slots.get(last)?.take()
    }

    /// The record back when there is no place for it.
    #[inline(always)]
    fn put(&self, record: Box<Record>) -> Option<Box<Record>> {
        let used = self.used.get();
        match self.slots.get(used) {
            Some(slot) if self.licence.get() == Licence::Granted => {
                slot.set(Some(record));
                self.used.set(used + 1);
                None
            }
            Some(_) => self.put_first(record),
            None => Some(record),
        }
    }

    #[cold]
    fn put_first(&self, record: Box<Record>) -> Option<Box<Record>> {
        if self.licence.get() == Licence::Unasked {
            let granted = LICENSED.fetch_add(1, Relaxed) < LICENCES;
            self.licence.set(if granted { Licence::Granted } else { Licence::Refused });
            if granted {
                return self.put(record);
            }
            LICENSED.fetch_sub(1, Relaxed);
        }
        Some(record)
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        while let Some(record) = self.take() {
            put_shared(record);
        }
        if self.licence.get() == Licence::Granted {
            LICENSED.fetch_sub(1, Relaxed);
        }
    }
}

thread_local! {
    static CACHE: Cache = const { Cache::new() };
}

/// Threads that have a cache now.
static LICENSED: AtomicUsize = AtomicUsize::new(0);
/// For spans that end on another thread than they started on, and threads without a licence.
static SHARED: LazyLock<Pool<Box<Record>>> = LazyLock::new(|| Pool::new(SHARED_RECORDS));

/// Records a thread keeps: a request span, its child, and two to spare.
const SLOTS: usize = 4;
/// Threads that may keep records.
const LICENCES: usize = 256;
/// Records the shared pool keeps.
const SHARED_RECORDS: usize = 512;
