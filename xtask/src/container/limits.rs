//! The limits of the container.

/// The limit of memory, 64 MiB.
pub(super) const MEMORY: u64 = 64 << 20;
/// The limit of processors.
pub(super) const CPUS: f64 = 0.5;
/// The signal of the kernel to a process whose group has no memory left.
pub(super) const KILLED: i32 = 9;
