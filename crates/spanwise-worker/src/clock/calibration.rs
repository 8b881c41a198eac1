use super::scale::{Scale, rate};

/// Three clocks read at one instant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    pub ticks: u64,
    /// Never steps, but is slewed as the system clock is: the rate is measured against it.
    pub monotonic_nanos: u64,
    /// The system clock: where the time is taken from.
    pub unix_nanos: u64,
}

/// Learns from readings how ticks map to time. Reads no clock itself.
///
/// The rate comes from a window of readings that grows to some seconds and then slides; the time
/// from the latest reading. A small error (noise, drift) is not corrected by a jump but by running
/// a little faster or slower for a while, so that times do not run backwards between anchors; a
/// large one (the clock was stepped, or its slewing has changed) at once.
#[derive(Debug)]
pub(super) struct Calibration {
    scale: Scale,
    /// As measured, without the correction that `scale.rate` carries; 0 while not known.
    rate: u64,
    window: Window,
    /// A rate too far from `rate` to be believed before it is seen twice.
    suspect: Option<u64>,
}

impl Calibration {
    pub const fn new() -> Self {
        Calibration {
            scale: Scale { ticks: 0, unix_nanos: 0, rate: 0 },
            rate: 0,
            window: Window::EMPTY,
            suspect: None,
        }
    }

    /// Takes a reading in; returns the scale to use from now on.
    pub fn add(&mut self, reading: Reading) -> Scale {
        let Some(latest) = self.window.latest() else {
            return self.restart(reading);
        };
        if reading.ticks <= latest.ticks || reading.monotonic_nanos < latest.monotonic_nanos {
            // The counter was set back: the machine slept, or moved to other hardware.
            return self.restart(reading);
        }
        if reading.monotonic_nanos - latest.monotonic_nanos < MIN_BASELINE_NANOS {
            return self.scale;
        }
        let Some(recent) = between(&latest, &reading) else {
            return self.restart(reading);
        };
        if self.rate != 0 && !close(recent, self.rate) {
            if self.suspect.is_none_or(|suspect| !close(recent, suspect)) {
                self.suspect = Some(recent);
                return self.restart(reading);
            }
            self.rate = recent;
            self.window = Window::EMPTY;
            self.window.push(latest);
        }
        self.suspect = None;
        self.window.push(reading);
        self.rate = self.window.rate().unwrap_or(recent);

        let off =
            i128::from(reading.unix_nanos) - i128::from(self.scale.unix_nanos_at(reading.ticks));
        if self.scale.is_known() && off.abs() <= i128::from(JUMP_NANOS) {
            let corrected = i128::from(self.rate) * (i128::from(SLEW_NANOS) + off);
            self.scale = Scale {
                ticks: reading.ticks,
                unix_nanos: self.scale.unix_nanos_at(reading.ticks),
                rate: u64::try_from(corrected / i128::from(SLEW_NANOS)).unwrap_or(self.rate),
            };
        } else {
            // What was learnt before may describe a rate that has changed since.
            self.window = Window::EMPTY;
            self.window.push(latest);
            self.window.push(reading);
            self.rate = recent;
            self.jump(reading);
        }
        self.scale
    }

    /// Nanoseconds the window spans.
    pub fn baseline_nanos(&self) -> u64 {
        self.window.nanos()
    }

    /// Begins a new window at `reading`, with the rate as far as it is known.
    fn restart(&mut self, reading: Reading) -> Scale {
        self.window = Window::EMPTY;
        self.window.push(reading);
        self.jump(reading);
        self.scale
    }

    fn jump(&mut self, reading: Reading) {
        let Reading { ticks, unix_nanos, .. } = reading;
        self.scale = Scale { ticks, unix_nanos, rate: self.rate };
    }
}

/// The last readings, oldest first.
#[derive(Debug)]
struct Window {
    readings: [Reading; READINGS],
    len: usize,
}

impl Window {
    const EMPTY: Window = Window {
        readings: [Reading { ticks: 0, monotonic_nanos: 0, unix_nanos: 0 }; READINGS],
        len: 0,
    };

    fn all(&self) -> &[Reading] {
        self.readings.get(..self.len).unwrap_or(&[])
    }

    fn latest(&self) -> Option<Reading> {
        self.all().last().copied()
    }

    fn push(&mut self, reading: Reading) {
        let old = |r: &&Reading| {
            reading.monotonic_nanos.saturating_sub(r.monotonic_nanos) > MAX_WINDOW_NANOS
        };
        // At least one stays, however old: a rate needs two.
        let most = self.len.saturating_sub(1);
        let full = usize::from(self.len == READINGS);
        let gone = self.all().iter().take_while(old).count().max(full).min(most);
        self.readings.copy_within(gone..self.len, 0);
        self.len -= gone;
        if let Some(free) = self.readings.get_mut(self.len) {
            *free = reading;
            self.len += 1;
        }
    }

    fn rate(&self) -> Option<u64> {
        between(self.all().first()?, self.all().last()?)
    }

    fn nanos(&self) -> u64 {
        match self.all() {
            [oldest, .., latest] => latest.monotonic_nanos.saturating_sub(oldest.monotonic_nanos),
            _ => 0,
        }
    }
}

fn between(earlier: &Reading, later: &Reading) -> Option<u64> {
    rate(
        later.ticks.checked_sub(earlier.ticks)?,
        later.monotonic_nanos.checked_sub(earlier.monotonic_nanos)?,
    )
}

/// Whether two rates are within a thousandth: no slewing takes a clock further.
fn close(one: u64, other: u64) -> bool {
    one.abs_diff(other) <= other / 1_000
}

/// Readings are some 50 ns uncertain; over less than this the rate would be, too.
pub(super) const MIN_BASELINE_NANOS: u64 = 10_000_000;

/// Long enough to drown that uncertainty, short enough to follow when slewing begins or ends.
const MAX_WINDOW_NANOS: u64 = 4_000_000_000;

const READINGS: usize = 40;

/// Errors up to this are corrected without a jump ...
const JUMP_NANOS: u64 = 500;

/// ... within this time.
const SLEW_NANOS: u64 = 1_000_000_000;
