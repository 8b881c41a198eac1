//! The cache of idle records: a few per thread, then a shared pool.

use super::record::Record;
use spanwise_pool::{Pool, Reset};
use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Acquires a record, with the fields of its last span.
#[inline(always)]
pub(super) fn take() -> Box<Record> {
    match CACHE.try_with(|cache| cache.front.take()) {
        Ok(Some(record)) => record,
        _ => take_behind(),
    }
}

/// Caches a record for the next span, or frees it if it has grown large.
#[inline(always)]
pub(super) fn park(mut record: Box<Record>) {
    if record.reset() {
        put(record);
    }
}

#[inline(always)]
fn put(record: Box<Record>) {
    // The closure leaves the record in the `Option` when the thread is exiting.
    let record = Cell::new(Some(record));
    let displaced = CACHE.try_with(|cache| match cache.permit.get() {
        Permit::Granted => cache.front.replace(record.take()),
        _ => record.take(),
    });
    match displaced {
        Ok(None) => {}
        Ok(Some(displaced)) => put_behind(displaced),
        Err(_) => record.take().map_or((), put_shared),
    }
}

/// Creates the shared pool, so that no fork can copy it half initialized.
pub(crate) fn warm_up() {
    LazyLock::force(&SHARED);
}

/// Acquires a record while the front slot is empty: the thread has an open span, or is new.
#[inline(never)]
fn take_behind() -> Box<Record> {
    match CACHE.try_with(Cache::take_behind) {
        Ok(Some(record)) => record,
        _ => SHARED.take_or(allocate),
    }
}

#[cold]
fn allocate() -> Box<Record> {
    ALLOCATED.fetch_add(1, Relaxed);
    Box::default()
}

/// Records that the process has allocated so far, because no cache had one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AllocatedRecords {
    pub(crate) count: u64,
    /// Without the memory of their attributes.
    pub(crate) bytes: u64,
}

/// The records that were allocated. All providers share their caches.
pub(crate) fn allocated_records() -> AllocatedRecords {
    let count = ALLOCATED.load(Relaxed);
    AllocatedRecords { count, bytes: count.saturating_mul(size_of::<Record>() as u64) }
}

/// Releases a record while the front slot is full or the thread has no cache.
#[inline(never)]
fn put_behind(record: Box<Record>) {
    let record = Cell::new(Some(record));
    let displaced =
        CACHE.try_with(|cache| record.take().and_then(|record| cache.put_behind(record)));
    if let Some(record) = displaced.unwrap_or_else(|_| record.take()) {
        put_shared(record);
    }
}

#[cold]
fn put_shared(record: Box<Record>) {
    // A full pool returns the record, and this drop frees it.
    drop(SHARED.put(record));
}

/// A thread-local cache of a few records.
///
/// A span that starts and ends on one thread acquires its record without a locked instruction. At most
/// `PERMITS` threads have a cache at a time, which bounds the memory; the other threads use the shared
/// pool.
struct Cache {
    /// The record that was released last. It has a slot of its own, because most spans are the only or
    /// the innermost open span of their thread.
    front: Cell<Option<Box<Record>>>,
    behind: [Cell<Option<Box<Record>>>; BEHIND],
    /// Slots in use of `behind`, from the first.
    used: Cell<usize>,
    permit: Cell<Permit>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Permit {
    NotRequested,
    Granted,
    Denied,
}

impl Cache {
    const fn new() -> Self {
        Self {
            front: Cell::new(None),
            behind: [const { Cell::new(None) }; BEHIND],
            used: Cell::new(0),
            permit: Cell::new(Permit::NotRequested),
        }
    }

    fn take_behind(&self) -> Option<Box<Record>> {
        let last = self.used.get().checked_sub(1)?;
        self.used.set(last);
        self.behind.get(last)?.take()
    }

    /// Returns the record if there is no slot for it.
    fn put_behind(&self, record: Box<Record>) -> Option<Box<Record>> {
        let used = self.used.get();
        match (self.permit.get(), self.behind.get(used)) {
            (Permit::Granted, Some(slot)) => {
                slot.set(Some(record));
                self.used.set(used + 1);
                None
            }
            (Permit::NotRequested, _) => self.request_permit(record),
            _ => Some(record),
        }
    }

    #[cold]
    fn request_permit(&self, record: Box<Record>) -> Option<Box<Record>> {
        if GRANTED.fetch_add(1, Relaxed) < PERMITS {
            self.permit.set(Permit::Granted);
            return self.front.replace(Some(record));
        }
        GRANTED.fetch_sub(1, Relaxed);
        self.permit.set(Permit::Denied);
        Some(record)
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        while let Some(record) = self.front.take().or_else(|| self.take_behind()) {
            put_shared(record);
        }
        if self.permit.get() == Permit::Granted {
            GRANTED.fetch_sub(1, Relaxed);
        }
    }
}

thread_local! {
    static CACHE: Cache = const { Cache::new() };
}

/// Records that were allocated.
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
/// Threads that have a permit now.
static GRANTED: AtomicUsize = AtomicUsize::new(0);
/// The pool of spans that end on another thread than they started on, and of threads without a permit.
static SHARED: LazyLock<Pool<Box<Record>>> = LazyLock::new(|| Pool::new(SHARED_RECORDS));

/// Records that a thread retains besides the front one: for a request span, its child, and one more.
const BEHIND: usize = 3;
/// Threads that may have a cache.
const PERMITS: usize = 256;
/// Records that the shared pool retains.
const SHARED_RECORDS: usize = 512;
