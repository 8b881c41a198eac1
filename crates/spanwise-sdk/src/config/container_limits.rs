//! [`ContainerLimits`]: the limits of a small container, and the defaults that they reduce.

use crate::cgroup::Limits;

/// The limits of a container, and the defaults that they give.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ContainerLimits {
    /// The limits of the configuration file.
    pub(super) file: Limits,
    /// The limits of the control group, for tests; otherwise they are read.
    pub(super) group: Option<Limits>,
    /// The budget in bytes in place of the usual one.
    pub(super) budget: Option<usize>,
    /// The requests in flight in place of the usual number.
    pub(super) max_in_flight: Option<usize>,
}
