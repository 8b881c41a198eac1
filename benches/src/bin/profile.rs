//! Spanwise on a workload, profiled: `SPANWISE_PROFILE` has the kind, the seconds and the path of the
//! profile, with blanks between them. Its times mean nothing.

use spanwise_profiling::SamplingAllocator;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: SamplingAllocator = SamplingAllocator::system();

fn main() -> ExitCode {
    let profile = std::thread::spawn(profile);
    let served = spanwise_bench_harness::serve(spanwise_benches::build);
    match profile.join() {
        Ok(Ok(())) => served,
        Ok(Err(reason)) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn profile() -> Result<(), String> {
    let asked = std::env::var("SPANWISE_PROFILE").map_err(|error| error.to_string())?;
    let mut asked = asked.splitn(3, ' ');
    let (Some(kind), Some(seconds), Some(path)) = (asked.next(), asked.next(), asked.next()) else {
        return Err("SPANWISE_PROFILE is `KIND SECONDS PATH`".to_owned());
    };
    let seconds: f64 = seconds.parse().map_err(|_| format!("{seconds:?} is no number"))?;
    // The workload warms up meanwhile.
    std::thread::sleep(Duration::from_millis(300));
    let profile = spanwise_benches::profile::take(kind, seconds)?;
    spanwise_benches::profile::write(&profile, &PathBuf::from(path))
}
