//! [`FreePlaces`]: the places that hold no span, by thread.

use spanwise_worker::fork;
use std::cell::RefCell;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

/// The free places of a subscriber: a stack that all threads share, and some places in reserve for each thread. A thread
/// takes the lock of the stack once for many spans.
pub(super) struct FreePlaces {
    /// The number of the subscriber.
    owner: u64,
    shared: Mutex<Shared>,
    /// The most places that a thread has in reserve.
    max_reserve: usize,
    /// [`fork::generation`] of the process that the subscriber was made in.
    process: u32,
}

#[derive(Default)]
struct Shared {
    free: Vec<u32>,
    /// The places that exist.
    made: usize,
}

impl FreePlaces {
    pub(super) fn new(owner: u64, max_open: usize) -> Self {
        // A small bound is exact: no thread withholds a place from another one.
        let max_reserve = (max_open / RESERVE_SHARE).min(MAX_RESERVE);
        Self { owner, shared: Mutex::default(), max_reserve, process: fork::generation() }
    }

    /// Takes a free place. `grow` makes places behind the first `made` ones, and returns their number.
    #[inline(always)]
    pub(super) fn take(self: &Arc<Self>, grow: impl FnOnce(usize) -> usize) -> Option<u32> {
        let reserved = RESERVE.try_with(|reserve| {
            let mut reserve = reserve.0.try_borrow_mut().ok()?;
            if reserve.owner == self.owner { reserve.pop() } else { None }
        });
        match reserved {
            Ok(Some(place)) => Some(place),
            _ => self.take_shared(grow),
        }
    }

    /// Gives a place back.
    #[inline(always)]
    pub(super) fn give(&self, place: u32) {
        let reserved = RESERVE.try_with(|reserve| {
            let Ok(mut reserve) = reserve.0.try_borrow_mut() else { return false };
            reserve.owner == self.owner && reserve.len < self.max_reserve && reserve.push(place)
        });
        if !matches!(reserved, Ok(true)) {
            self.give_shared(place);
        }
    }

    #[cold]
    #[inline(never)]
    fn take_shared(self: &Arc<Self>, grow: impl FnOnce(usize) -> usize) -> Option<u32> {
        let mut shared = self.lock()?;
        if shared.free.is_empty() {
            let made = shared.made;
            shared.made += grow(made);
            // The first new place is taken first. The stack has memory for all places.
            let new = (made..shared.made).rev().filter_map(|place| u32::try_from(place).ok());
            let all = shared.made;
            shared.free.reserve(all);
            shared.free.extend(new);
        }
        let place = shared.free.pop()?;
        let mut batch =
            Reserve { owner: self.owner, origin: Arc::downgrade(self), ..Reserve::NONE };
        while batch.len < self.max_reserve / 2
            && let Some(place) = shared.free.pop()
        {
            batch.push(place);
        }
        drop(shared);
        let mut batch = Some(batch);
        // The reserve before is that of another subscriber, or empty.
        let before = RESERVE.try_with(|reserve| match reserve.0.try_borrow_mut() {
            Ok(mut reserve) => batch.take().map(|batch| mem::replace(&mut *reserve, batch)),
            Err(_) => None,
        });
        before.ok().flatten().into_iter().chain(batch).for_each(Reserve::give_back);
        Some(place)
    }

    #[cold]
    #[inline(never)]
    fn give_shared(&self, place: u32) {
        let Some(mut shared) = self.lock() else { return };
        shared.free.push(place);
        let _ = RESERVE.try_with(|reserve| {
            let Ok(mut reserve) = reserve.0.try_borrow_mut() else { return };
            while reserve.owner == self.owner
                && reserve.len > self.max_reserve / 2
                && let Some(place) = reserve.pop()
            {
                shared.free.push(place);
            }
        });
    }

    /// `None` in a forked child that may have no thread that would release the lock: it has no shared places then.
    fn lock(&self) -> Option<MutexGuard<'_, Shared>> {
        match self.shared.try_lock() {
            Ok(shared) => Some(shared),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if fork::generation() != self.process => None,
            Err(TryLockError::WouldBlock) => {
                Some(self.shared.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }
}

/// The free places that a thread has in reserve.
struct Reserve {
    owner: u64,
    len: usize,
    places: [u32; MAX_RESERVE],
    origin: Weak<FreePlaces>,
}

impl Reserve {
    const NONE: Self = Self { owner: 0, len: 0, places: [0; MAX_RESERVE], origin: Weak::new() };

    #[inline(always)]
    fn pop(&mut self) -> Option<u32> {
        let last = self.len.checked_sub(1)?;
        let place = *self.places.get(last)?;
        self.len = last;
        Some(place)
    }

    /// Adds a place, unless the reserve is full.
    #[inline(always)]
    fn push(&mut self, place: u32) -> bool {
        let Some(end) = self.places.get_mut(self.len) else { return false };
        *end = place;
        self.len += 1;
        true
    }

    /// Gives the places back to the subscriber, if that exists.
    fn give_back(mut self) {
        if self.len > 0
            && let Some(origin) = self.origin.upgrade()
            && let Some(mut shared) = origin.lock()
        {
            while let Some(place) = self.pop() {
                shared.free.push(place);
            }
        }
    }
}

struct ThreadReserve(RefCell<Reserve>);

impl Drop for ThreadReserve {
    fn drop(&mut self) {
        self.0.replace(Reserve::NONE).give_back();
    }
}

thread_local! {
    static RESERVE: ThreadReserve = const { ThreadReserve(RefCell::new(Reserve::NONE)) };
}

/// The most places that a thread has in reserve.
const MAX_RESERVE: usize = 32;
/// A thread has at most this part of all places in reserve.
const RESERVE_SHARE: usize = 64;
