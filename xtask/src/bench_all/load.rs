//! The load on the machine that is not our own, while a process is measured.

#[cfg(target_os = "linux")]
use super::busy::Busy;
use std::time::Instant;

/// Readings at the begin of a measurement.
#[derive(Debug)]
pub(super) struct Load {
    started: Instant,
    busy: Option<Busy>,
}

impl Load {
    /// Starts to watch the machine.
    pub(super) fn watch() -> Self {
        Self { busy: Busy::now(), started: Instant::now() }
    }

    /// The processor time that other processes and other guests of the host took since the start, as a
    /// number of cores; `None` where the system does not report it. Children of this process have to be
    /// waited for first: before that their time counts as foreign.
    pub(super) fn foreign(&self) -> Option<f64> {
        let wall = self.started.elapsed().as_secs_f64();
        Some(foreign(self.busy?, Busy::now()?, wall))
    }
}

fn foreign(before: Busy, after: Busy, wall: f64) -> f64 {
    let machine = after.machine - before.machine;
    let own = after.own - before.own;
    // The kernel counts the two with different granularity.
    ((machine - own) / wall.max(f64::EPSILON)).max(0.0)
}

/// Elsewhere the load is not known.
#[cfg(not(target_os = "linux"))]
#[derive(Debug, Clone, Copy)]
struct Busy {
    machine: f64,
    own: f64,
}

#[cfg(not(target_os = "linux"))]
impl Busy {
    fn now() -> Option<Self> {
        None
    }
}

/// The least foreign load, in cores, that disturbs a measurement: above the resolution of the kernel's
/// counts in half a second, and a twentieth of a machine with two cores.
pub(super) const DISTURBING: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_our_own_is_no_foreign_load() {
        let before = Busy { machine: 100.0, own: 20.0 };
        let after = |machine, own| Busy { machine, own };
        assert_eq!(foreign(before, after(104.0, 23.0), 2.0), 0.5);
        assert_eq!(foreign(before, after(103.0, 23.0), 2.0), 0.0);
        // Rounded counts can be below our own precise one.
        assert_eq!(foreign(before, after(102.9, 23.0), 2.0), 0.0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_reports_the_load() {
        let load = Load::watch();
        assert!(load.foreign().is_some_and(|cores| cores.is_finite() && cores >= 0.0));
    }
}
