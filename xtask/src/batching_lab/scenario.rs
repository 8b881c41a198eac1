//! The loads and the receivers.

use super::calibration::Calibration;
use super::receiver::ReceiverModel;
use spanwise_testkit::load::{Arrivals, Shape};

/// A load and a receiver.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) seconds: f64,
    load: Shape,
    bursts: Option<Bursts>,
    receiver: Slowness,
}

/// Spans that end nearly at once, beside the load.
#[derive(Debug, Clone, Copy)]
struct Bursts {
    /// Seconds from one to the next.
    period: f64,
    spans: u32,
    /// Seconds that one takes.
    over: f64,
}

/// The difference between the receiver and the one that was measured.
#[derive(Debug, Clone, Copy)]
enum Slowness {
    None,
    /// Seconds from the exporter to the receiver and back.
    RoundTrip(f64),
    /// Seconds of work for each request, one at a time.
    PerRequest(f64),
    /// Bytes per second, one request at a time.
    BytesPerSecond(f64),
    /// Refuses connections for the first part of each period, in seconds.
    Refuses(f64, f64),
}

impl Scenario {
    /// The ends of all spans, in seconds, in order.
    pub(super) fn arrivals(&self) -> Vec<f64> {
        let load = Arrivals::new(self.load, self.seconds, 42);
        let mut times: Vec<f64> = load.map(|arrival| arrival.time).collect();
        if let Some(Bursts { period, spans, over }) = self.bursts {
            let starts = (1..).map(|burst| f64::from(burst) * period - period / 2.0);
            for start in starts.take_while(|start| start + over < self.seconds) {
                times.extend(
                    (0..spans).map(|span| start + over * f64::from(span) / f64::from(spans)),
                );
            }
            times.sort_by(f64::total_cmp);
        }
        times
    }

    /// The receiver: the measured one, slowed down.
    pub(super) fn receiver(&self, calibration: &Calibration) -> ReceiverModel {
        let mut model = ReceiverModel {
            round_trip: 0.0,
            per_request: calibration.latency.per_request / 1e6,
            per_byte: calibration.latency.per_byte / 1e6,
            workers: 2,
            refuses: None,
        };
        match self.receiver {
            Slowness::None => {}
            Slowness::RoundTrip(seconds) => model.round_trip = seconds,
            Slowness::PerRequest(seconds) => {
                model.per_request += seconds;
                model.workers = 1;
            }
            Slowness::BytesPerSecond(bytes) => {
                model.per_byte += 1.0 / bytes;
                model.workers = 1;
            }
            Slowness::Refuses(part, period) => model.refuses = Some((part, period)),
        }
        model
    }
}

const STEADY: Scenario = Scenario {
    name: "steady",
    title: "A steady load",
    description: "5,000 spans a second to the receiver that was measured.",
    seconds: 30.0,
    load: Shape::Steady(5e3),
    bursts: None,
    receiver: Slowness::None,
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "trickle",
        title: "A trickle",
        description: "200 spans a second. The delay ends nearly every batch, whatever its size.",
        seconds: 60.0,
        load: Shape::Steady(200.0),
        ..STEADY
    },
    STEADY,
    Scenario {
        name: "busy",
        title: "A busy service",
        description: "40,000 spans a second.",
        load: Shape::Steady(4e4),
        ..STEADY
    },
    Scenario {
        name: "step-up",
        title: "A step up",
        description: "500 spans a second become 20,000.",
        seconds: 40.0,
        load: Shape::Step { from: 5e2, to: 2e4, at: 20.0 },
        ..STEADY
    },
    Scenario {
        name: "step-down",
        title: "A step down",
        description: "20,000 spans a second become 500.",
        seconds: 60.0,
        load: Shape::Step { from: 2e4, to: 5e2, at: 15.0 },
        ..STEADY
    },
    Scenario {
        name: "ramp",
        title: "A ramp",
        description: "From 200 to 20,000 spans a second within 40 seconds.",
        seconds: 50.0,
        load: Shape::Ramp { from: 2e2, to: 2e4, over: 40.0 },
        ..STEADY
    },
    Scenario {
        name: "burst",
        title: "Bursts",
        description: "1,000 spans a second, and 20,000 more within 0.2 s, every 10 seconds.",
        seconds: 60.0,
        load: Shape::Steady(1e3),
        bursts: Some(Bursts { period: 10.0, spans: 20_000, over: 0.2 }),
        ..STEADY
    },
    Scenario {
        name: "far",
        title: "A distant receiver",
        description: "10,000 spans a second, and 100 ms from the exporter to the receiver and back.",
        load: Shape::Steady(1e4),
        receiver: Slowness::RoundTrip(0.1),
        ..STEADY
    },
    Scenario {
        name: "slow",
        title: "A slow receiver",
        description: "The receiver takes 200 KB a second, one request at a time; 600 spans a second are \
                      three quarters of that. A large request makes all of its spans wait for the last one.",
        seconds: 60.0,
        load: Shape::Steady(6e2),
        receiver: Slowness::BytesPerSecond(2e5),
        ..STEADY
    },
    Scenario {
        name: "slow-burst",
        title: "A slow receiver and bursts",
        description: "The receiver takes 1 MB a second, one request at a time; 1,000 spans a second, and \
                      10,000 more every 20 seconds, which take it seconds.",
        seconds: 60.0,
        load: Shape::Steady(1e3),
        bursts: Some(Bursts { period: 20.0, spans: 10_000, over: 0.2 }),
        receiver: Slowness::BytesPerSecond(1e6),
    },
    Scenario {
        name: "per-request",
        title: "A receiver with a cost for each request",
        description: "The receiver takes 60 ms for each request, one at a time, whatever its size. 20,000 spans \
                      a second need 1,200 in each.",
        load: Shape::Steady(2e4),
        receiver: Slowness::PerRequest(0.06),
        ..STEADY
    },
    Scenario {
        name: "flapping",
        title: "A flapping receiver",
        description: "The receiver refuses connections for 2 of every 8 seconds, at 3,000 spans a second. Retries \
                      wait at random: many outages make one mean.",
        seconds: 240.0,
        load: Shape::Steady(3e3),
        receiver: Slowness::Refuses(2.0, 8.0),
        ..STEADY
    },
];
