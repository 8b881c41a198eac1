//! The loads.

use super::contestant::{Clock, Contestant, Process, TARGET};
use spanwise_testkit::SplitMix64;
use spanwise_testkit::load::{Arrivals, Series, Shape};
use std::borrow::Cow;

/// A load, and what is looked at.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// The course of the load, and the point of interest.
    pub(super) description: &'static str,
    pub(super) seconds: f64,
    shape: Shape,
    traffic: Traffic,
    /// Something happens here; 0 for the start.
    pub(super) event: f64,
    /// The second from which the rate is expected at the target.
    pub(super) settled: f64,
    /// The settled mean over the target, at least and at most.
    pub(super) bounds: (f64, f64),
    /// The worst second over the target, at most.
    pub(super) worst: f64,
    /// Changes slowly: a trend is worth showing.
    pub(super) slow: bool,
}

/// The senders of the roots.
enum Traffic {
    OneKey,
    /// One key has nearly all, and 99 have five a second each. The cold ones are looked at.
    HotAndCold,
    /// Every second root has a name that never comes again.
    Churn,
    /// Eight processes with an eighth of the target each at first; one has most of the load.
    Processes,
    /// The clock is set, by an hour.
    ClockSet {
        forth: f64,
        back: f64,
    },
    /// The clock starts an hour late for roots after this time.
    Silence {
        until: f64,
    },
}

impl Scenario {
    /// The roots that `contestant` samples.
    pub(super) fn run(&self, contestant: Contestant) -> Series {
        let first_rate = self.shape.rate(0.0);
        let clock = Clock::default();
        let arrivals = Arrivals::new(self.shape, self.seconds, 42);
        let mut random = SplitMix64::new(7);
        let processes = if matches!(self.traffic, Traffic::Processes) { 8 } else { 1 };
        let start = || contestant.start(TARGET / f64::from(processes), first_rate);
        let mut processes: Vec<Process> = (0..processes).map(|_| start()).collect();
        let mut next_share = 1.0;
        let mut count = 0u64;
        let mut cold_sampled = Vec::new();
        let series = Series::record(arrivals, |arrival| {
            count += 1;
            let mut time = arrival.time;
            let mut process = 0;
            let mut key = Cow::Borrowed("GET /");
            match self.traffic {
                Traffic::OneKey => {}
                Traffic::HotAndCold => {
                    let cold = random.next_f64() < COLD / self.shape.rate(time);
                    key = if cold {
                        Cow::Borrowed(COLD_KEYS[random.below(99) as usize].as_str())
                    } else {
                        key
                    };
                }
                Traffic::Churn if count.is_multiple_of(2) => {
                    key = Cow::Owned(format!("GET /users/{count}"));
                }
                Traffic::Churn => {}
                Traffic::Processes => {
                    if time > next_share {
                        next_share += 1.0;
                        Process::share(&processes);
                    }
                    // Eight times as much as any of the others.
                    process = random.below(15).saturating_sub(7) as usize;
                }
                Traffic::ClockSet { forth, back } => {
                    time += if time > forth { 3600.0 } else { 0.0 };
                    time -= if time - 3600.0 > back { 3600.0 } else { 0.0 };
                }
                Traffic::Silence { until } => {
                    time += if time > until { 3600.0 } else { 0.0 };
                }
            }
            clock.set(time);
            let sampled = processes[process].keeps(&clock, &key, arrival.trace_id);
            if matches!(self.traffic, Traffic::HotAndCold) {
                let cold = key.len() > "GET /".len();
                cold_sampled.push((arrival.time, cold, sampled));
            }
            sampled
        });
        if cold_sampled.is_empty() { series } else { cold_only(&series, cold_sampled) }
    }
}

/// The cold keys alone, scaled so that all of them are the target.
fn cold_only(all: &Series, roots: Vec<(f64, bool, bool)>) -> Series {
    let mut series =
        Series { arrived: vec![0; all.arrived.len()], sampled: vec![0; all.sampled.len()] };
    for (time, _, is_sampled) in roots.into_iter().filter(|&(_, cold, _)| cold) {
        let tenth = (time * 10.0) as usize;
        series.arrived[tenth] += 1;
        series.sampled[tenth] += u32::from(is_sampled);
    }
    series
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "step-up",
        title: "A hundredfold step, in the middle of a period",
        description: "1,000 roots a second become 100,000. Too much is sampled for as long as an algorithm needs to \
               see it: ours by count, within milliseconds.",
        seconds: 120.0,
        shape: Shape::Step { from: 1e3, to: 1e5, at: 20.5 },
        traffic: Traffic::OneKey,
        event: 20.5,
        settled: 23.0,
        bounds: (0.9, 1.1),
        worst: 2.2,
        slow: false,
    },
    Scenario {
        name: "step-down",
        title: "A step down",
        description: "100,000 roots a second become 2,000. An algorithm that is slow to notice samples next to \
               nothing meanwhile.",
        seconds: 120.0,
        shape: Shape::Step { from: 1e5, to: 2e3, at: 20.0 },
        traffic: Traffic::OneKey,
        event: 20.0,
        settled: 23.0,
        bounds: (0.9, 1.1),
        worst: 2.2,
        slow: false,
    },
    Scenario {
        name: "ramp",
        title: "A ramp",
        description: "From 1,000 to 100,000 roots a second within a minute. An algorithm that goes by the last \
               period is always late; a trend is not.",
        seconds: 90.0,
        shape: Shape::Ramp { from: 1e3, to: 1e5, over: 60.0 },
        traffic: Traffic::OneKey,
        event: 0.0,
        settled: 10.0,
        bounds: (0.95, 1.2),
        worst: 2.2,
        slow: true,
    },
    Scenario {
        name: "sine",
        title: "A swing",
        description: "20,000 roots a second, 15,000 up and down, each minute.",
        seconds: 120.0,
        shape: Shape::Sine { mean: 2e4, swing: 1.5e4, period: 60.0 },
        traffic: Traffic::OneKey,
        event: 0.0,
        settled: 5.0,
        bounds: (0.85, 1.1),
        worst: 2.2,
        slow: true,
    },
    Scenario {
        name: "on-off",
        title: "On and off",
        description: "Five seconds of 50,000 roots a second, five seconds of none. Silence must not open \
               the gate. (The settled mean counts the silence: a half is all there is.)",
        seconds: 60.0,
        shape: Shape::OnOff { rate: 5e4, each: 5.0 },
        traffic: Traffic::OneKey,
        event: 0.0,
        settled: 10.0,
        bounds: (0.45, 0.55),
        worst: 2.2,
        slow: false,
    },
    Scenario {
        name: "hot-key",
        title: "One hot key, and 99 cold ones",
        description: "The hot key has 100,000 roots a second; the cold ones have five each, and only they \
               are shown. Fair is to keep all of them: 495 a second, half of the target.",
        seconds: 60.0,
        shape: Shape::Steady(1e5 + COLD),
        traffic: Traffic::HotAndCold,
        event: 0.0,
        settled: 5.0,
        bounds: (0.46, 0.52),
        worst: 0.7,
        slow: false,
    },
    Scenario {
        name: "key-churn",
        title: "Names without end",
        description: "20,000 roots a second, every second one with a name that never comes again. Keys \
               are bounded, and all new ones together are one.",
        seconds: 60.0,
        shape: Shape::Steady(2e4),
        traffic: Traffic::Churn,
        event: 0.0,
        settled: 5.0,
        bounds: (0.9, 1.1),
        worst: 2.2,
        slow: false,
    },
    Scenario {
        name: "processes",
        title: "Eight processes, one target",
        description: "One has eight times the load of each of the others. Ours report their rates \
               and get shares of the target each second; the others have an eighth each.",
        seconds: 120.0,
        shape: Shape::Step { from: 5e2, to: 3e4, at: 30.0 },
        traffic: Traffic::Processes,
        event: 30.0,
        settled: 35.0,
        bounds: (0.9, 1.1),
        worst: 2.5,
        slow: false,
    },
    Scenario {
        name: "clock",
        title: "The clock is set",
        description: "20,000 roots a second. The clock jumps an hour ahead after 20 seconds, and back \
               after 40.",
        seconds: 60.0,
        shape: Shape::Steady(2e4),
        traffic: Traffic::ClockSet { forth: 20.0, back: 40.0 },
        event: 20.0,
        settled: 45.0,
        bounds: (0.9, 1.1),
        worst: 2.2,
        slow: false,
    },
    Scenario {
        name: "after-silence",
        title: "After an hour of silence",
        description: "100,000 roots a second, then none for an hour (cut out of the plot), then 100,000 \
               again. The estimate has expired; the governor holds the first second.",
        seconds: 60.0,
        shape: Shape::Steady(1e5),
        traffic: Traffic::Silence { until: 20.0 },
        event: 20.0,
        settled: 25.0,
        bounds: (0.9, 1.1),
        worst: 2.2,
        slow: false,
    },
    Scenario {
        name: "below-target",
        title: "Below the target",
        description: "800 roots a second where 1,000 may be sampled. Nothing should be dropped.",
        seconds: 30.0,
        shape: Shape::Steady(800.0),
        traffic: Traffic::OneKey,
        event: 0.0,
        settled: 2.0,
        bounds: (0.75, 0.85),
        worst: 1.0,
        slow: false,
    },
];

/// Roots per second of all cold keys.
const COLD: f64 = 495.0;

/// 99 names.
static COLD_KEYS: std::sync::LazyLock<Vec<String>> =
    std::sync::LazyLock::new(|| (1..=99).map(|key| format!("GET /cold/{key}")).collect());
