//! System calls, with one implementation for Unix and one for other systems.

#[cfg_attr(all(unix, not(miri)), path = "unix.rs")]
#[cfg_attr(not(all(unix, not(miri))), path = "other.rs")]
mod imp;

#[cfg(feature = "fork")]
pub(crate) use imp::{mask_sigpipe, mask_sigxfsz, on_fork_in_child};
#[cfg(feature = "clock")]
pub(crate) use imp::{monotonic_nanos, thread_cpu_nanos};
