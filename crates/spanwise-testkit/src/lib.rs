#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]

pub mod allocator;
mod closed_port;
pub mod fault_proxy;
pub mod load;
#[cfg(feature = "oracle")]
mod oracle;

pub use allocator::{CountingAllocator, Counts, Heap};
pub use closed_port::ClosedPort;
pub use fault_proxy::{Fault, FaultProxy};
#[cfg(feature = "oracle")]
pub use oracle::*;
