//! Load in virtual time: when roots are offered, and which.

/// How much is offered, by the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// The same rate all the time.
    Steady(f64),
    /// One rate up to a time (in seconds), another one after it.
    Step {
        /// Roots per second before.
        from: f64,
        /// Roots per second after.
        to: f64,
        /// When.
        at: f64,
    },
    /// A rate that grows evenly.
    Ramp {
        /// Roots per second at first.
        from: f64,
        /// Roots per second at the end.
        to: f64,
        /// Seconds it takes.
        over: f64,
    },
    /// A rate that swings.
    Sine {
        /// Roots per second in the middle.
        mean: f64,
        /// How far it swings.
        swing: f64,
        /// Seconds from crest to crest.
        period: f64,
    },
    /// A rate for so many seconds, and nothing for as many.
    OnOff {
        /// Roots per second while on.
        rate: f64,
        /// Seconds on, and seconds off.
        each: f64,
    },
    /// Nothing at first.
    After {
        /// Seconds without a root.
        silence: f64,
        /// Roots per second then.
        rate: f64,
    },
}

impl Shape {
    /// Roots per second at `time` seconds.
    pub fn rate(&self, time: f64) -> f64 {
        match *self {
            Self::Steady(rate) => rate,
            Self::Step { from, to, at } => {
                if time < at {
                    from
                } else {
                    to
                }
            }
            Self::Ramp { from, to, over } => from + (to - from) * (time / over).min(1.0),
            Self::Sine { mean, swing, period } => {
                mean + swing * (time / period * std::f64::consts::TAU).sin()
            }
            Self::OnOff { rate, each } => {
                if ((time / each) as u64).is_multiple_of(2) {
                    rate
                } else {
                    0.0
                }
            }
            Self::After { silence, rate } => {
                if time < silence {
                    0.0
                } else {
                    rate
                }
            }
        }
    }

    /// A time after `time` from which the rate may be above 0, when it is 0 at `time`.
    fn wakes(&self, time: f64) -> f64 {
        match *self {
            Self::OnOff { each, .. } => ((time / each).floor() + 1.0) * each,
            Self::After { silence, .. } => silence,
            _ => time + 0.01,
        }
    }
}

/// Roots arriving by chance (a Poisson process) at the rate of a shape.
#[derive(Debug, Clone)]
pub struct Arrivals {
    shape: Shape,
    time: f64,
    until: f64,
    dice: Dice,
}

/// A root.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    /// Seconds since the start.
    pub time: f64,
    /// A random trace id.
    pub trace_id: u128,
}

impl Arrivals {
    /// For `seconds`. The same seed gives the same roots.
    pub fn new(shape: Shape, seconds: f64, seed: u64) -> Self {
        Self { shape, time: 0.0, until: seconds, dice: Dice::new(seed) }
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let mut rate = self.shape.rate(self.time);
        while rate <= 0.0 {
            self.time = self.shape.wakes(self.time);
            if self.time >= self.until {
                return None;
            }
            rate = self.shape.rate(self.time);
        }
        self.time += -self.dice.even().ln() / rate;
        let trace_id = u128::from(self.dice.number()) << 64 | u128::from(self.dice.number());
        (self.time < self.until).then_some(Arrival { time: self.time, trace_id })
    }
}

/// Even random numbers (SplitMix64), the same for the same seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as `seed` says.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Above 0, at most 1.
    pub fn even(&mut self) -> f64 {
        ((self.number() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(end)) >> 64) as u64
    }
}

/// What was offered and what was kept of it, in tenths of a second.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// Roots offered.
    pub offered: Vec<u32>,
    /// Roots kept.
    pub kept: Vec<u32>,
}

impl Series {
    /// Offers every root to `keep`, in the order of time.
    pub fn of(arrivals: Arrivals, mut keep: impl FnMut(Arrival) -> bool) -> Self {
        let tenths = (arrivals.until * 10.0).ceil() as usize;
        let mut series = Self { offered: vec![0; tenths], kept: vec![0; tenths] };
        for arrival in arrivals {
            let tenth = (arrival.time * 10.0) as usize;
            series.offered[tenth] += 1;
            series.kept[tenth] += u32::from(keep(arrival));
        }
        series
    }

    /// Roots kept per second, from one time (in seconds) to another.
    pub fn rate(&self, from: f64, to: f64) -> f64 {
        let tenths = (from * 10.0).round() as usize..(to * 10.0).round() as usize;
        self.kept[tenths].iter().sum::<u32>() as f64 / (to - from)
    }

    /// The most kept in any second, wherever it begins.
    pub fn most_in_a_second(&self) -> f64 {
        self.kept.windows(10).map(|tenths| tenths.iter().sum::<u32>()).max().unwrap_or(0).into()
    }

    /// What was kept above `target` per second, from one time to another: the sum over seconds.
    pub fn excess(&self, target: f64, from: usize, to: usize) -> f64 {
        (from..to).map(|at| (self.rate(at as f64, at as f64 + 1.0) - target).max(0.0)).sum()
    }
}
