//! What a rate will be next, by what it was: one estimate for each key.

/// An estimate of the rate at which roots are offered, and how it learns.
#[derive(Debug, Clone, Default)]
pub(super) struct Estimate {
    /// Roots per second.
    rate: f64,
    /// What the last period had, unless the estimate has jumped since.
    last: Option<f64>,
    /// Where the last two periods point, as a factor.
    trend: f64,
    /// Periods in a row that had less than half of the estimate.
    low: u32,
    /// Periods in a row that had next to nothing.
    quiet: f64,
}

impl Estimate {
    /// Roots per second, expected.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// The rate where the last two periods point.
    pub(super) fn ahead(&self) -> f64 {
        self.rate * (1.0 + self.trend)
    }

    /// `count` roots came in `seconds`, a period or (when nobody looked) several.
    pub(super) fn learn(&mut self, count: f64, seconds: f64, periods: f64) {
        let seen = count / seconds;
        let silent = seen < IDLE * self.rate && self.rate * seconds > FEW;
        if silent && self.quiet + periods < HOLD {
            // Silence says nothing about how it will be when it ends; letting the estimate fall
            // would let every first second of an on-and-off load through.
            self.quiet += periods;
            self.forget();
            return;
        }
        if self.rate == 0.0 {
            // The first that is heard of it.
            self.jump(seen);
            self.last = Some(seen);
            return;
        }
        self.quiet = 0.0;
        self.low = if seen < self.rate / 2.0 { self.low + 1 } else { 0 };
        if self.low >= JUMP_AFTER || self.low > 0 && periods >= f64::from(JUMP_AFTER) {
            self.rate = seen;
            self.forget();
            return;
        }
        // What is within the scatter is averaged evenly, else small rates would come out high.
        let rose = seen - self.rate > scatter(seen + self.rate, seconds);
        self.rate += if rose { UP } else { DOWN } * (seen - self.rate);
        let last = self.last.replace(seen).unwrap_or(seen);
        let step = seen - last;
        let turned = step.abs() > scatter(seen + last, seconds);
        self.trend = if turned { (step / seen).clamp(-TREND, TREND) } else { 0.0 };
    }

    /// `count` roots came in the first `seconds` of a period. Whether that is so much more than
    /// expected that the estimate jumped up.
    pub(super) fn surge(&mut self, count: f64, seconds: f64) -> bool {
        let expected = self.rate * seconds;
        let jumped = count > 2.0 * expected + 4.0 * (expected + 1.0).sqrt() + 4.0;
        if jumped {
            self.jump(count / seconds);
        }
        jumped
    }

    /// The estimate is `rate` from now on, and what came before says nothing.
    pub(super) fn jump(&mut self, rate: f64) {
        self.rate = rate;
        self.quiet = 0.0;
        self.forget();
    }

    /// A forecast from before a jump would let a whole second of it through.
    fn forget(&mut self) {
        self.low = 0;
        self.last = None;
        self.trend = 0.0;
    }
}

/// By how much two rates, counted for so long, may differ by chance: three times the root of what
/// was counted.
fn scatter(sum: f64, seconds: f64) -> f64 {
    3.0 * (sum / seconds).sqrt()
}

/// The source document's law: a probability that follows the rate of offered roots.
#[derive(Debug, Clone)]
pub(super) struct DocumentLaw {
    probability: f64,
}

impl DocumentLaw {
    pub(super) fn new(initial: f64) -> Self {
        Self { probability: initial.clamp(FLOOR, 1.0) }
    }

    pub(super) fn probability(&self) -> f64 {
        self.probability
    }

    /// A window in which roots were offered at `rate`.
    pub(super) fn learn(&mut self, rate: f64, target: f64) {
        if rate > target {
            self.probability *= target / rate;
        } else if rate < target / 2.0 {
            self.probability *= 1.2;
        }
        self.probability = self.probability.clamp(FLOOR, 1.0);
    }
}

/// How much of a new rate is believed at once when it is higher, and when it is not.
const UP: f64 = 0.9;
const DOWN: f64 = 0.5;
/// Periods below half of the estimate before all of it is believed.
const JUMP_AFTER: u32 = 2;
/// A period with less than this share of the estimate is idle; the estimate is held for so many.
const IDLE: f64 = 0.02;
const HOLD: f64 = 10.0;
/// Where so few are expected, none is no news.
const FEW: f64 = 20.0;
/// A trend is believed up to this much per period.
const TREND: f64 = 0.3;
/// The document's bounds are this and 1.
const FLOOR: f64 = 0.001;
