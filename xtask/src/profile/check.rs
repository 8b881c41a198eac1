//! `cargo xtask profile check`: profiles of a known program, read by `go tool pprof`.

use super::files::{folder, write};
use crate::demo;
use spanwise::admin::AdminEndpoint;
use spanwise::transport::Outcome;
use spanwise::{Bytes, Spanwise};
use spanwise_profiling::{CpuProfiler, allocs, heap, threads};
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

#[inline(never)]
fn spin_in_a_known_function() -> u64 {
    let started = Instant::now();
    let mut sum = 0_u64;
    while started.elapsed() < Duration::from_secs(1) {
        (0..100_000).for_each(|number| sum = black_box(sum.wrapping_mul(31) + number));
    }
    sum
}

#[inline(never)]
fn hold_a_known_size() -> Vec<Vec<u8>> {
    (0..64 * 1024).map(|_| black_box(vec![1; 1024])).collect()
}

#[inline(never)]
fn free_a_known_size() {
    (0..64).for_each(|_| drop(black_box(vec![1_u8; MIB])));
}

pub(super) fn run() -> Result<(), String> {
    demo::ALLOCATOR.set_rate(16 << 10);
    let folder = folder()?.join("check");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let failed = |error: spanwise_profiling::ProfileError| error.to_string();

    let profiler = CpuProfiler::start().map_err(failed)?;
    black_box(spin_in_a_known_function());
    let cpu = profiler.finish().map_err(failed)?;
    let held = hold_a_known_size();
    free_a_known_size();
    let profiles = [
        ("cpu", cpu),
        ("heap", heap().map_err(failed)?),
        ("allocs", allocs().map_err(failed)?),
        ("threads", threads().map_err(failed)?),
    ];
    for (name, profile) in &profiles {
        write(profile, &folder.join(name))?;
    }
    over_http(&folder)?;
    drop(held);
    let read = |name: &str, arguments: &[&str]| {
        let path = folder.join(name).with_extension("pb.gz");
        pprof(&path, arguments)
    };
    let share = |name: &str, function: &str, arguments: &[&str]| -> Result<f64, String> {
        let arguments = [&["-top", "-cum", "-unit=B"], arguments].concat();
        cumulative(&read(name, &arguments)?, function)
    };
    // The share of its column `cum`.
    let text = read("cpu", &["-top", "-cum"])?;
    let line = line_of(&text, "spin_in_a_known_function")?;
    let percent = line.split_whitespace().nth(4).unwrap_or_default();
    let percent: f64 = percent.trim_end_matches('%').parse().map_err(|_| line.to_owned())?;
    expect("cpu: share of the known function, %", percent, 100.0, 0.15)?;

    let list = (64 * 1024 * size_of::<Vec<u8>>()) as f64;
    let expected = (64 * MIB) as f64 + list;
    expect("heap: inuse_space", share("heap", "hold_a_known_size", &[])?, expected, 0.1)?;
    let expected = (64 * MIB) as f64;
    expect("allocs: alloc_space", share("allocs", "free_a_known_size", &[])?, expected, 0.1)?;
    let freed = share("heap", "free_a_known_size", &[]).unwrap_or(0.0);
    expect("heap: of what was freed", freed + 1.0, 1.0, 0.1)?;
    let raw = read("threads", &["-raw"])?;
    if !raw.contains("threads/count[dflt] cpu/nanoseconds") || !raw.contains("running") {
        return Err(format!("go tool pprof reads another list of threads:\n{raw}"));
    }
    println!("go tool pprof reads all profiles");
    Ok(())
}

/// Has `go tool pprof` fetch the heap and a CPU profile from the admin endpoint, as a user does.
fn over_http(folder: &Path) -> Result<(), String> {
    let accept = |_request: Bytes| async { Outcome::Accepted { rejected: 0, message: None } };
    let spanwise = Spanwise::builder().with_environment(|_| None).with_sink(accept).build();
    let spanwise = spanwise.map_err(|error| error.to_string())?;
    let endpoint = AdminEndpoint::builder().with_address("127.0.0.1:0").with_profiling(true);
    let endpoint = endpoint.build(&spanwise).map_err(|error| error.to_string())?;
    let base = format!("http://{}/debug/pprof", endpoint.local_addr());
    let fetch =
        |path: &str| pprof_in(folder, &format!("{base}/{path}"), &["-top", "-cum", "-unit=B"]);
    let held = cumulative(&fetch("heap")?, "hold_a_known_size")?;
    let list = 64 * 1024 * size_of::<Vec<u8>>();
    expect("http: inuse_space", held, (64 * MIB + list) as f64, 0.1)?;
    let spinning = std::thread::spawn(|| (0..3).fold(0, |sum, _| sum ^ spin_in_a_known_function()));
    let profile = fetch("profile?seconds=1")?;
    black_box(spinning.join().map_err(|_| "the thread panicked")?);
    line_of(&profile, "spin_in_a_known_function").map(|_| ())
}

/// The output of `go tool pprof` with these arguments.
fn pprof(path: &Path, arguments: &[&str]) -> Result<String, String> {
    pprof_in(path.parent().unwrap_or(path), &path.to_string_lossy(), arguments)
}

/// The same for a path or a URL; what it fetches stays in `folder`.
fn pprof_in(folder: &Path, source: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("go")
        .args(["tool", "pprof"])
        .args(arguments)
        .arg(source)
        .env("PPROF_TMPDIR", folder)
        .output()
        .map_err(|error| format!("go is not installed: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(text),
        false => Err(format!("go tool pprof: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

fn line_of<'a>(text: &'a str, function: &str) -> Result<&'a str, String> {
    let mut lines = text.lines();
    let is_it =
        |line: &&str| line.ends_with(function) || line.ends_with(&format!("{function} (inline)"));
    lines.find(is_it).ok_or_else(|| format!("go tool pprof has no {function}:\n{text}"))
}

/// The fourth column of `go tool pprof -top`, in bytes.
fn cumulative(text: &str, function: &str) -> Result<f64, String> {
    let line = line_of(text, function)?;
    let value = line.split_whitespace().nth(3).unwrap_or_default();
    value.trim_end_matches('B').parse().map_err(|_| format!("{value:?} in {line}"))
}

fn expect(name: &str, measured: f64, expected: f64, within: f64) -> Result<(), String> {
    println!("{name}: {measured} of {expected}");
    match (measured / expected - 1.0).abs() <= within {
        true => Ok(()),
        false => Err(format!("{name} is {measured} instead of {expected}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: &str = "\
      flat  flat%   sum%        cum   cum%
 68157440B  100%   100%  68157440B   100%  alloc::vec::from_elem
         0     0%   100%  68157440B   100%  xtask::profile::hold (inline)";

    #[test]
    fn columns_of_the_table_are_read() {
        assert_eq!(cumulative(TOP, "profile::hold"), Ok(68_157_440.0));
        assert!(cumulative(TOP, "missing").is_err());
        assert!(expect("a", 95.0, 100.0, 0.1).is_ok() && expect("a", 80.0, 100.0, 0.1).is_err());
    }
}
