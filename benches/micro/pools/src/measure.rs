//! Measuring of times and counting of allocations.

use std::process::{Command, ExitCode};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::bodies::bodies;
use crate::cases::{Case, cases};
use crate::claims::{claim, target};
use crate::count;
use crate::row::Row;

/// Prints the time of every case on every number of threads.
pub fn time_all(allocator: &str) {
    for case in &cases() {
        for &threads in case.threads {
            let setup = setup(allocator, threads);
            let nanos = time(case, threads);
            let claim = claim(case.group, case.name, "ns");
            // One target a row.
            let mut targets = match allocator {
                "glibc" => target(case.group, case.name, threads),
                _ => Vec::new(),
            };
            let row = |target| Row {
                group: case.group,
                name: case.name,
                setup: &setup,
                unit: "ns",
                value: nanos,
                claim,
                target,
            };
            row(targets.pop()).print();
            targets.into_iter().for_each(|target| row(Some(target)).print());
        }
    }
}

/// Prints the allocations of every case after a warm-up.
pub fn count_all() {
    for case in &cases() {
        (case.run)(OPS_COUNTED);
        let before = count::so_far();
        (case.run)(OPS_COUNTED);
        let after = count::so_far();
        for (unit, before, after) in [("allocs", before.0, after.0), ("bytes", before.1, after.1)] {
            Row {
                group: case.group,
                name: case.name,
                setup: "per operation",
                unit,
                value: (after - before) as f64 / OPS_COUNTED as f64,
                claim: claim(case.group, case.name, unit),
                target: None,
            }
            .print();
        }
    }
}

/// Prints the time of every body on the sending thread, and the instructions of the process outside
/// of the kernel where valgrind is installed. With a group, a name and a number, sends that many.
pub fn time_bodies() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let only_times = arguments == ["--only-times"];
    if let [group, name, count] = &arguments[..] {
        let cases = bodies(|known| known == group);
        let case = cases.iter().find(|case| case.name == name).expect("a known case");
        (case.run)(count.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    for case in &bodies(|_| true) {
        let instructions = if only_times { None } else { instructions(case) };
        for (unit, value) in [("ns", Some(time(case, 1))), ("instr", instructions)] {
            let Some(value) = value else { continue };
            let Case { group, name, .. } = *case;
            let (setup, claim, target) = ("TCP, sender", None, None);
            Row { group, name, setup, unit, value, claim, target }.print();
        }
    }
    ExitCode::SUCCESS
}

/// Instructions of one operation: the difference between two runs under callgrind, so that what
/// both do to prepare is not in it.
fn instructions(case: &Case) -> Option<f64> {
    let program = std::env::current_exe().ok()?;
    let counted = |ops: u32| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--fair-sched=yes"])
            .arg(&program)
            .args([case.group, case.name, &ops.to_string()])
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let report = String::from_utf8_lossy(&output.stderr);
        let count = report.lines().find_map(|line| line.split_once("Collected :"))?.1;
        count.trim().parse::<f64>().ok()
    };
    let (few, many) = (8, 40);
    Some((counted(many)? - counted(few)?) / f64::from(many - few))
}

fn setup(allocator: &str, threads: usize) -> String {
    match threads {
        1 => format!("{allocator}, 1 thread"),
        _ => format!("{allocator}, {threads} threads"),
    }
}

/// Processor nanoseconds that one operation takes, the median of some samples. Not wall time: other
/// programs on the machine would be in it, and threads that take turns on too few processors. A thread
/// that spins for a lock pays for it; a thread that sleeps pays for the system call.
fn time(case: &Case, threads: usize) -> f64 {
    // Also the warm-up.
    let mut ops = 256;
    while sample(case, threads, ops) < SAMPLE / 4 {
        ops *= 2;
    }
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|_| sample(case, threads, ops).as_nanos() as f64 / (ops * threads as u64) as f64)
        .collect();
    samples.sort_by(f64::total_cmp);
    samples[SAMPLES / 2]
}

/// Processor time of all threads, for `ops` operations each.
fn sample(case: &Case, threads: usize, ops: u64) -> Duration {
    let run = || {
        let started = thread_cpu();
        (case.run)(ops);
        thread_cpu() - started
    };
    if threads == 1 {
        return run();
    }
    let (barrier, awake) = (Barrier::new(threads), AtomicU64::new(0));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    awake.fetch_add(1, SeqCst);
                    // Waking takes microseconds, yielding less.
                    while awake.load(SeqCst) < threads as u64 {
                        thread::yield_now();
                    }
                    run()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a case does not panic")).sum()
    })
}

fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours to write; the clock exists wherever this builds.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

const SAMPLES: usize = 5;
const SAMPLE: Duration = Duration::from_millis(40);
const OPS_COUNTED: u64 = 1000;
