//! [`Running`]: bounds the doctors that run at once, and with them their threads.

use spanwise_worker::fork;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

thread_local!(static IS_DOCTOR: Cell<bool> = const { Cell::new(false) });

/// The generation of the process in the upper half, and the doctors that run in it in the lower: a forked child has none
/// of its parent's threads.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// One of the doctors that run at once, until it is dropped.
///
/// A doctor that hangs counts until its thread ends, also when its report was made before.
#[derive(Debug)]
pub(super) struct Running {
    generation: u32,
}

impl Running {
    /// Counts a doctor.
    ///
    /// # Errors
    /// The reason why none may start: the calling thread belongs to one, or [`MAX_RUNNING`] run.
    pub(super) fn begin() -> Result<Self, &'static str> {
        if IS_DOCTOR.get() {
            return Err("a sampler or a sink that the doctor uses called the doctor");
        }
        fork::watch();
        let generation = fork::generation();
        // ORDER: Relaxed: the count publishes no other data.
        let counted = COUNT.fetch_update(Relaxed, Relaxed, |count| {
            let count = in_generation(count, generation);
            (count < MAX_RUNNING).then(|| u64::from(generation) << 32 | u64::from(count + 1))
        });
        match counted {
            Ok(_) => Ok(Self { generation }),
            Err(_) => Err("32 doctors run already: try again when they end"),
        }
    }

    /// Marks the current thread as one of a doctor.
    pub(super) fn mark_thread() {
        IS_DOCTOR.set(true);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let generation = self.generation;
        let _of_another_process = COUNT.fetch_update(Relaxed, Relaxed, |count| {
            (in_generation(count, generation) > 0).then(|| count - 1)
        });
    }
}

/// The doctors of `generation` in `count`.
fn in_generation(count: u64, generation: u32) -> u32 {
    match (count >> 32) as u32 == generation {
        true => count as u32,
        false => 0,
    }
}

/// More than a program has reasons for, and few enough that their threads do no harm.
const MAX_RUNNING: u32 = 32;
