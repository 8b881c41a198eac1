//! The limits of the process's control group: the memory and the processor time of a container.
//!
//! Linux alone has control groups. On other systems there are no limits, and the defaults of the settings apply.

#[cfg(target_os = "linux")]
mod hierarchy;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use other as system;

/// The limits of a container; `None` is no limit, or an unknown one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Limits {
    /// Bytes of memory.
    pub(crate) memory_bytes: Option<u64>,
    /// Processors, also a fraction of one.
    pub(crate) cpus: Option<f64>,
}

/// The limits of this process's control group.
///
/// # Cost
/// It reads the two files of `/proc`, and up to three small ones for each level of the control group.
pub(crate) fn limits() -> Limits {
    system::limits()
}

impl Limits {
    /// The smaller of both for each limit.
    #[cfg(target_os = "linux")]
    fn min(self, other: Self) -> Self {
        fn least<T: PartialOrd>(left: Option<T>, right: Option<T>) -> Option<T> {
            match (left, right) {
                (Some(left), Some(right)) => Some(if right < left { right } else { left }),
                (left, right) => left.or(right),
            }
        }
        Self {
            memory_bytes: least(self.memory_bytes, other.memory_bytes),
            cpus: least(self.cpus, other.cpus),
        }
    }
}
