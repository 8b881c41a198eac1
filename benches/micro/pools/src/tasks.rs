//! 100,000 tasks that arrive faster than they can run: three ways to run them.
//!
//! All are there before the first runs, as in a burst; of threads 10,000 at a time, which is what
//! makes their memory. Where none waits their memory is nothing, and their time is the fairer one.
//!
//! Each way in a process of its own, so that its peak of memory is its own.

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use spanwise_worker::{ShutdownMode, WorkerPool};

use crate::row::{Row, Target};

/// Runs all ways and prints their rows; with the name of a way, runs that one and prints three
/// numbers: milliseconds of wall time, of processor time, MiB at the peak.
pub fn main() -> ExitCode {
    if let Some(way) = std::env::args().nth(1) {
        return run(&way);
    }
    for (way, name) in WAYS {
        let values = match measure(way) {
            Ok(values) => values,
            Err(reason) => {
                eprintln!("{name}: {reason}");
                return ExitCode::FAILURE;
            }
        };
        for (unit, value) in ["ms", "CPU ms", "MiB"].into_iter().zip(values) {
            Row {
                group: "100,000 tasks",
                name,
                setup: "4 KiB written each",
                unit,
                value,
                claim: claim(way, unit),
                target: target(way, unit),
            }
            .print();
        }
    }
    ExitCode::SUCCESS
}

const WAYS: [(&str, &str); 5] = [
    ("threads", "thread per task, 10,000 wait"),
    ("threads-now", "thread per task, none waits"),
    ("tokio", "tokio task per task"),
    ("pool", "WorkerPool, 2 threads"),
    ("pool-100", "WorkerPool, 100 threads"),
];

fn claim(way: &str, unit: &str) -> Option<&'static str> {
    match (way, unit) {
        ("threads", "ms") => Some("5,200 ms without a pool (goroutines)"),
        ("threads", "MiB") => Some("800 MB without a pool"),
        ("threads", "CPU ms") => Some("85 % CPU without a pool"),
        ("pool-100", "ms") => Some("1,800 ms with 100 workers, 65.4 % less"),
        ("pool-100", "MiB") => Some("50 MB, 93.75 % less"),
        ("pool-100", "CPU ms") => Some("45 % CPU, 47.1 % less"),
        _ => None,
    }
}

fn target(way: &str, unit: &str) -> Option<Target> {
    match (way, unit) {
        ("pool", "ms") => Some(Target::TimesLessThan(2.0, WAYS[1].1)),
        ("pool", "MiB") => Some(Target::TimesLessThan(5.0, WAYS[0].1)),
        _ => None,
    }
}

fn measure(way: &str) -> Result<Vec<f64>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program).arg(way).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let values: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
    match values {
        Ok(values) if values.len() == 3 && output.status.success() => Ok(values),
        _ => Err(format!("{}, {text:?}", output.status)),
    }
}

fn run(way: &str) -> ExitCode {
    let started = Instant::now();
    match way {
        "threads" => threads(),
        "threads-now" => threads_now(),
        "tokio" => tokio_tasks(),
        "pool" => pool(2),
        "pool-100" => pool(100),
        _ => return ExitCode::FAILURE,
    }
    let wall = started.elapsed();
    assert_eq!(DONE.load(SeqCst), TASKS as u64, "every task ran, once");
    let (cpu, peak) = used();
    println!(
        "{} {} {}",
        wall.as_secs_f64() * 1e3,
        cpu.as_secs_f64() * 1e3,
        peak / f64::from(1 << 20)
    );
    ExitCode::SUCCESS
}

/// A buffer made, written and read: below a microsecond.
fn task() {
    let mut buffer = vec![0_u8; 4096];
    for (at, byte) in buffer.iter_mut().enumerate() {
        *byte = (at as u8).wrapping_mul(31);
    }
    let sum: u64 = black_box(&buffer).iter().map(|&byte| u64::from(byte)).sum();
    assert!(black_box(sum) > 0);
    DONE.fetch_add(1, SeqCst);
}

/// Closed until all tasks have arrived.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let mut open = self.0.0.lock().expect("no thread panics with the lock");
        while !*open {
            open = self.0.1.wait(open).expect("no thread panics with the lock");
        }
    }

    fn open(&self) {
        *self.0.0.lock().expect("no thread panics with the lock") = true;
        self.0.1.notify_all();
    }
}

/// The system would not stand 100,000 at once.
fn threads() {
    for _ in 0..TASKS / AT_A_TIME {
        let gate = Gate::default();
        let threads: Vec<_> = (0..AT_A_TIME)
            .map(|_| {
                let gate = gate.clone();
                thread::spawn(move || {
                    gate.pass();
                    task();
                })
            })
            .collect();
        gate.open();
        threads.into_iter().for_each(|thread| thread.join().expect("a task does not panic"));
    }
}

/// Each runs as soon as it is there.
fn threads_now() {
    let mut threads = std::collections::VecDeque::new();
    for _ in 0..TASKS {
        threads.push_back(thread::spawn(task));
        if threads.len() > AT_A_TIME
            && let Some(oldest) = threads.pop_front()
        {
            oldest.join().expect("a task does not panic");
        }
    }
    threads.into_iter().for_each(|thread| thread.join().expect("a task does not panic"));
}

fn tokio_tasks() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let gate = Gate::default();
    // The two workers wait, as the others' do.
    for _ in 0..2 {
        let gate = gate.clone();
        runtime.spawn(async move { gate.pass() });
    }
    let tasks: Vec<_> = (0..TASKS).map(|_| runtime.spawn(async { task() })).collect();
    gate.open();
    runtime.block_on(async {
        for task in tasks {
            task.await.expect("a task does not panic");
        }
    });
}

fn pool(threads: usize) {
    let pool =
        WorkerPool::builder("tasks").with_threads(threads).with_queue(TASKS + threads).build();
    let pool = pool.expect("a pool");
    let gate = Gate::default();
    for _ in 0..threads {
        let gate = gate.clone();
        assert!(pool.try_submit(move || gate.pass()).is_ok());
    }
    for _ in 0..TASKS {
        assert!(pool.try_submit(task).is_ok());
    }
    gate.open();
    let report = pool.shutdown_until(ShutdownMode::Drain, Instant::now() + Duration::from_secs(60));
    assert!(report.is_clean(), "{report:?}");
}

/// Processor time of all threads, and the most resident memory, in bytes.
fn used() -> (Duration, f64) {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours to write; the clock exists wherever this builds.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib: f64 = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0.0);
    (Duration::new(time.tv_sec as u64, time.tv_nsec as u32), kib * 1024.0)
}

static DONE: AtomicU64 = AtomicU64::new(0);

const TASKS: usize = 100_000;
const AT_A_TIME: usize = 10_000;
