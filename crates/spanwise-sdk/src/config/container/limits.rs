//! [`ContainerLimits`]: the limits of a small container, and the defaults that they reduce.

use spanwise_worker::cgroup::Limits;

/// The limits of a container, and the defaults that they give.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct ContainerLimits {
    /// The limits of the configuration file.
    pub(in super::super) file: Limits,
    /// The limits of the control group, for tests; otherwise they are read.
    pub(in super::super) group: Option<Limits>,
    /// The budget in bytes in place of the usual one.
    pub(in super::super) budget: Option<usize>,
    /// The requests in flight in place of the usual number.
    pub(in super::super) max_in_flight: Option<usize>,
}
