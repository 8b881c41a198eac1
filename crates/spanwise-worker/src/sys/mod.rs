//! System calls, with one implementation for Unix and one for other systems, and those of glibc.

#[cfg(all(feature = "heap", target_os = "linux", target_env = "gnu", not(miri)))]
mod glibc;
#[cfg_attr(all(unix, not(miri)), path = "unix.rs")]
#[cfg_attr(not(all(unix, not(miri))), path = "other.rs")]
mod imp;

#[cfg(all(feature = "heap", target_os = "linux", target_env = "gnu", not(miri)))]
pub(crate) use glibc::trim_heap;
#[cfg(feature = "fork")]
pub(crate) use imp::{mask_sigpipe, mask_sigxfsz, on_fork_in_child};
#[cfg(feature = "clock")]
pub(crate) use imp::{monotonic_nanos, thread_cpu_nanos};

/// Other allocators than glibc's return memory by themselves.
#[cfg(all(feature = "heap", not(all(target_os = "linux", target_env = "gnu", not(miri)))))]
pub(crate) fn trim_heap() {}
