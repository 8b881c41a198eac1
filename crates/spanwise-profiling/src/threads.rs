//! The threads of this process: names, states, processor time.

use crate::ProfileError;
use crate::profile::{Description, Profile};
use std::io;

/// The threads of this process: one sample for each name and state, with the number of threads and their
/// processor time since they started. A stack is the state of the thread, called by its name.
///
/// # Errors
/// [`ProfileError::Unsupported`] outside of Linux, [`ProfileError::System`] without `/proc`.
///
/// # Cost
/// Three small files of `/proc` for each thread; no thread is interrupted.
pub fn threads() -> Result<Profile, ProfileError> {
    if !cfg!(target_os = "linux") {
        return Err(ProfileError::Unsupported("threads", "the list is that of Linux in /proc"));
    }
    let failed = |error| ProfileError::System("reading /proc/self/task", error);
    let mut profile = Profile::new(&THREADS, 1);
    for entry in std::fs::read_dir("/proc/self/task").map_err(failed)? {
        // A thread may end meanwhile.
        if let Ok(thread) = entry.and_then(|entry| Thread::read(&entry.path())) {
            let values = [1, thread.nanos];
            profile.push_named(&[thread.state, &thread.name], &values);
        }
    }
    profile.merge();
    Ok(profile)
}

struct Thread {
    name: String,
    state: &'static str,
    /// Processor time, user and system.
    nanos: i64,
}

impl Thread {
    fn read(folder: &std::path::Path) -> io::Result<Self> {
        let name = text(std::fs::read(folder.join("comm"))?).trim_end().to_owned();
        let stat = text(std::fs::read(folder.join("stat"))?);
        let (state, ticks) = state_and_ticks(&stat).ok_or(io::ErrorKind::InvalidData)?;
        // In nanoseconds, where the kernel counts them; otherwise in ticks of 10 ms.
        let exact = std::fs::read_to_string(folder.join("schedstat")).unwrap_or_default();
        let exact = exact.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
        let nanos = exact.unwrap_or(ticks * NANOS_OF_A_TICK);
        Ok(Self { name, state: state_name(state), nanos })
    }
}

/// A name has at most 15 bytes, which may end within a letter.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads the third field and the sum of the 14th and 15th of `/proc/self/task/*/stat`. A name in the
/// second may have blanks and parentheses.
fn state_and_ticks(stat: &str) -> Option<(char, i64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let user: i64 = fields.nth(10)?.parse().ok()?;
    let system: i64 = fields.next()?.parse().ok()?;
    Some((state, user + system))
}

fn state_name(state: char) -> &'static str {
    match state {
        'R' => "running",
        'S' => "sleeping",
        'D' => "waiting for a device",
        'T' | 't' => "stopped",
        'Z' | 'X' => "ended",
        'I' => "idle",
        _ => "in another state",
    }
}

/// `USER_HZ` is 100 on every architecture that Rust supports.
const NANOS_OF_A_TICK: i64 = 10_000_000;

static THREADS: Description = Description {
    name: "threads",
    sample_types: &[("threads", "count"), ("cpu", "nanoseconds")],
    default: 0,
    period_type: ("threads", "count"),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "12 (a) b (c)) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0 100";
        assert_eq!(state_and_ticks(stat), Some(('R', 300)));
        assert_eq!(state_and_ticks("12 (a) R 1"), None);
    }
}
