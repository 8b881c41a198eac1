//! Detection of `fork` at the cost of one load: a forked child has another [`generation`] than its
//! parent.
//!
//! A child starts with a copy of its parent's memory: seeds, counters, queues, and handles of
//! threads that it does not have. A type that must differ between processes stores the
//! [`generation`] in which it was made, and replaces itself when the generation has changed.
//!
//! ```
//! use std::cell::Cell;
//! use spanwise_worker::{fork, random_seed};
//!
//! thread_local!(static SEED: Cell<Option<(u32, u64)>> = const { Cell::new(None) });
//!
//! /// Never the same in two processes.
//! fn seed() -> u64 {
//!     let now = fork::generation();
//!     match SEED.get() {
//!         Some((made, seed)) if made == now => seed,
//!         _ => {
//!             fork::watch();
//!             let seed = random_seed();
//!             SEED.set(Some((fork::generation(), seed)));
//!             seed
//!         }
//!     }
//! }
//! assert_eq!(seed(), seed());
//! ```
//!
//! # Limits
//! A process made by the raw system call (`clone`, or `vfork`) does not run the handlers of
//! `pthread_atfork`: its generation is its parent's. The same holds for a fork before the first
//! [`watch`]. Only [`std::process::id`], a system call, distinguishes these processes.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32};

use crate::sys;

/// The number of forks between this process and the first that called [`watch`], or more.
///
/// Compare for equality only: one fork may count more than once. Always 0 on systems other than
/// Unix, which have no fork.
///
/// # Cost
/// One relaxed load.
#[inline]
pub fn generation() -> u32 {
    GENERATION.load(Relaxed)
}

/// Registers the fork handler, which counts forks from now on. Call it before you store a
/// [`generation`]; a call after the first is one load.
///
/// Takes no lock, so it works in a child that was forked while another thread was inside this
/// function. Returns whether forks are counted; false if the system had no memory for one more
/// handler.
pub fn watch() -> bool {
    if WATCHED.load(Acquire) {
        return true;
    }
    // Two threads may both register the handler. Then a fork counts twice, which changes no result of
    // a comparison. A lock instead could be copied into a child while a thread holds it.
    let watched = sys::on_fork_in_child(count);
    if watched {
        WATCHED.store(true, Release);
    }
    watched
}

/// Counts a fork without one: from here on, this process is the child. For the simulator of this
/// repository.
#[doc(hidden)]
pub fn simulate_fork() {
    count();
}

/// Runs in the child before `fork` returns there.
extern "C" fn count() {
    GENERATION.fetch_add(1, Relaxed);
}

static GENERATION: AtomicU32 = AtomicU32::new(0);
static WATCHED: AtomicBool = AtomicBool::new(false);
