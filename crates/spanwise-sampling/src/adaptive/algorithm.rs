//! The algorithms: an estimate of the rate for each key, and a probability that is multiplied.

/// The estimated rate of offered roots of one key.
#[derive(Debug, Clone, Default)]
pub struct RateEstimate {
    /// Roots per second.
    rate: f64,
    /// The rate of the last period, unless the estimate has jumped since.
    last: Option<f64>,
    /// The relative change between the last two periods.
    trend: f64,
    /// The number of consecutive periods with less than half of the estimate.
    low: u32,
    /// The number of consecutive idle periods.
    quiet: f64,
}

impl RateEstimate {
    /// The estimate, in roots per second.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// The estimate with the trend of the last two periods.
    pub fn ahead(&self) -> f64 {
        self.rate * (1.0 + self.trend)
    }

    /// Updates the estimate by `count` roots in `seconds`: one period, or several if no thread read the
    /// clock.
    pub fn update(&mut self, count: f64, seconds: f64, periods: f64) {
        let measured = count / seconds;
        let silent = measured < IDLE * self.rate && self.rate * seconds > FEW;
        if silent && self.quiet + periods < HOLD {
            // The rate after a silence is unknown. A falling estimate would sample the whole first
            // second after each silence of an on-and-off load.
            self.quiet += periods;
            self.forget();
            return;
        }
        if self.rate == 0.0 {
            // The first roots of the key.
            self.jump(measured);
            self.last = Some(measured);
            return;
        }
        self.quiet = 0.0;
        self.low = if measured < self.rate / 2.0 { self.low + 1 } else { 0 };
        if self.low >= JUMP_AFTER || self.low > 0 && periods >= f64::from(JUMP_AFTER) {
            self.rate = measured;
            self.forget();
            return;
        }
        // Differences within the scatter are averaged evenly, otherwise small rates would be
        // overestimated.
        let rose = measured - self.rate > scatter(measured + self.rate, seconds);
        self.rate += if rose { UP } else { DOWN } * (measured - self.rate);
        let last = self.last.replace(measured).unwrap_or(measured);
        let step = measured - last;
        let turned = step.abs() > scatter(measured + last, seconds);
        self.trend = if turned { (step / measured).clamp(-TREND, TREND) } else { 0.0 };
    }

    /// Updates the estimate by `count` roots in the first `seconds` of a period; returns whether the
    /// rate is significantly higher and the estimate jumped up.
    pub fn surge(&mut self, count: f64, seconds: f64) -> bool {
        let expected = self.rate * seconds;
        let jumped = count > 2.0 * expected + 4.0 * (expected + 1.0).sqrt() + 4.0;
        if jumped {
            self.jump(count / seconds);
        }
        jumped
    }

    /// Sets the estimate to `rate` and discards the history.
    pub fn jump(&mut self, rate: f64) {
        self.rate = rate;
        self.quiet = 0.0;
        self.forget();
    }

    /// Discards the history: a trend from before a jump would sample a whole second of the new rate.
    fn forget(&mut self) {
        self.low = 0;
        self.last = None;
        self.trend = 0.0;
    }
}

/// The random difference between two rates, each counted for `seconds`: three times the square root
/// of the count.
fn scatter(sum: f64, seconds: f64) -> f64 {
    3.0 * (sum / seconds).sqrt()
}

/// A probability that is multiplied when the rate of offered roots leaves a band below the target.
#[derive(Debug, Clone)]
pub(super) struct MultiplicativeProbability {
    probability: f64,
}

impl MultiplicativeProbability {
    pub(super) fn new(initial: f64) -> Self {
        Self { probability: initial.clamp(FLOOR, 1.0) }
    }

    pub(super) fn probability(&self) -> f64 {
        self.probability
    }

    /// Updates the probability after a window with `rate` offered roots per second.
    pub(super) fn update(&mut self, rate: f64, target: f64) {
        if rate > target {
            self.probability *= target / rate;
        } else if rate < target / 2.0 {
            self.probability *= 1.2;
        }
        self.probability = self.probability.clamp(FLOOR, 1.0);
    }
}

/// The weights of a higher and of a lower rate in the estimate.
const UP: f64 = 0.9;
const DOWN: f64 = 0.5;
/// The number of periods below half of the estimate after which the estimate jumps down.
const JUMP_AFTER: u32 = 2;
/// A period with less than this share of the estimate is idle; the estimate holds for `HOLD` idle
/// periods.
const IDLE: f64 = 0.02;
const HOLD: f64 = 10.0;
/// A period with this expected count or less is never idle.
const FEW: f64 = 20.0;
/// The maximum trend per period.
const TREND: f64 = 0.3;
/// The minimum probability, as in the source document.
const FLOOR: f64 = 0.001;
