#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]

mod allocator;
mod cpu;
mod error;
mod heap;
mod mappings;
mod pprof;
mod profile;
mod stacks;
mod symbols;
mod text;
mod threads;
mod unwind;

pub use allocator::SamplingAllocator;
pub use cpu::{CpuProfiler, cpu};
pub use error::ProfileError;
pub use heap::{allocs, heap};
pub use profile::Profile;
pub use threads::threads;
