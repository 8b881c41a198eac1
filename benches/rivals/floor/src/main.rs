//! The floor: steps that no tracer can do for less, each as an implementation of w1.

use spanwise_bench_harness::{Arguments, Subject, Tally, serve};
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Instant, SystemTime};

fn main() -> ExitCode {
    serve(build)
}

fn build(arguments: &Arguments) -> Result<Box<dyn Subject>, String> {
    let step: fn(u64) = match arguments.implementation.as_str() {
        "floor-instant" => |ops| (0..ops).for_each(|_| _ = black_box(Instant::now())),
        "floor-system-time" => |ops| (0..ops).for_each(|_| _ = black_box(SystemTime::now())),
        "floor-rdtsc" => rdtsc,
        "floor-memcpy-256" => memcpy,
        "floor-malloc-64" => |ops| (0..ops).for_each(|_| drop(black_box(Box::new([0_u8; 64])))),
        "floor-atomic-add" => |ops| {
            static SUM: AtomicU64 = AtomicU64::new(0);
            (0..ops).for_each(|_| _ = black_box(SUM.fetch_add(1, SeqCst)));
        },
        other => return Err(format!("no implementation {other}")),
    };
    Ok(Box::new(Floor(step)))
}

/// One step, over and over.
struct Floor(fn(u64));

impl Subject for Floor {
    fn run(&self, ops: u64) {
        (self.0)(ops);
    }

    fn settle(&self) {}

    fn tally(&self, made: u64) -> Tally {
        Tally { nowhere: made, ..Tally::default() }
    }
}

fn memcpy(ops: u64) {
    let from = black_box([7_u8; 256]);
    let mut to = [0_u8; 256];
    for _ in 0..ops {
        black_box(&mut to).copy_from_slice(black_box(&from));
    }
}

#[cfg(target_arch = "x86_64")]
fn rdtsc(ops: u64) {
    for _ in 0..ops {
        // SAFETY: every x86-64 processor has the instruction.
        black_box(unsafe { core::arch::x86_64::_rdtsc() });
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn rdtsc(ops: u64) {
    (0..ops).for_each(|_| _ = black_box(Instant::now()));
}
