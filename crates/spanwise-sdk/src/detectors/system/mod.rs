//! System calls for attributes.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "other.rs")]
mod imp;

pub(super) use imp::{host_name, os_version};
