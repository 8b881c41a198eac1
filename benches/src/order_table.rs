//! The table of orders: bytes and processor time by traffic, order and compression.

use crate::order::{Order, Ordered};
use crate::traffic::Traffic;
use spanwise::Compression;
use spanwise::worker::clock::thread_cpu_time;
use std::hint::black_box;

/// Measures and prints the table of `docs/decisions/0034-traces-are-grouped-where-requests-are-compressed.md`.
///
/// # Errors
/// A request that did not arrive whole, or a thread without a clock of its processor time.
pub fn print() -> Result<(), String> {
    println!(
        "| spans | at once | keys | order | made | gzip | zstd |\n|---|---|---|---|---|---|---|"
    );
    for spans in [512, 4096] {
        for (concurrent, is_shuffled) in
            [(1, false), (8, false), (64, false), (512, false), (64, true)]
        {
            let traffic = Traffic { spans, concurrent, is_shuffled };
            for (name, order) in Order::ALL {
                let keys = if is_shuffled { "random" } else { "of the code" };
                let gzip = Ordered::of(traffic, order, Compression::Gzip)?;
                let made = nanos(spans, || drop(black_box(gzip.make())))?;
                print!("| {spans} | {concurrent} | {keys} | {name} | {made:.0} |");
                let zstd = Ordered::of(traffic, order, Compression::Zstd)?;
                for ordered in [gzip, zstd] {
                    let nanos = nanos(spans, || drop(black_box(ordered.pack())))?;
                    print!(" {:.1}, {nanos:.0} |", ordered.packed_len() as f64 / spans as f64);
                }
                println!();
            }
        }
    }
    Ok(())
}

/// Processor nanoseconds for each span: the least of several runs, since other work disturbs but never helps.
fn nanos(spans: u64, mut run: impl FnMut()) -> Result<f64, String> {
    let now = || thread_cpu_time().ok_or("no clock of a thread's processor time");
    let repeats = (1 << 17) / spans;
    let mut least = f64::MAX;
    for _ in 0..15 {
        let before = now()?;
        (0..repeats).for_each(|_| run());
        let each = (now()? - before).as_nanos() as f64 / (repeats * spans) as f64;
        least = least.min(each);
    }
    Ok(least)
}
