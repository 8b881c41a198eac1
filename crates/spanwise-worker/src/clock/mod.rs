//! The one clock: span times at the cost of a counter read.
//!
//! Times are nanoseconds since 1970, as OTLP wants them. Where the processor has a steady counter
//! (the invariant TSC of x86-64) a time is that counter, scaled; elsewhere, and until the first two
//! [`anchor`]s, it is [`SystemTime`].
//!
//! - Within a microsecond of `SystemTime` while [`anchor`] is called every 100 ms and the system
//!   clock runs evenly. When somebody steps it, or changes its rate, spans that begin after the
//!   next anchor follow.
//! - Never backwards inside a span: [`end`] is not before its [`Start`], and a step of the system
//!   clock in between neither stretches nor folds the span.

mod calibration;
mod published;
mod scale;
mod tsc;

use std::sync::{Mutex, OnceLock, TryLockError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use calibration::{Calibration, MIN_BASELINE_NANOS, Reading};
use published::Published;
use scale::Scale;

/// When a span began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The counter then; 0 if there was none to be used.
    pub ticks: u64,
    /// The time then, in nanoseconds since 1970.
    pub unix_nanos: u64,
}

/// Where times come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The processor's time stamp counter, anchored to the system clock.
    Tsc,
    /// The system clock.
    System,
}

/// A span begins.
///
/// # Cost
/// One counter read, four loads and a multiplication; without a counter, one [`SystemTime::now`].
/// No lock, no system call, no locked instruction.
#[inline(always)]
pub fn start() -> Start {
    let (scale, whole) = PUBLISHED.try_read();
    if !whole || !scale.is_known() {
        return start_otherwise();
    }
    let ticks = tsc::ticks();
    Start { ticks, unix_nanos: scale.unix_nanos_at(ticks) }
}

/// A span ends: nanoseconds since 1970, never before its start.
///
/// # Cost
/// As [`start`].
#[inline(always)]
pub fn end(start: Start) -> u64 {
    let (scale, whole) = PUBLISHED.try_read();
    if !whole || !scale.is_known() || start.ticks == 0 {
        return end_otherwise(start);
    }
    scale.end_of(start.ticks, start.unix_nanos, tsc::ticks())
}

/// The time now, in nanoseconds since 1970.
///
/// # Cost
/// As [`start`].
#[inline]
pub fn unix_nanos() -> u64 {
    start().unix_nanos
}

/// Compares the counter with the system clock and corrects what [`start`] and [`end`] give.
///
/// Returns when it wants to be called again: after 10 ms at first, then every 100 ms. May be
/// called from any thread and by several; while one is at it, others return at once. Not for
/// application threads: it reads clocks some ten times and now and then a file.
pub fn anchor() -> Duration {
    let mut keeper = match KEEPER.try_lock() {
        Ok(keeper) => keeper,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return RARELY,
    };
    let keeper = &mut *keeper;
    if !keeper.is_steady() {
        // For good: a counter found unsteady once is not worth another try.
        PUBLISHED.write(Scale::default());
        return RARELY;
    }
    let Some(reading) = read_clocks() else {
        return SOON;
    };
    PUBLISHED.write(keeper.calibration.add(reading));
    Duration::from_nanos(keeper.calibration.baseline_nanos()).clamp(SOON, RARELY)
}

/// Where times come from now.
pub fn source() -> Source {
    match PUBLISHED.read() {
        Some(scale) if scale.is_known() => Source::Tsc,
        _ => Source::System,
    }
}

/// Nanoseconds since 1970; 0 for times before, `u64::MAX` for times after the year 2554.
pub fn to_unix_nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, saturating_nanos)
}

struct Keeper {
    calibration: Calibration,
    anchors: u32,
    steady: bool,
}

impl Keeper {
    /// Looks now and then whether the counter can still be trusted.
    fn is_steady(&mut self) -> bool {
        if self.steady && self.anchors.is_multiple_of(ANCHORS_PER_LOOK) {
            self.steady = tsc::is_steady();
        }
        self.anchors = self.anchors.wrapping_add(1);
        self.steady
    }
}

/// The scale is being replaced, or there is none.
#[cold]
fn start_otherwise() -> Start {
    match PUBLISHED.read() {
        Some(scale) if scale.is_known() => {
            let ticks = tsc::ticks();
            Start { ticks, unix_nanos: scale.unix_nanos_at(ticks) }
        }
        scale => {
            // With the ticks, if there may be a counter: once its rate is known, the span can end
            // by it.
            let counts = scale.is_none_or(|scale| scale.ticks != 0);
            let ticks = if counts { tsc::ticks() } else { 0 };
            Start { ticks, unix_nanos: to_unix_nanos(SystemTime::now()) }
        }
    }
}

#[cold]
fn end_otherwise(start: Start) -> u64 {
    match PUBLISHED.read() {
        Some(scale) if scale.is_known() && start.ticks != 0 => {
            scale.end_of(start.ticks, start.unix_nanos, tsc::ticks())
        }
        _ => to_unix_nanos(SystemTime::now()).max(start.unix_nanos),
    }
}

/// All clocks at one instant: of several tries the one that took least. `None` if each was
/// interrupted.
fn read_clocks() -> Option<Reading> {
    let origin = *ORIGIN.get_or_init(Instant::now);
    let mut best = (MAX_TICKS_BETWEEN, None);
    for tries in 1..=MAX_TRIES {
        let before = tsc::ticks();
        let (unix, monotonic) = (SystemTime::now(), Instant::now());
        let took = tsc::ticks().saturating_sub(before);
        if took < best.0 {
            let reading = Reading {
                ticks: before.saturating_add(took / 2),
                monotonic_nanos: saturating_nanos(monotonic.saturating_duration_since(origin)),
                unix_nanos: to_unix_nanos(unix),
            };
            best = (took, Some(reading));
        }
        if tries >= TRIES && best.1.is_some() {
            break;
        }
    }
    best.1
}

fn saturating_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

static PUBLISHED: Published = Published::new();

/// Writer's side. Only ever try-locked.
static KEEPER: Mutex<Keeper> =
    Mutex::new(Keeper { calibration: Calibration::new(), anchors: 0, steady: true });

static ORIGIN: OnceLock<Instant> = OnceLock::new();

const TRIES: usize = 5;
const MAX_TRIES: usize = 20;

/// About a microsecond or two; a reading takes a tenth of that.
const MAX_TICKS_BETWEEN: u64 = 5_000;

const SOON: Duration = Duration::from_nanos(MIN_BASELINE_NANOS);
const RARELY: Duration = Duration::from_millis(100);

const ANCHORS_PER_LOOK: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_times_saturate() {
        for (time, nanos) in [
            (Some(UNIX_EPOCH), 0),
            (UNIX_EPOCH.checked_sub(Duration::from_secs(1)), 0),
            (UNIX_EPOCH.checked_add(Duration::from_nanos(1)), 1),
            (UNIX_EPOCH.checked_add(Duration::from_nanos(u64::MAX)), u64::MAX),
            (UNIX_EPOCH.checked_add(Duration::from_secs(1 << 40)), u64::MAX),
        ] {
            // A system whose clock cannot tell such times has nothing to convert.
            if let Some(time) = time {
                assert_eq!(to_unix_nanos(time), nanos);
            }
        }
    }
}
