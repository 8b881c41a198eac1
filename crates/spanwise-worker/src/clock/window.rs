use super::scale::rate;

/// One reading of three clocks at one instant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    pub ticks: u64,
    /// The monotonic clock, which never steps but is slewed like the system clock: the rate is measured
    /// against it.
    pub monotonic_nanos: u64,
    /// The system clock, the source of the time.
    pub unix_nanos: u64,
}

/// A sliding window over the latest readings, oldest first.
#[derive(Debug)]
pub(super) struct Window {
    readings: [Reading; READINGS],
    len: usize,
}

impl Window {
    pub const EMPTY: Window = Window {
        readings: [Reading { ticks: 0, monotonic_nanos: 0, unix_nanos: 0 }; READINGS],
        len: 0,
    };

    fn all(&self) -> &[Reading] {
        self.readings.get(..self.len).unwrap_or(&[])
    }

    /// The newest reading.
    pub fn latest(&self) -> Option<Reading> {
        self.all().last().copied()
    }

    /// Adds a reading, and removes those that are too old or too many.
    pub fn push(&mut self, reading: Reading) {
        let old = |r: &&Reading| {
            reading.monotonic_nanos.saturating_sub(r.monotonic_nanos) > MAX_WINDOW_NANOS
        };
        // One reading of any age remains, because a rate needs two.
        let max = self.len.saturating_sub(1);
        let full = usize::from(self.len == READINGS);
        let removed = self.all().iter().take_while(old).count().max(full).min(max);
        self.readings.copy_within(removed..self.len, 0);
        self.len -= removed;
        if let Some(free) = self.readings.get_mut(self.len) {
            *free = reading;
            self.len += 1;
        }
    }

    /// The rate from the oldest to the newest reading.
    pub fn rate(&self) -> Option<u64> {
        rate_between(self.all().first()?, self.all().last()?)
    }

    /// The length of the window in nanoseconds.
    pub fn nanos(&self) -> u64 {
        match self.all() {
            [oldest, .., latest] => latest.monotonic_nanos.saturating_sub(oldest.monotonic_nanos),
            _ => 0,
        }
    }
}

/// The rate of the counter from one reading to a later one, against the monotonic clock; `None` if the
/// counter went back or no counter has that rate.
pub(super) fn rate_between(earlier: &Reading, later: &Reading) -> Option<u64> {
    rate(
        later.ticks.checked_sub(earlier.ticks)?,
        later.monotonic_nanos.checked_sub(earlier.monotonic_nanos)?,
    )
}

/// Long enough that the uncertainty of a reading, some 50 ns, does not matter; short enough to follow
/// when slewing begins or ends.
const MAX_WINDOW_NANOS: u64 = 4_000_000_000;

/// Readings in a window at most.
const READINGS: usize = 40;
