//! Control threads: how late the machine wakes a thread that only sleeps.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A thread a core, each of which sleeps for a millisecond at a time and records how late it wakes.
///
/// A call that waits for a deadline needs the same of the machine: a thread has to be scheduled when its
/// timer expires.
pub(super) struct ControlThreads {
    controls: Vec<Arc<Control>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

struct Control(Mutex<Wakeups>);

struct Wakeups {
    /// The end of the current sleep.
    due: Instant,
    /// Late wakeups of the last minute: when they were due, and when they came.
    late: VecDeque<(Instant, Instant)>,
}

impl ControlThreads {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(super) fn start() -> Result<Self, String> {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let stop = Arc::new(AtomicBool::new(false));
        let mut started = Self { controls: Vec::new(), stop, threads: Vec::new() };
        for core in 0..cores {
            let wakeups = Wakeups { due: Instant::now() + PERIOD, late: VecDeque::new() };
            let control = Arc::new(Control(Mutex::new(wakeups)));
            let (stop, shared) = (started.stop.clone(), control.clone());
            let watch = move || {
                bind_to(core);
                while !stop.load(Relaxed) {
                    let due = shared.begin_sleep();
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    shared.woke(due, Instant::now());
                }
            };
            let thread = thread::Builder::new().name(format!("control-{core}")).spawn(watch);
            started.threads.push(thread.map_err(|error| error.to_string())?);
            started.controls.push(control);
        }
        Ok(started)
    }

    /// The longest delay of a wakeup at any time from `from` to `to`; also of a thread that still has not
    /// woken.
    pub(super) fn worst_delay(&self, from: Instant, to: Instant) -> Duration {
        let delays = self.controls.iter().map(|control| control.worst_delay(from, to));
        delays.max().unwrap_or_default()
    }
}

impl Drop for ControlThreads {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

impl Control {
    fn begin_sleep(&self) -> Instant {
        let due = Instant::now() + PERIOD;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).due = due;
        due
    }

    fn woke(&self, due: Instant, woke: Instant) {
        let mut wakeups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if woke.saturating_duration_since(due) >= PERIOD {
            wakeups.late.push_back((due, woke));
        }
        while wakeups.late.front().is_some_and(|&(_, at)| woke - at > RETAINED) {
            wakeups.late.pop_front();
        }
    }

    fn worst_delay(&self, from: Instant, to: Instant) -> Duration {
        let wakeups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = (wakeups.due, to.max(wakeups.due));
        let all = wakeups.late.iter().copied().chain([current]);
        let inside = all.filter(|&(due, woke)| due <= to && woke >= from);
        inside.map(|(due, woke)| woke - due).max().unwrap_or_default()
    }
}

/// Binds the calling thread to the `index`th core that this process may use, so that no core is without
/// its control thread.
#[cfg(target_os = "linux")]
fn bind_to(index: usize) {
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: `cpu_set_t` is an array of integers, for which all zeros is a value.
    let mut usable: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `usable` is ours to write and has this size; 0 is the calling thread.
    if unsafe { libc::sched_getaffinity(0, size, &raw mut usable) } != 0 {
        return;
    }
    // SAFETY: each number is within the set.
    let is_usable = |&core: &usize| unsafe { libc::CPU_ISSET(core, &usable) };
    let Some(core) = (0..libc::CPU_SETSIZE as usize).filter(is_usable).nth(index) else { return };
    // SAFETY: as above.
    let mut bound: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `core` is within the set.
    unsafe { libc::CPU_SET(core, &mut bound) };
    // SAFETY: `bound` has this size; 0 is the calling thread. Without the permission it stays unbound.
    let _unbound = unsafe { libc::sched_setaffinity(0, size, &raw const bound) };
}

/// Elsewhere the system distributes the threads.
#[cfg(not(target_os = "linux"))]
fn bind_to(_index: usize) {}

/// The length of a sleep, and the least delay that is recorded.
const PERIOD: Duration = Duration::from_millis(1);
const RETAINED: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_counts_for_the_times_that_it_covers() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let control = Control(Mutex::new(Wakeups { due: at(1000), late: VecDeque::new() }));
        control.woke(at(100), at(130));
        control.woke(at(200), at(200));
        let millis = |from, to| control.worst_delay(at(from), at(to)).as_millis();
        assert_eq!(millis(0, 50), 0);
        assert_eq!(millis(0, 110), 30);
        assert_eq!(millis(120, 125), 30);
        assert_eq!(millis(131, 300), 0, "a wakeup in time is no delay");
        assert_eq!(millis(900, 1080), 80, "a thread that still sleeps");
        control.woke(at(1000), at(1080));
        control.woke(at(70_000), at(70_002));
        assert_eq!(millis(120, 125), 0, "old delays are removed");
    }

    #[test]
    fn the_threads_watch_the_machine() {
        let control = ControlThreads::start().unwrap();
        let now = Instant::now();
        assert!(control.worst_delay(now, now) < Duration::from_secs(60));
    }
}
