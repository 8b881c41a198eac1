//! A target of spans per second, whose thresholds follow the traffic of each key.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use spanwise_sampling::__private::RateEstimate;
use spanwise_sampling::Threshold;

use super::max_min_rates::{Offered, thresholds};
use super::rule::AdaptiveThroughput;

/// The thresholds of one rule, shared by the shards of a sampler.
///
/// A threshold is set before the randomness of the traces that it decides is read, so that adjusted counts stay unbiased.
pub(crate) struct Throughput {
    goal: f64,
    interval: Duration,
    max_keys: usize,
    state: Mutex<State>,
}

struct State {
    began: Option<Duration>,
    keys: HashMap<Box<str>, Key>,
    /// All keys beyond `max_keys`.
    others: Key,
    /// Spans of this period, each times its probability.
    expected: f64,
}

struct Key {
    estimate: RateEstimate,
    threshold: Threshold,
    /// Spans of this period.
    spans: f64,
    /// The spans that they represent.
    adjusted: f64,
    /// The mean of adjusted / spans.
    adjusted_count: f64,
    idle: f64,
}

/// The state of a rule with the sampler `adaptive_throughput`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ThroughputState {
    /// The name of the rule.
    pub rule: String,
    /// The target, in spans per second.
    pub goal_throughput: f64,
    /// The estimated rate of spans of the traces that match the rule, per second.
    pub offered: f64,
    /// The estimated rate of the spans that are sampled, per second.
    pub sampled: f64,
    /// The number of keys with a threshold of their own.
    pub keys: usize,
}

/// A trace that is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) spans: u64,
    /// The threshold with which its spans arrived.
    pub(crate) incoming: Threshold,
}

impl Throughput {
    pub(crate) fn new(config: &AdaptiveThroughput) -> Self {
        let state = State {
            began: None,
            keys: HashMap::new(),
            others: Key::new(Threshold::KEEP_ALL),
            expected: 0.0,
        };
        Self {
            goal: config.goal_throughput as f64,
            interval: config.adjustment_interval,
            max_keys: config.max_keys,
            state: Mutex::new(state),
        }
    }

    /// The threshold for a trace of the key `key` at `now`, which is counted.
    pub(crate) fn threshold(&self, key: &str, arrival: Arrival, now: Duration) -> Threshold {
        let mut state = self.lock();
        let began = *state.began.get_or_insert(now);
        let elapsed = now.saturating_sub(began);
        if elapsed >= self.interval {
            state.end_period(elapsed.as_secs_f64(), self.interval.as_secs_f64(), self.goal);
            state.began = Some(now);
        } else if state.expected > self.surge() {
            state.surge(elapsed.max(MIN_ELAPSED).as_secs_f64(), self.goal);
            state.began = Some(now);
        }
        let spans = arrival.spans as f64;
        let key = state.key(key, self.max_keys);
        key.spans += spans;
        key.adjusted += spans * arrival.incoming.adjusted_count();
        let threshold = key.threshold;
        // Of the spans that arrived with a stricter threshold, all are sampled.
        let share = (threshold.probability() * arrival.incoming.adjusted_count()).min(1.0);
        state.expected += spans * share;
        threshold
    }

    /// The number of sampled spans of a period at which the rates must have risen.
    fn surge(&self) -> f64 {
        let twice = 2.0 * self.goal * self.interval.as_secs_f64();
        twice + 3.0 * twice.sqrt() + 4.0
    }

    pub(crate) fn state(&self, rule: &str) -> ThroughputState {
        let state = self.lock();
        let all = || state.keys.values().chain([&state.others]);
        let sampled = |key: &Key| {
            let share = key.threshold.probability() * key.adjusted_count;
            key.estimate.rate() * share.min(1.0)
        };
        ThroughputState {
            rule: rule.to_owned(),
            goal_throughput: self.goal,
            offered: all().map(|key| key.estimate.rate()).sum(),
            sampled: all().map(sampled).sum(),
            keys: state.keys.len(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Panics in no holder: the guard is held for arithmetic only.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn key(&mut self, text: &str, max_keys: usize) -> &mut Key {
        if !self.keys.contains_key(text) {
            if self.keys.len() >= max_keys {
                return &mut self.others;
            }
            self.keys.insert(text.into(), Key::new(Threshold::KEEP_ALL));
        }
        // `others` is never returned here: the key is known.
        self.keys.get_mut(text).unwrap_or(&mut self.others)
    }

    fn end_period(&mut self, seconds: f64, interval: f64, goal: f64) {
        let periods = seconds / interval;
        for key in self.keys.values_mut().chain([&mut self.others]) {
            key.estimate.update(key.spans, seconds, periods);
            key.idle = if key.spans > 0.0 { 0.0 } else { key.idle + periods };
        }
        self.keys.retain(|_, key| key.idle < FORGET_AFTER);
        self.publish(goal);
    }

    /// Raises the estimates within a period that sampled twice the target already.
    fn surge(&mut self, seconds: f64, goal: f64) {
        for key in self.keys.values_mut().chain([&mut self.others]) {
            let rate = key.spans / seconds;
            if rate > key.estimate.rate() {
                key.estimate.jump(rate);
            }
        }
        self.publish(goal);
    }

    /// Sets the thresholds, and starts the next period.
    fn publish(&mut self, goal: f64) {
        for key in self.keys.values_mut().chain([&mut self.others]) {
            if key.spans > 0.0 {
                key.adjusted_count +=
                    COUNT_WEIGHT * (key.adjusted / key.spans - key.adjusted_count);
            }
            (key.spans, key.adjusted) = (0.0, 0.0);
        }
        let all = || self.keys.values().chain([&self.others]);
        let offered: Vec<Offered> = all()
            .map(|key| Offered { rate: key.estimate.rate(), adjusted_count: key.adjusted_count })
            .collect();
        let thresholds = thresholds(&offered, goal);
        let all = self.keys.values_mut().chain([&mut self.others]);
        all.zip(thresholds).for_each(|(key, threshold)| key.threshold = threshold);
        self.expected = 0.0;
    }
}

impl Key {
    fn new(threshold: Threshold) -> Self {
        Self {
            estimate: RateEstimate::default(),
            threshold,
            spans: 0.0,
            adjusted: 0.0,
            adjusted_count: 1.0,
            idle: 0.0,
        }
    }
}

/// Decisions come in ticks of this length.
const MIN_ELAPSED: Duration = Duration::from_millis(50);
/// The periods without a trace after which a key is forgotten.
const FORGET_AFTER: f64 = 12.0;
/// The weight of the last period in the mean of adjusted counts.
const COUNT_WEIGHT: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    /// Spans per second that the thresholds sample of `rates`, in each second, when every trace has 10 spans.
    fn sampled(
        throughput: &Throughput,
        rates: &[(&str, f64)],
        from: u64,
        seconds: u64,
    ) -> Vec<Vec<f64>> {
        let arrival = Arrival { spans: 10, incoming: Threshold::KEEP_ALL };
        let second = |second: u64| {
            let mut sums = vec![0.0; rates.len()];
            let mut due = vec![0.0; rates.len()];
            for tick in 0..20 {
                let now = Duration::from_millis(second * 1_000 + tick * 50);
                for (index, (key, rate)) in rates.iter().enumerate() {
                    due[index] += rate / 20.0 / 10.0;
                    while due[index] >= 1.0 {
                        due[index] -= 1.0;
                        let threshold = throughput.threshold(key, arrival, now);
                        sums[index] += 10.0 * threshold.probability();
                    }
                }
            }
            sums
        };
        (from..from + seconds).map(second).collect()
    }

    #[test]
    fn a_hot_key_leaves_cold_ones_whole() {
        let throughput = Throughput::new(&AdaptiveThroughput::new(1_000));
        let rates = [("hot", 50_000.0), ("cold", 50.0), ("cool", 300.0)];
        let seconds = sampled(&throughput, &rates, 0, 10);
        // The first second begins without a measurement.
        assert!(seconds[0].iter().sum::<f64>() < 6_000.0, "{:?}", seconds[0]);
        for second in &seconds[2..] {
            assert_eq!(second[1..], [50.0, 300.0]);
            assert!((second[0] / 650.0 - 1.0).abs() < 0.02, "{second:?}");
        }
        let state = throughput.state("rule");
        assert_eq!(state.keys, 3);
        assert!((state.offered / 50_350.0 - 1.0).abs() < 0.02, "{state:?}");
        assert!((state.sampled / 1_000.0 - 1.0).abs() < 0.02, "{state:?}");
    }

    #[test]
    fn steps_of_the_load_are_followed() {
        let throughput = Throughput::new(&AdaptiveThroughput::new(1_000));
        sampled(&throughput, &[("a", 2_000.0)], 0, 5);
        let up = sampled(&throughput, &[("a", 100_000.0)], 5, 4);
        // Sampling twice the target triggers an update within the second.
        assert!(up[0][0] < 8_000.0, "{up:?}");
        for second in &up[2..] {
            assert!((second[0] / 1_000.0 - 1.0).abs() < 0.05, "{up:?}");
        }
        let down = sampled(&throughput, &[("a", 3_000.0)], 9, 6);
        for second in &down[3..] {
            assert!((second[0] / 1_000.0 - 1.0).abs() < 0.1, "{down:?}");
        }
    }

    #[test]
    fn keys_are_bounded_and_forgotten() {
        let config = AdaptiveThroughput::new(100).with_max_keys(10);
        let throughput = Throughput::new(&config);
        let arrival = Arrival { spans: 1, incoming: Threshold::KEEP_ALL };
        for second in 0..5u64 {
            for index in 0..10_000u64 {
                let now = Duration::from_micros(second * 1_000_000 + index * 100);
                throughput.threshold(&format!("{second} {index}"), arrival, now);
            }
        }
        let state = throughput.state("rule");
        assert_eq!(state.keys, 10);
        assert!((state.sampled / 100.0 - 1.0).abs() < 0.1, "{state:?}");
        // Long after, the keys are free for others.
        throughput.threshold("later", arrival, Duration::from_secs(100));
        throughput.threshold("later", arrival, Duration::from_secs(102));
        assert_eq!(throughput.state("rule").keys, 1);
    }

    #[test]
    fn spans_that_were_sampled_before_get_a_stricter_threshold() {
        let throughput = Throughput::new(&AdaptiveThroughput::new(1_000));
        let incoming = Threshold::parse("8").unwrap();
        let arrival = Arrival { spans: 10, incoming };
        let mut last = Threshold::KEEP_ALL;
        for tick in 0..200 {
            for _ in 0..10 {
                last = throughput.threshold("a", arrival, Duration::from_millis(tick * 50));
            }
        }
        // 2,000 spans per second arrive of 4,000: a quarter of those is the target.
        assert!((last.probability() / 0.25 - 1.0).abs() < 0.02, "{last}");
    }
}
