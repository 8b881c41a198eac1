/// A linear map from ticks of a counter to nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scale {
    /// The reference point in ticks; 0 while no counter is usable.
    pub ticks: u64,
    /// The same reference point in nanoseconds since 1970.
    pub unix_nanos: u64,
    /// Nanoseconds per tick in units of 2⁻⁴⁸; 0 while unknown.
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
            // The caller read the counter before the scale was made.
            None => self.unix_nanos.saturating_sub(self.nanos(self.ticks.saturating_sub(ticks))),
        }
    }

    /// Whether `ticks` can be a reading of the counter that this scale describes: after its reference
    /// point, or before it by no more than a reader can be late.
    pub fn is_near(&self, ticks: u64) -> bool {
        self.nanos(self.ticks.saturating_sub(ticks)) < LONG_NANOS
    }

    /// The end of a span that began at `start_ticks`, `start_nanos`, and ends at `ticks`. Never
    /// before its start.
    ///
    /// A span keeps its own timeline, its start plus the time that passed, so that a step of the system
    /// clock does not stretch or shorten it. A long span would drift from the system clock that way,
    /// because the rate now differs from the mean rate over its duration. So a long span ends by the
    /// system clock, unless that clock `was_stepped` since the start or the two differ by more than
    /// drift explains.
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

    /// [`end_of`](Self::end_of) for a span too short for drift; `None` for a longer one.
    #[inline(always)]
    pub fn end_of_short(&self, start_ticks: u64, start_nanos: u64, ticks: u64) -> Option<u64> {
        // A counter that was set back makes this difference wrap: a long time at every rate.
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
            // A small difference means that the counters of two cores differ, and no time has passed. A
            // large one means that the counter restarted, and the passed time is unknown.
            let cores_differ = self.nanos(start_ticks.saturating_sub(ticks)) < LONG_NANOS;
            let now = if cores_differ { start_nanos } else { self.unix_nanos_at(ticks) };
            return now.max(start_nanos);
        };
        let passed = self.nanos(passed);
        let end = start_nanos.saturating_add(passed);
        let system = self.unix_nanos_at(ticks);
        let is_drift = system.abs_diff(end) <= passed / DRIFT_PARTS && !was_stepped();
        if is_drift { system } else { end }
    }

    /// The duration of `ticks` in nanoseconds.
    #[inline]
    pub fn nanos(&self, ticks: u64) -> u64 {
        let nanos = (u128::from(ticks) * u128::from(self.rate)) >> RATE_BITS;
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

/// The rate of a counter that counts `ticks` in `nanos`; `None` outside of the rates that counters
/// have, 1 MHz to 100 GHz.
pub(super) fn rate(ticks: u64, nanos: u64) -> Option<u64> {
    let rate = (u128::from(nanos) << RATE_BITS).checked_div(u128::from(ticks))?;
    let slowest = 1_000 << RATE_BITS;
    let fastest = (1 << RATE_BITS) / 100;
    u64::try_from(rate).ok().filter(|rate| (fastest..=slowest).contains(rate))
}

const RATE_BITS: u32 = 48;

/// A span shorter than this drifts by far less than a microsecond.
const LONG_NANOS: u64 = 100_000_000;

/// Systems slew clocks by 500 parts per million at most; up to twice that counts as drift.
const DRIFT_PARTS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_OF_3_GHZ: u64 = (1 << RATE_BITS) / 3;

    #[test]
    fn ticks_scale_to_nanoseconds() {
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
    fn a_scale_maps_ticks_before_and_after_its_reference_point() {
        let scale = Scale { ticks: 3_000, unix_nanos: 500, rate: RATE_OF_3_GHZ + 1 };
        for (ticks, time) in [(3_000, 500), (6_000, 1_500), (2_700, 400), (0, 0)] {
            assert_eq!(scale.unix_nanos_at(ticks), time);
        }
    }

    #[test]
    fn a_rate_that_no_counter_has_is_rejected() {
        for (ticks, nanos) in [(0, 1), (1, 0), (1, 1_001), (101, 1), (u64::MAX, 1), (1, u64::MAX)] {
            assert_eq!(rate(ticks, nanos), None, "{ticks} ticks in {nanos} ns");
        }
        assert_eq!(rate(1, 1), Some(1 << RATE_BITS));
        assert_eq!(rate(3_000, 1_000), Some(RATE_OF_3_GHZ));
    }

    #[test]
    fn a_span_ends_on_its_own_timeline_and_a_long_one_by_the_system_clock() {
        let second = 1_000_000_000;
        let scale = Scale { ticks: 0, unix_nanos: 10 * second, rate: 1 << RATE_BITS };
        for (case, start_ticks, start_nanos, ticks, end) in [
            ("a short span, off the system clock", 0, 17, 50, 67),
            ("two cores that differ slightly", 90, 17, 50, 17),
            ("a counter set back", 9 * second, 17, 50, 10 * second + 50),
            (
                "a counter set back, and the system clock too",
                9 * second,
                11 * second,
                50,
                11 * second,
            ),
            ("a long span that drifted", 0, 10 * second + 900_000, second, 11 * second),
            (
                "a long span over a step",
                0,
                10 * second + 1_100_000,
                second,
                11 * second + 1_100_000,
            ),
            ("the end of the range", 0, u64::MAX - 1, second, u64::MAX),
        ] {
            assert_eq!(scale.end_of(start_ticks, start_nanos, ticks, || false), end, "{case}");
        }
    }
}
