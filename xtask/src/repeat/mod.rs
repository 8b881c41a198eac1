//! Runs test programs: all of them once, or repeatedly (`cargo xtask test --repeat N`), to find those that depend on timing.

mod binary;
mod report;

use crate::step::{root, timed};
use binary::Binary;
use report::Report;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The options of a repetition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub runs: u32,
    /// Busy loops run beside the tests.
    pub load: bool,
    /// Only tests of these packages; all if empty.
    pub packages: Vec<String>,
    /// A binary that takes longer hangs.
    pub limit: Duration,
    /// Binaries run at once.
    pub jobs: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { runs: 1, load: false, packages: Vec::new(), limit: LIMIT, jobs: 1 }
    }
}

/// Builds the tests once, runs all binaries as often as asked, and prints a report.
///
/// # Errors
/// When they do not build, or when any test failed in any run.
pub fn run(options: &Options) -> Result<(), String> {
    let mut binaries = Vec::new();
    timed("build the tests", || {
        binaries = Binary::build(&options.packages)?;
        Ok(())
    })?;
    if binaries.is_empty() {
        return Err(format!("no tests in {}", options.packages.join(", ")));
    }
    let load = Load::start(if options.load { loops() } else { 0 });
    let report = Mutex::new(Report::new(binaries.len(), load.0.len()));
    for run in 1..=options.runs {
        let sum = pass(run, &binaries, (options.jobs, options.limit), &report)?;
        println!("run {run} of {}: {sum}", options.runs);
    }
    drop(load);
    let report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("\n{report}");
    report.outcome()
}

/// Runs all tests that cargo builds for `arguments` once, several programs at once because tests wait more than they compute. Those of
/// `again.0` run a second time with an environment variable: a selection of fewer packages by cargo would build them anew.
///
/// # Errors
/// When they do not build, or when any test failed.
pub fn once(arguments: &str, again: (&[&str], (&'static str, &'static str))) -> Result<(), String> {
    let mut binaries = Vec::new();
    timed("build the tests", || {
        binaries = Binary::build_with(arguments)?;
        Ok(())
    })?;
    let (packages, environment) = again;
    let selected = binaries.iter().filter(|binary| packages.contains(&binary.package()));
    let further: Vec<Binary> =
        selected.map(|binary| binary.with_environment(environment)).collect();
    if further.is_empty() {
        return Err(format!("no tests in {}", packages.join(", ")));
    }
    binaries.extend(further);
    timed("run the tests", || {
        let report = Mutex::new(Report::new(binaries.len(), 0));
        let jobs = thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
        pass(1, &binaries, (u32::try_from(jobs).unwrap_or(2), LIMIT), &report)?;
        let report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
        println!("{report}");
        report.outcome()
    })
}

/// Runs each program once, `jobs` at once. Returns the sums so far.
fn pass(
    run: u32,
    binaries: &[Binary],
    (jobs, limit): (u32, Duration),
    report: &Mutex<Report>,
) -> Result<String, String> {
    let logs = root().join("target/repeat");
    std::fs::create_dir_all(&logs).map_err(|error| format!("{}: {error}", logs.display()))?;
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), String> {
        while let Some(binary) = binaries.get(next.fetch_add(1, Relaxed)) {
            let outcome = binary.run(run, &logs, limit)?;
            report.lock().unwrap_or_else(PoisonError::into_inner).add(binary, outcome);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let jobs: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        jobs.into_iter().try_for_each(|job| job.join().map_err(|_| "a job panicked")?)
    })?;
    Ok(report.lock().unwrap_or_else(PoisonError::into_inner).progress())
}

/// One loop a core, and two at least: no test has a core to itself.
fn loops() -> usize {
    thread::available_parallelism().map_or(2, |cores| cores.get().max(2))
}

/// Threads that only use up processor time; they end with this.
struct Load(Vec<JoinHandle<()>>, Arc<AtomicBool>);

impl Load {
    fn start(loops: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let spin = |stop: Arc<AtomicBool>| {
            move || {
                while !stop.load(Relaxed) {
                    std::hint::spin_loop();
                }
            }
        };
        Self((0..loops).map(|_| thread::spawn(spin(stop.clone()))).collect(), stop)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.1.store(true, Relaxed);
        for thread in self.0.drain(..) {
            let _ended = thread.join();
        }
    }
}

/// Many times what the slowest binary takes on a loaded machine.
const LIMIT: Duration = Duration::from_secs(600);
