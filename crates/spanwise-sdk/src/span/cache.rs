//! Where records rest between two spans.

use super::record::Record;
use spanwise_pool::Pool;
use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A record to write a span into, as its last user left it.
#[inline(always)]
pub(super) fn take() -> Box<Record> {
    match CACHE.try_with(|cache| cache.front.take()) {
        Ok(Some(record)) => record,
        _ => take_behind(),
    }
}

/// Gives a record back.
#[inline(always)]
pub(super) fn put(record: Box<Record>) {
    // An `Option` that is still full after the call could not be taken: the thread is exiting.
    let record = Cell::new(Some(record));
    let kept = CACHE.try_with(|cache| match cache.licence.get() {
        Licence::Granted => cache.front.replace(record.take()),
        _ => record.take(),
    });
    match kept {
        Ok(None) => {}
        Ok(Some(displaced)) => put_behind(displaced),
        Err(_) => record.take().map_or((), put_shared),
    }
}

/// Makes the shared pool, so that no fork can copy it half made.
pub(crate) fn warm_up() {
    LazyLock::force(&SHARED);
}

/// The thread's front place is empty: a span is open already, or the thread is new.
#[inline(never)]
fn take_behind() -> Box<Record> {
    match CACHE.try_with(Cache::take_behind) {
        Ok(Some(record)) => record,
        _ => SHARED.take_or(Box::default),
    }
}

/// The front place is taken, or the thread has none.
#[inline(never)]
fn put_behind(record: Box<Record>) {
    let record = Cell::new(Some(record));
    let kept = CACHE.try_with(|cache| record.take().and_then(|record| cache.put_behind(record)));
    if let Some(record) = kept.unwrap_or_else(|_| record.take()) {
        put_shared(record);
    }
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
    /// The one given back last. Alone, because most spans are the only open one of their thread,
    /// or its innermost.
    front: Cell<Option<Box<Record>>>,
    behind: [Cell<Option<Box<Record>>>; BEHIND],
    /// Places in use behind, from the first.
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
            front: Cell::new(None),
            behind: [const { Cell::new(None) }; BEHIND],
            used: Cell::new(0),
            licence: Cell::new(Licence::Unasked),
        }
    }

    fn take_behind(&self) -> Option<Box<Record>> {
        let last = self.used.get().checked_sub(1)?;
        self.used.set(last);
        self.behind.get(last)?.take()
    }

    /// The record back when there is no place for it.
    fn put_behind(&self, record: Box<Record>) -> Option<Box<Record>> {
        let used = self.used.get();
        match (self.licence.get(), self.behind.get(used)) {
            (Licence::Granted, Some(place)) => {
                place.set(Some(record));
                self.used.set(used + 1);
                None
            }
            (Licence::Unasked, _) => self.ask(record),
            _ => Some(record),
        }
    }

    #[cold]
    fn ask(&self, record: Box<Record>) -> Option<Box<Record>> {
        if LICENSED.fetch_add(1, Relaxed) < LICENCES {
            self.licence.set(Licence::Granted);
            return self.front.replace(Some(record));
        }
        LICENSED.fetch_sub(1, Relaxed);
        self.licence.set(Licence::Refused);
        Some(record)
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        while let Some(record) = self.front.take().or_else(|| self.take_behind()) {
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

/// Records a thread keeps besides the front one: for a request span, its child, and one to spare.
const BEHIND: usize = 3;
/// Threads that may keep records.
const LICENCES: usize = 256;
/// Records the shared pool keeps.
const SHARED_RECORDS: usize = 512;
