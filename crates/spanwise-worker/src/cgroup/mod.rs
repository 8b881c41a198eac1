//! The limits of the process's control group: the memory and the processor time of a container.
//!
//! Linux alone has control groups. On other systems there are no limits.

#[cfg(target_os = "linux")]
mod hierarchy;
mod limits;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(not(target_os = "linux"))]
mod other;

pub use limits::Limits;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use other as system;

/// The limits of this process's control group.
///
/// # Cost
/// It reads the two files of `/proc`, and up to three small ones for each level of the control group.
#[must_use]
pub fn limits() -> Limits {
    system::limits()
}
