//! Notices that the process is a forked child, at the cost of one load.
//!
//! A child is born with a copy of its parent's memory: seeds, counters, queues, and handles of
//! threads that it does not have. What must differ between processes keeps the
//! [`generation`] it was made in and is made anew when that has changed.
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
//! # What is not noticed
//! A process made by the raw system call (`clone`, or `vfork`) does not run the handlers of
//! `pthread_atfork`: its generation is its parent's. Neither does a fork before the first
//! [`watch`]. Both are told by [`std::process::id`] only, which is a system call.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32};

use crate::sys;

/// How many forks, at least, lie between this process and the first that called [`watch`].
///
/// Compare for equality only: one fork may count for more than one. Always 0 on systems other than
/// Unix, which have no fork.
///
/// # Cost
/// One relaxed load.
#[inline]
pub fn generation() -> u32 {
    GENERATION.load(Relaxed)
}

/// Counts forks from now on. Call it before a [`generation`] is kept; calls after the first are
/// one load.
///
/// Takes no lock, so it works in a child that was forked while another thread was in here. Returns
/// whether forks are counted; false if the system had no memory for one more handler.
pub fn watch() -> bool {
    if WATCHED.load(Acquire) {
        return true;
    }
    // Two threads may both come here. Then a fork counts twice, which nobody can tell; a lock could
    // be copied while held.
    let watched = sys::on_fork_in_child(count);
    if watched {
        WATCHED.store(true, Release);
    }
    watched
}

/// Runs in the child before any code of the program does.
extern "C" fn count() {
    GENERATION.fetch_add(1, Relaxed);
}

static GENERATION: AtomicU32 = AtomicU32::new(0);
static WATCHED: AtomicBool = AtomicBool::new(false);
