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
    #[inline]
    pub fn unix_nanos_at(&self, ticks: u64) -> u64 {
        match ticks.checked_sub(self.ticks) {
            Some(after) => self.unix_nanos.saturating_add(self.nanos(after)),
            None => self.unix_nanos.saturating_sub(self.nanos(self.ticks - ticks)),
        }
    }

    /// The end of a span that began at `start_ticks`, `start_nanos`, and ends at `ticks`. Never
    /// before its start.
    ///
    /// A span keeps its own line of time: start plus what passed, so that a step of the system
    /// clock does not stretch or fold it. A long one would drift from the system clock that way,
    /// by the error of the rate now against the rate over its life; so it ends by the wall as long
    /// as the two differ by no more than drift can explain.
    #[inline]
    pub fn end_of(&self, start_ticks: u64, start_nanos: u64, ticks: u64) -> u64 {
        let passed = self.nanos(ticks.saturating_sub(start_ticks));
        let end = start_nanos.saturating_add(passed);
        if passed < LONG_NANOS {
            return end;
        }
        let wall = self.unix_nanos_at(ticks);
        if wall.abs_diff(end) <= passed / DRIFT_PARTS { wall } else { end }
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
