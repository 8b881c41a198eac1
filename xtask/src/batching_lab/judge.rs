//! The judge: one cost for a run, from its losses, the ages of spans and the work of requests.
//!
//! The unit is a microsecond of CPU time for each span that ended.
//! - A request costs what the calibration measured, at client and receiver together. A wake-up of the exporter's
//!   thread costs the thread that ended the span what a flush costs its caller.
//! - A second of age costs 0.25 µs: a service of 1,000 spans a second gives a quarter of a thousandth of a core
//!   to have all of them a second earlier.
//! - A lost span costs 100 µs: some hundred times the CPU time in which a span is made, sent and received,
//!   which is what is lost with it, or as much as if a span arrived 400 seconds late.
//!
//! The CPU time of a span and of its bytes is left out. It is the same for every size, so that it would
//! make all contestants look alike, and a lost span would save it.

use super::receiver::InFlight;
use spanwise::transport::Delivery;

/// The weights of the cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights {
    /// Microseconds for each request.
    pub(super) request: f64,
    /// Microseconds for each wake-up.
    pub(super) wake: f64,
    /// Microseconds for each second of a span's age.
    pub(super) age: f64,
    /// Microseconds for each lost span.
    pub(super) lost: f64,
}

impl Weights {
    /// The weights, with `request` microseconds for each request and `wake` for each wake-up.
    pub(super) fn new(request: f64, wake: f64) -> Self {
        Self { request, wake, age: 0.25, lost: 100.0 }
    }

    /// The cost of a run, in microseconds for each span that ended.
    pub(super) fn cost(&self, record: &Record) -> f64 {
        self.requests(record) + self.wakes(record) + self.ages(record) + self.losses(record)
    }

    pub(super) fn requests(&self, record: &Record) -> f64 {
        self.request * record.attempts as f64 / record.created as f64
    }

    pub(super) fn wakes(&self, record: &Record) -> f64 {
        self.wake * record.wakes as f64 / record.created as f64
    }

    pub(super) fn ages(&self, record: &Record) -> f64 {
        self.age * record.mean_age * (record.created - record.lost) as f64 / record.created as f64
    }

    pub(super) fn losses(&self, record: &Record) -> f64 {
        self.lost * record.lost as f64 / record.created as f64
    }
}

/// The results of a run.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Spans that ended.
    pub(super) created: u64,
    /// Spans that the receiver never got.
    pub(super) lost: u64,
    /// Attempts to send a request.
    pub(super) attempts: u64,
    /// Wake-ups of the exporter's thread by a span's end.
    pub(super) wakes: u64,
    /// The age of a span when it arrived, in seconds: the mean, and that of the oldest percent.
    pub(super) mean_age: f64,
    pub(super) p99_age: f64,
    /// Spans of a request.
    pub(super) mean_spans: f64,
    /// The mean age of the spans that ended in each second; not a number without any.
    pub(super) ages: Vec<f64>,
    /// Spans of a request, the mean of those sent in each second; not a number without any.
    pub(super) sizes: Vec<f64>,
}

/// Collects a record.
#[derive(Debug)]
pub(super) struct Tally {
    /// Ages by the second of the span's end: their sum and number.
    ages: Vec<(f64, u64)>,
    /// Spans and requests by the second of the sending.
    sizes: Vec<(u64, u64)>,
    every_age: Vec<f32>,
    wakes: u64,
}

impl Tally {
    pub(super) fn new(seconds: f64) -> Self {
        let seconds = seconds.ceil() as usize;
        Self {
            ages: vec![(0.0, 0); seconds],
            sizes: vec![(0, 0); seconds],
            every_age: Vec::new(),
            wakes: 0,
        }
    }

    /// The end of a span woke the exporter's thread.
    pub(super) fn woken(&mut self) {
        self.wakes += 1;
    }

    /// A request of `spans` spans was sent at `now`.
    pub(super) fn sent(&mut self, now: f64, spans: usize) {
        if let Some((sum, requests)) = self.sizes.get_mut(now as usize) {
            *sum += spans as u64;
            *requests += 1;
        }
    }

    /// A request ended; the result is that for the exporter.
    pub(super) fn ended<I>(&mut self, request: &InFlight<I>) -> Delivery {
        let delivery = request.delivery.clone();
        let Some(arrives) = request.arrives else { return delivery };
        for &end in &request.spans {
            let age = arrives - end;
            self.every_age.push(age as f32);
            if let Some((sum, spans)) = self.ages.get_mut(end as usize) {
                *sum += age;
                *spans += 1;
            }
        }
        delivery
    }

    /// The record of a run with `created` spans.
    pub(super) fn record(mut self, created: usize, attempts: u64) -> Record {
        let arrived = self.every_age.len();
        let sum: f64 = self.every_age.iter().map(|&age| f64::from(age)).sum();
        let at = (arrived * 99 / 100).min(arrived.saturating_sub(1));
        let p99 = match arrived {
            0 => 0.0,
            _ => f64::from(*self.every_age.select_nth_unstable_by(at, f32::total_cmp).1),
        };
        let (spans, requests) =
            self.sizes.iter().fold((0, 0), |sum, second| (sum.0 + second.0, sum.1 + second.1));
        Record {
            created: created as u64,
            lost: (created - arrived.min(created)) as u64,
            attempts,
            wakes: self.wakes,
            mean_age: sum / arrived.max(1) as f64,
            p99_age: p99,
            mean_spans: spans as f64 / requests.max(1) as f64,
            ages: self.ages.iter().map(|&(sum, spans)| sum / spans as f64).collect(),
            sizes: self
                .sizes
                .iter()
                .map(|&(spans, requests)| spans as f64 / requests as f64)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanwise::transport::{Failure, Outcome};

    /// By hand: four spans, one of which is lost, in two requests, one of them after a wake-up.
    #[test]
    fn the_cost_is_the_sum_of_requests_wake_ups_ages_and_losses() {
        let mut tally = Tally::new(10.0);
        let request = |spans: Vec<f64>, arrives: Option<f64>| {
            let outcome = match arrives {
                Some(_) => Outcome::Accepted { rejected: 0, message: None },
                None => Outcome::Failed(Failure::RetryDeadline { last: None }),
            };
            InFlight { id: (), spans, arrives, ends: 9.0, delivery: Delivery::from(outcome) }
        };
        tally.woken();
        tally.sent(1.0, 3);
        tally.sent(1.5, 1);
        assert!(tally.ended(&request(vec![0.0, 1.0, 2.0], Some(3.0))).is_accepted());
        assert!(!tally.ended(&request(vec![2.5], None)).is_accepted());
        let record = tally.record(4, 2);
        assert_eq!((record.created, record.lost, record.attempts), (4, 1, 2));
        assert_eq!((record.mean_age, record.p99_age, record.mean_spans), (2.0, 3.0, 2.0));
        let weights = Weights::new(80.0, 8.0);
        assert_eq!(weights.requests(&record), 40.0);
        assert_eq!(weights.wakes(&record), 2.0);
        assert_eq!(weights.ages(&record), 0.375);
        assert_eq!(weights.losses(&record), 25.0);
        assert_eq!(weights.cost(&record), 67.375);
    }
}
