//! The programs that are profiled.

use super::files::write;
use super::options::{Kind, Options};
use crate::demo;
use crate::step::{Step, root, target};
use spanwise_profiling::{CpuProfiler, Profile, ProfileError, allocs, heap, threads};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Runs the demo in this process, and profiles its time at full speed. Returns the path of the profile
/// without an extension.
pub(super) fn demo(options: &Options, folder: &Path) -> Result<PathBuf, String> {
    let (kind, seconds) = (options.kind, options.seconds);
    if matches!(kind, Kind::Heap | Kind::Allocs) {
        demo::ALLOCATOR.set_rate(RATE);
    }
    let profile = std::thread::Builder::new().name("profile".to_owned()).spawn(move || {
        std::thread::sleep(demo::time_before_full_speed(seconds));
        take(kind, Duration::from_secs_f64(seconds))
    });
    let profile = profile.map_err(|error| error.to_string())?;
    let arguments = ["--seconds".to_owned(), seconds.to_string()];
    demo::run(&arguments)?;
    let profile = profile.join().map_err(|_| "the profile panicked")?;
    let stem = folder.join(format!("demo-{}", kind.name()));
    write(&profile.map_err(|error| error.to_string())?, &stem)?;
    Ok(stem)
}

/// Takes a profile over `time`, or of its middle.
fn take(kind: Kind, time: Duration) -> Result<Profile, ProfileError> {
    if kind == Kind::Cpu {
        let profiler = CpuProfiler::start()?;
        std::thread::sleep(time);
        return profiler.finish();
    }
    std::thread::sleep(time / 2);
    match kind {
        Kind::Heap => heap(),
        Kind::Allocs => allocs(),
        Kind::Threads | Kind::Cpu => threads(),
    }
}

/// Runs a workload, or all benches of a file of criterion's, as a process of its own.
pub(super) fn bench(options: &Options, name: &str, folder: &Path) -> Result<Vec<PathBuf>, String> {
    let exists = |path: String| root().join("benches").join(path).is_file();
    if exists(format!("workloads/{name}.json")) {
        return workload(options, name, folder).map(|stem| vec![stem]);
    }
    if !exists(format!("benches/{name}.rs")) {
        return Err(format!("{name:?} is neither in benches/workloads nor in benches/benches"));
    }
    if options.kind != Kind::Cpu {
        return Err(format!("{name:?} is a bench of criterion, of which there are cpu and flame"));
    }
    criterion(options, name, folder)
}

fn workload(options: &Options, name: &str, folder: &Path) -> Result<PathBuf, String> {
    let mode = if cfg!(debug_assertions) { "" } else { "--release" };
    let build = format!("build {mode} --package spanwise-benches --bin spanwise-bench-profile");
    Step::cargo("build the bench", &build).run()?;
    let stem = folder.join(format!("{name}-{}", options.kind.name()));
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let program = target().join(profile).join("spanwise-bench-profile");
    // The samples last longer than the profile and its start.
    let seconds = (options.seconds + 1.0).to_string();
    let asked = format!("{} {} {}", options.kind.name(), options.seconds, stem.display());
    let status = Command::new(&program)
        .current_dir(root())
        .args(["--workload", name, "--impl", "spanwise", "--mode", "time"])
        .args(["--samples", "1", "--seconds", &seconds])
        .env("SPANWISE_PROFILE", asked)
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if status.success() { Ok(stem) } else { Err(format!("{}: {status}", program.display())) }
}

fn criterion(options: &Options, name: &str, folder: &Path) -> Result<Vec<PathBuf>, String> {
    let folder = folder.join(name);
    let _none = std::fs::remove_dir_all(&folder);
    let seconds = options.seconds.ceil();
    let mode = if cfg!(debug_assertions) { "--profile dev" } else { "" };
    let bench = format!(
        "bench {mode} --package spanwise-benches --bench {name} -- --profile-time {seconds}"
    );
    Step::cargo("bench", &bench).env("SPANWISE_PROFILE_FOLDER", &folder.to_string_lossy()).run()?;
    let failed = |error| format!("{}: {error}", folder.display());
    let mut stems = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "folded") {
            stems.push(path.with_extension(""));
        }
    }
    stems.sort();
    Ok(stems)
}

/// Bytes between two samples of the demo: it allocates little.
const RATE: usize = 64 << 10;
