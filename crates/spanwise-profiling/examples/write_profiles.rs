//! Writes the profiles of a program that is busy, holds memory and has a thread: `go tool pprof` reads them.
//!
//! `cargo run -p spanwise-profiling --example write_profiles -- FOLDER`

use spanwise_profiling::{CpuProfiler, SamplingAllocator, allocs, heap, threads};
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: SamplingAllocator = SamplingAllocator::system();

#[inline(never)]
fn spin_for(time: Duration) -> u64 {
    let started = Instant::now();
    let mut sum = 0_u64;
    while started.elapsed() < time {
        (0..10_000).for_each(|n| sum = black_box(sum.wrapping_mul(31) + n));
    }
    sum
}

#[inline(never)]
fn hold_memory() -> Vec<Vec<u8>> {
    (0..64 * 1024).map(|_| vec![1; 1024]).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    let profiler = CpuProfiler::start()?;
    black_box(spin_for(Duration::from_millis(500)));
    let held = black_box(hold_memory());
    let cpu = profiler.finish()?;
    for (name, profile) in
        [("cpu", cpu), ("heap", heap()?), ("allocs", allocs()?), ("threads", threads()?)]
    {
        let path = folder.join(format!("{name}.pb.gz"));
        std::fs::write(&path, profile.to_pprof()?)?;
        println!("{}", path.display());
    }
    drop(held);
    Ok(())
}
