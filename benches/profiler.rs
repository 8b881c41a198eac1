//! CPU profiles of criterion's benches: `cargo bench -p spanwise-benches --bench NAME -- --profile-time 5`
//! writes them below `target/criterion/`, or to the folder that `SPANWISE_PROFILE_FOLDER` names.

use criterion::profiler::Profiler;
use spanwise_profiling::CpuProfiler;
use std::path::{Path, PathBuf};

/// Takes a profile of each bench while `--profile-time` runs it.
#[derive(Default)]
pub struct Pprof(Option<CpuProfiler>);

impl Profiler for Pprof {
    fn start_profiling(&mut self, id: &str, _: &Path) {
        match CpuProfiler::start() {
            Ok(profiler) => self.0 = Some(profiler),
            Err(error) => eprintln!("{id}: {error}"),
        }
    }

    fn stop_profiling(&mut self, id: &str, folder: &Path) {
        let Some(profiler) = self.0.take() else { return };
        let folder = std::env::var_os("SPANWISE_PROFILE_FOLDER")
            .map_or_else(|| folder.to_owned(), PathBuf::from);
        let stem = folder.join(id.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        let written = std::fs::create_dir_all(&folder).map_err(|error| error.to_string());
        let profile = written.and_then(|()| profiler.finish().map_err(|error| error.to_string()));
        match profile.and_then(|profile| spanwise_benches::profile::write(&profile, &stem)) {
            Ok(()) => println!("{}", stem.with_extension("pb.gz").display()),
            Err(error) => eprintln!("{id}: {error}"),
        }
    }
}
