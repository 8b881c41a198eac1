//! A CPU profile from its start to its end.

use super::owner::Owner;
use super::signal::{self, Table, Timer};
use crate::allocator::sampler::Paused;
use crate::profile::{Description, Profile};
use crate::symbols::{Line, Symbols};
use crate::{ProfileError, unwind};
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

/// A CPU profile that is being taken. The drop ends it.
///
/// ```
/// # fn work() {}
/// let profiler = spanwise_profiling::CpuProfiler::start().unwrap();
/// work();
/// let profile = profiler.finish().unwrap();
/// std::fs::write(std::env::temp_dir().join("cpu.pb.gz"), profile.to_pprof().unwrap()).unwrap();
/// ```
#[derive(Debug)]
pub struct CpuProfiler {
    // The fields drop in this order: no signal reaches the table after the timer has ended.
    timer: Timer,
    table: signal::Installed,
    _owner: Owner,
    started: Instant,
    time: SystemTime,
    used_before: Duration,
}

impl CpuProfiler {
    /// Starts a profile of all threads of the process: a stack after each 10 ms of processor time.
    ///
    /// System calls of other threads that do not restart after a signal (`nanosleep`, `epoll_wait`, `poll`)
    /// return `EINTR` while the profile is taken, which std and tokio handle. The handler of `SIGPROF` stays
    /// installed after the first profile and does nothing outside of one.
    ///
    /// A process that replaces itself by `exec` without a fork must end its profile before: the system preserves the timer and not the
    /// handler, and the new program would be ended by the signal.
    ///
    /// # Errors
    /// [`ProfileError::Busy`] while another profile is taken, [`ProfileError::SignalInUse`] if another
    /// library handles `SIGPROF` or runs `ITIMER_PROF`, [`ProfileError::System`] if a system call fails.
    ///
    /// # Cost
    /// 3.1 MiB until the end, of which the touched pages become memory; some microseconds for each sample, 100
    /// samples for each second of processor time.
    pub fn start() -> Result<Self, ProfileError> {
        let owner = Owner::acquire().ok_or(ProfileError::Busy)?;
        // The unwinder initializes itself here and not in the handler.
        unwind::Stack::new().capture();
        let out_of_memory = || io::Error::from(io::ErrorKind::OutOfMemory);
        let table = Table::boxed().ok_or_else(out_of_memory);
        let table = table.map_err(|error| ProfileError::System("allocation", error))?;
        signal::handle()?;
        let table = signal::Installed::new(table);
        let timer = Timer::start(PERIOD)?;
        Ok(Self {
            timer,
            table,
            _owner: owner,
            started: Instant::now(),
            time: SystemTime::now(),
            used_before: used(),
        })
    }

    /// Ends the profile and resolves its symbols.
    ///
    /// # Errors
    /// None today; the signature has space for a system where the end of a profile can fail.
    ///
    /// # Cost
    /// That of [`heap`](crate::heap).
    pub fn finish(self) -> Result<Profile, ProfileError> {
        let Self { timer, table, _owner, started, time, used_before } = self;
        drop(timer);
        let duration = started.elapsed();
        let used = used().saturating_sub(used_before);
        let table = table.remove();
        let _paused = Paused::new();
        let mut samples = Vec::new();
        if let Some(table) = table {
            table.for_each(|frames, [count]| match count.load(Relaxed) {
                0 => {}
                count => samples.push((frames.to_vec(), count)),
            });
        }
        let all: u64 = samples.iter().map(|(_, count)| count).sum();
        // The kernel merges signals that come at one tick of its clock: the processor time that the
        // process used is known, and the samples are its distribution.
        let nanos = used.as_nanos() as f64 / all.max(1) as f64;
        let mut profile = Profile::new(&CPU, PERIOD.as_nanos() as i64);
        (profile.time, profile.duration) = (time, duration);
        let mut symbols = match signal::KNOWS_CONTEXT {
            true => Symbols::all(),
            false => Symbols::without(is_of_the_handler),
        };
        for (frames, count) in samples {
            let values = [count as i64, (count as f64 * nanos).round() as i64];
            match frames.is_empty() {
                true => profile.push_named(&["[stacks beyond the table]"], &values),
                false => profile.push(&mut symbols, &frames, &values),
            }
        }
        if signal::is_restricted() {
            profile.comment(
                "stacks within shared libraries are cut to one frame: this C library has no \
                 _dl_find_object, without which unwinding from a signal may deadlock"
                    .to_owned(),
            );
        }
        Ok(profile)
    }
}

fn is_of_the_handler(line: &Line) -> bool {
    let names = ["spanwise_profiling::", "backtrace::", "trace", "_sigtramp"];
    names.iter().any(|name| line.function.starts_with(name))
}

/// Processor time of all threads, user and system.
fn used() -> Duration {
    // SAFETY: `rusage` is plain integers, for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is ours to write; RUSAGE_SELF is a valid target.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

static CPU: Description = Description {
    name: "cpu",
    sample_types: &[("samples", "count"), ("cpu", "nanoseconds")],
    default: 1,
    period_type: ("cpu", "nanoseconds"),
};

/// Processor time between two samples: 100 Hz, as Go.
const PERIOD: Duration = Duration::from_millis(10);
