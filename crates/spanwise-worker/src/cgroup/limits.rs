//! [`Limits`]: the memory and the processors of a container.

/// The limits of a container; `None` is no limit, or an unknown one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Processors, also a fraction of one.
    pub cpus: Option<f64>,
}

impl Limits {
    /// The smaller of both for each limit.
    #[cfg(target_os = "linux")]
    pub(super) fn min(self, other: Self) -> Self {
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
