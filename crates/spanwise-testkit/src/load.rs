//! Load in virtual time: arrivals of root spans.

use crate::SplitMix64;

/// The rate of root spans as a function of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// A constant rate.
    Steady(f64),
    /// One rate up to a time (in seconds), another one after it.
    Step {
        /// Roots per second before.
        from: f64,
        /// Roots per second after.
        to: f64,
        /// Time of the change, in seconds.
        at: f64,
    },
    /// A rate that changes linearly, then stays.
    Ramp {
        /// Roots per second at the start.
        from: f64,
        /// Roots per second at the end.
        to: f64,
        /// Duration of the change in seconds.
        over: f64,
    },
    /// A rate that follows a sine.
    Sine {
        /// Mean number of roots per second.
        mean: f64,
        /// Amplitude in roots per second.
        swing: f64,
        /// Period in seconds.
        period: f64,
    },
    /// A rate that is alternately on and off for the same time.
    OnOff {
        /// Roots per second while on.
        rate: f64,
        /// Seconds on, and as many seconds off.
        each: f64,
    },
    /// No root until a time, then a constant rate.
    After {
        /// Seconds without a root.
        silence: f64,
        /// Roots per second afterwards.
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

    /// A time after `time` at which the rate may be above 0, if it is 0 at `time`.
    fn next_active(&self, time: f64) -> f64 {
        match *self {
            Self::OnOff { each, .. } => ((time / each).floor() + 1.0) * each,
            Self::After { silence, .. } => silence,
            _ => time + 0.01,
        }
    }
}

/// A Poisson process of root spans at the rate of a shape.
#[derive(Debug, Clone)]
pub struct Arrivals {
    shape: Shape,
    time: f64,
    until: f64,
    random: SplitMix64,
}

/// The arrival of one root span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    /// Seconds since the start.
    pub time: f64,
    /// A random trace id.
    pub trace_id: u128,
}

impl Arrivals {
    /// Arrivals during `seconds` seconds. The same seed yields the same roots.
    pub fn new(shape: Shape, seconds: f64, seed: u64) -> Self {
        Self { shape, time: 0.0, until: seconds, random: SplitMix64::new(seed) }
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let mut rate = self.shape.rate(self.time);
        while rate <= 0.0 {
            self.time = self.shape.next_active(self.time);
            if self.time >= self.until {
                return None;
            }
            rate = self.shape.rate(self.time);
        }
        self.time += -self.random.next_f64().ln() / rate;
        let trace_id =
            u128::from(self.random.next_u64()) << 64 | u128::from(self.random.next_u64());
        (self.time < self.until).then_some(Arrival { time: self.time, trace_id })
    }
}

/// Numbers of roots that arrived and that were sampled, per tenth of a second.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// Roots that arrived.
    pub arrived: Vec<u32>,
    /// Roots that were sampled.
    pub sampled: Vec<u32>,
}

impl Series {
    /// Calls `sample` for every root, in the order of time.
    pub fn record(arrivals: Arrivals, mut sample: impl FnMut(Arrival) -> bool) -> Self {
        let tenths = (arrivals.until * 10.0).ceil() as usize;
        let mut series = Self { arrived: vec![0; tenths], sampled: vec![0; tenths] };
        for arrival in arrivals {
            let tenth = (arrival.time * 10.0) as usize;
            series.arrived[tenth] += 1;
            series.sampled[tenth] += u32::from(sample(arrival));
        }
        series
    }

    /// Sampled roots per second between two times (in seconds).
    pub fn rate(&self, from: f64, to: f64) -> f64 {
        let tenths = (from * 10.0).round() as usize..(to * 10.0).round() as usize;
        self.sampled[tenths].iter().sum::<u32>() as f64 / (to - from)
    }

    /// The highest number of sampled roots in any window of one second.
    pub fn max_per_second(&self) -> f64 {
        self.sampled.windows(10).map(|tenths| tenths.iter().sum::<u32>()).max().unwrap_or(0).into()
    }

    /// Sum, over the seconds between two times, of the sampled roots above `target` per second.
    pub fn excess(&self, target: f64, from: usize, to: usize) -> f64 {
        (from..to).map(|at| (self.rate(at as f64, at as f64 + 1.0) - target).max(0.0)).sum()
    }
}
