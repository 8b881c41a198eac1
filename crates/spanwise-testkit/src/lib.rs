// The README's example needs the feature.
#![cfg_attr(feature = "oracle", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "oracle"),
    doc = "Helpers of tests: fault proxy, counting allocator, processes."
)]
#![doc(test(attr(deny(warnings))))]

pub mod allocator;
mod closed_port;
mod content_codings;
pub mod fault_proxy;
#[cfg(unix)]
mod fork;
pub mod hostile;
pub mod load;
#[cfg(feature = "oracle")]
mod oracle;
mod panic_on_drop;
mod peer;
#[cfg(feature = "pki")]
pub mod pki;
mod process;
mod splitmix;

pub use allocator::{CountingAllocator, Counts, Heap};
pub use closed_port::ClosedPort;
pub use content_codings::ContentCodings;
pub use fault_proxy::{Fault, FaultProxy};
#[cfg(unix)]
pub use fork::in_forked_child;
#[cfg(feature = "oracle")]
pub use oracle::*;
pub use panic_on_drop::PanicOnDrop;
pub use peer::Peer;
pub use process::{in_own_process, rerun};
pub use splitmix::SplitMix64;
