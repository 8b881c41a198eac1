//! What differs between operating systems.

#[cfg_attr(all(unix, not(miri)), path = "unix.rs")]
#[cfg_attr(not(all(unix, not(miri))), path = "other.rs")]
mod imp;

pub(crate) use imp::{mask_sigpipe, monotonic_nanos, on_fork_in_child};
