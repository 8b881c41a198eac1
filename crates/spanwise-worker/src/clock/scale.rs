/// Turns ticks of a counter into nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scale {
    /// A point in ticks; 0 while there is no counter to be used.
    pub ticks: u64,
    /// The same point in nanoseconds since 1970.
    pub unix_nanos: u64,
    /// Nanoseconds per tick in units of 2⁻⁴⁸; 0 while not known.
    pub rate: u64,
}

impl Scale {
    #[inline]
    pub fn is_known(&self) -> bool {
        self.rate != 0
    }

    /// The time at `ticks`, which may lie before this scale's own point.
    pub fn unix_nanos_at(&self, ticks: u64) -> u64 {
        match ticks.checked_sub(self.ticks) {
            Some(after) => self.unix_nanos.saturating_add(self.nanos(after)),
            // The scale was made after the counter was read.
            None => self.unix_nanos.saturating_sub(self.nanos(self.ticks.saturating_sub(ticks))),
        }
    }

    /// Whether `ticks` are of the counter that this scale was made by, as far as can be told: after
    /// its point, or no longer before than a reader can be late.
    pub fn is_near(&self, ticks: u64) -> bool {
        self.nanos(self.ticks.saturating_sub(ticks)) < LONG_NANOS
    }

    /// The end of a span that began at `start_ticks`, `start_nanos`, and ends at `ticks`. Never
    /// before its start.
    ///
    /// A span keeps its own timeline: start plus what passed, so that a step of the system
    /// clock does not stretch or fold it. A long one would drift from the system clock that way,
    /// by the error of the rate now against the rate over its life; so it ends by the wall, unless
    /// the system clock `was_stepped` since its start or the two differ by more than drift can
    /// explain.
    pub fn end_of(
        &self,
        start_ticks: u64,
        start_nanos: u64,
        ticks: u64,
        was_stepped: impl FnOnce() -> bool,
    ) -> u64 {
        match self.end_of_short(start_ticks, start_nanos, ticks) {
            Some(end) => end,
            None => self.end_of_long(start_ticks, start_nanos, ticks, was_stepped),
        }
    }

    /// [`end_of`](Self::end_of) of a span so short that no drift can show; `None` for a longer one.
    #[inline(always)]
    pub fn end_of_short(&self, start_ticks: u64, start_nanos: u64, ticks: u64) -> Option<u64> {
        // A counter that was set back has passed the end of its range: a long time, whatever the
        // rate.
        let passed = self.nanos(ticks.wrapping_sub(start_ticks));
        (passed < LONG_NANOS).then(|| start_nanos.saturating_add(passed))
    }

    #[cold]
    fn end_of_long(
        &self,
        start_ticks: u64,
        start_nanos: u64,
        ticks: u64,
        was_stepped: impl FnOnce() -> bool,
    ) -> u64 {
        let Some(passed) = ticks.checked_sub(start_ticks) else {
            // By a hair: cores that differ, and no time has passed. By more: it began again, and
            // what passed is lost.
            let cores_differ = self.nanos(start_ticks.saturating_sub(ticks)) < LONG_NANOS;
            let now = if cores_differ { start_nanos } else { self.unix_nanos_at(ticks) };
            return now.max(start_nanos);
        };
        let passed = self.nanos(passed);
        let end = start_nanos.saturating_add(passed);
        let wall = self.unix_nanos_at(ticks);
        let is_drift = wall.abs_diff(end) <= passed / DRIFT_PARTS && !was_stepped();
        if is_drift { wall } else { end }
    }

    /// The length of `ticks`.
    #[inline]
    pub fn nanos(&self, ticks: u64) -> u64 {
        let nanos = (u128::from(ticks) * u128::from(self.rate)) >> RATE_BITS;
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

/// The rate at which `ticks` take `nanos`, if that is a rate a counter could have: between 1 MHz
/// and 100 GHz.
pub(super) fn rate(ticks: u64, nanos: u64) -> Option<u64> {
    let rate = (u128::from(nanos) << RATE_BITS).checked_div(u128::from(ticks))?;
    let slowest = 1_000 << RATE_BITS;
    let fastest = (1 << RATE_BITS) / 100;
    u64::try_from(rate).ok().filter(|rate| (fastest..=slowest).contains(rate))
}

const RATE_BITS: u32 = 48;

/// Below this the drift is far under a microsecond.
const LONG_NANOS: u64 = 100_000_000;

/// Clocks are slewed by 500 parts per million at most; twice that is still drift.
const DRIFT_PARTS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_OF_3_GHZ: u64 = (1 << RATE_BITS) / 3;

    #[test]
    fn lengths() {
        let scale = Scale { ticks: 0, unix_nanos: 0, rate: RATE_OF_3_GHZ };
        let month_nanos = 30 * 24 * 3600 * 1_000_000_000u64;
        for (ticks, nanos) in [
            (0, 0),
            (4, 1),
            (300, 99),
            (3_000_000_000, 999_999_999),
            (3 * month_nanos, month_nanos),
        ] {
            // The rate is exact to 14 digits.
            let off = scale.nanos(ticks).abs_diff(nanos);
            assert!(off <= 1 + nanos / 100_000_000_000_000, "{ticks} ticks: {off} ns off");
        }
        let slowest = Scale { rate: u64::MAX, ..scale };
        assert_eq!(slowest.nanos(u64::MAX), u64::MAX);
        assert_eq!(Scale::default().nanos(u64::MAX), 0);
    }

    #[test]
    fn times_before_and_after_the_point() {
        let scale = Scale { ticks: 3_000, unix_nanos: 500, rate: RATE_OF_3_GHZ + 1 };
        for (ticks, time) in [(3_000, 500), (6_000, 1_500), (2_700, 400), (0, 0)] {
            assert_eq!(scale.unix_nanos_at(ticks), time);
        }
    }

    #[test]
    fn rates_no_counter_has() {
        for (ticks, nanos) in [(0, 1), (1, 0), (1, 1_001), (101, 1), (u64::MAX, 1), (1, u64::MAX)] {
            assert_eq!(rate(ticks, nanos), None, "{ticks} ticks in {nanos} ns");
        }
        assert_eq!(rate(1, 1), Some(1 << RATE_BITS));
        assert_eq!(rate(3_000, 1_000), Some(RATE_OF_3_GHZ));
    }

    #[test]
    fn ends() {
        let second = 1_000_000_000;
        let scale = Scale { ticks: 0, unix_nanos: 10 * second, rate: 1 << RATE_BITS };
        for (what, start_ticks, start_nanos, ticks, end) in [
            ("short, off the wall", 0, 17, 50, 67),
            ("cores a hair apart", 90, 17, 50, 17),
            ("counter set back", 9 * second, 17, 50, 10 * second + 50),
            ("counter set back, and the wall too", 9 * second, 11 * second, 50, 11 * second),
            ("long, drifted", 0, 10 * second + 900_000, second, 11 * second),
            ("long, stepped", 0, 10 * second + 1_100_000, second, 11 * second + 1_100_000),
            ("end of time", 0, u64::MAX - 1, second, u64::MAX),
        ] {
            assert_eq!(scale.end_of(start_ticks, start_nanos, ticks, || false), end, "{what}");
        }
    }
}
