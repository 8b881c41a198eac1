//! One CPU profile at a time in a process.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// The right to take a CPU profile in this process.
#[derive(Debug)]
pub(super) struct Owner(());

impl Owner {
    /// `None` while another owner exists. A child of a process that forked during a profile has no timer and
    /// is not its owner.
    pub(super) fn acquire() -> Option<Self> {
        let own = std::process::id();
        let other = OWNER.load(Relaxed);
        if other == own {
            return None;
        }
        // ORDER: Acquire pairs with the Release of the last owner's drop.
        OWNER.compare_exchange(other, own, Acquire, Relaxed).is_ok().then_some(Self(()))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // ORDER: Release ends this profile before the next begins.
        let _of_a_parent = OWNER.compare_exchange(std::process::id(), 0, Release, Relaxed);
    }
}

/// The process that takes a profile; 0 is none.
static OWNER: AtomicU32 = AtomicU32::new(0);
