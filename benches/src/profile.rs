//! Profiles of a bench, for `cargo xtask profile`.

use spanwise_profiling::{CpuProfiler, Profile, allocs, heap, threads};
use std::path::Path;
use std::time::Duration;

/// Writes `profile` beside `stem` as pprof, as folded stacks and as a table.
///
/// # Errors
/// A file cannot be written.
pub fn write(profile: &Profile, stem: &Path) -> Result<(), String> {
    let pprof = profile.to_pprof().map_err(|error| error.to_string())?;
    let files = [
        ("pb.gz", pprof),
        ("folded", profile.to_folded().into_bytes()),
        ("txt", profile.to_text().into_bytes()),
    ];
    for (extension, bytes) in files {
        let path = stem.with_extension(extension);
        std::fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Takes a profile of the other threads of this process: `cpu` over `seconds`, another kind in their middle.
///
/// # Errors
/// Those of the profile, and an unknown kind.
pub fn take(kind: &str, seconds: f64) -> Result<Profile, String> {
    let time = Duration::from_secs_f64(seconds);
    let profile = match kind {
        "cpu" => CpuProfiler::start().and_then(|profiler| {
            std::thread::sleep(time);
            profiler.finish()
        }),
        _ => {
            std::thread::sleep(time / 2);
            match kind {
                "heap" => heap(),
                "allocs" => allocs(),
                "threads" => threads(),
                _ => return Err(format!("{kind:?} is no kind: cpu, heap, allocs or threads")),
            }
        }
    };
    profile.map_err(|error| error.to_string())
}
