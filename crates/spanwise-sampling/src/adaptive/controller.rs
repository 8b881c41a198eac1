//! The controller: once a period it computes the thresholds from the counts.

use super::algorithm::{MultiplicativeProbability, RateEstimate};
use super::label::Label;
use super::max_min::level;
use super::settings::{AdaptiveAlgorithm, Settings, Target};
use super::table::{OTHERS, Table};
use crate::limiter::Limiter;
use crate::sampling_rate::SamplingRate;
use crate::threshold::Threshold;
use crate::tick::Tick;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The measurements and settings behind the thresholds. One thread at a time updates them; the others
/// continue to decide.
#[derive(Debug)]
pub(super) struct Controller {
    pub(super) settings: Settings,
    multiplicative: MultiplicativeProbability,
    /// A period has been measured.
    measured: bool,
    /// The start of the period; `None` before the first root.
    began: Option<u64>,
    slots: Vec<Slot>,
    /// Reused memory for the rates: threads that start spans do not allocate.
    rates: Vec<f64>,
    /// The mean number of spans per root, by the span counts of ticks.
    spans_per_root: f64,
    /// The recorded spans and admitted roots at its last update.
    counted_at: Option<(u64, u64)>,
    /// The governor, and the target that it was built for.
    limiter: Option<Arc<Limiter>>,
    governed_for: f64,
    /// The roots that passed, and the roots that the governor dropped, at the start of the period.
    base: (u64, u64),
    /// The share that the governor admitted in the last period in which roots passed.
    admitted: f64,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    /// The hash of the key; the first slot has none.
    key: Option<u64>,
    /// The text of the key; `None` if the key came without it, or may be a secret.
    label: Option<Label>,
    estimate: RateEstimate,
    /// The counter at the start of the period.
    base: u64,
    /// The number of periods without a root.
    idle: f64,
}

impl Controller {
    pub(super) fn new(settings: Settings, slots: usize) -> Self {
        Self {
            multiplicative: MultiplicativeProbability::new(settings.initial_probability),
            settings,
            measured: false,
            began: None,
            slots: vec![Slot::default(); slots],
            rates: Vec::with_capacity(slots),
            spans_per_root: 1.0,
            counted_at: None,
            limiter: None,
            governed_for: f64::NAN,
            base: (0, 0),
            admitted: 1.0,
        }
    }

    /// The target, in roots per second.
    pub(super) fn target(&self) -> f64 {
        match self.settings.target {
            Target::Traces(rate) => rate,
            Target::Spans(rate) => rate / self.spans_per_root,
        }
    }

    /// The estimated rate of offered roots, per second.
    pub(super) fn offered(&self) -> f64 {
        self.slots.iter().map(|slot| slot.estimate.rate()).sum()
    }

    /// The sampling probability of offered roots: the mean of the thresholds of all keys, weighted by
    /// their estimated rates, times the share that the governor admits.
    pub(super) fn probability(&self, table: &Table) -> f64 {
        let offered = self.offered();
        let sampled = |(slot, rates): (usize, &Slot)| {
            rates.estimate.rate() * table.threshold(slot).probability()
        };
        let probability = match offered > 0.0 {
            true => self.slots.iter().enumerate().map(sampled).sum::<f64>() / offered,
            false => table.threshold(OTHERS).probability(),
        };
        (probability * self.admitted(table)).clamp(0.0, 1.0)
    }

    /// The share of roots that passed their thresholds and that the governor admitted.
    fn admitted(&self, table: &Table) -> f64 {
        let governed = table.sampled.governed.load(Relaxed).saturating_sub(self.base.1);
        let passed = table.sampled.passed.load(Relaxed).saturating_sub(self.base.0);
        match passed {
            0 => self.admitted,
            passed => 1.0 - (governed as f64 / passed as f64).min(1.0),
        }
    }

    /// The number of keys with a slot.
    pub(super) fn keys(&self) -> usize {
        self.slots.iter().filter(|slot| slot.key.is_some()).count()
    }

    /// The keys with their probabilities, the busiest first; those without a slot as one.
    pub(super) fn rates(&self, table: &Table) -> Vec<SamplingRate> {
        let admitted = self.admitted(table);
        let rate = |(index, slot): (usize, &Slot)| {
            let key = match (slot.key, &slot.label) {
                (None, _) => "all others".to_owned(),
                (Some(_), Some(label)) => label.as_str().to_owned(),
                (Some(hash), None) => format!("#{:08x}", hash >> 32),
            };
            let probability = table.threshold(index).probability() * admitted;
            SamplingRate::new(key, probability.clamp(0.0, 1.0), slot.estimate.rate())
        };
        let is_used = |(_, slot): &(usize, &Slot)| slot.key.is_some() || slot.estimate.rate() > 0.0;
        let mut rates: Vec<_> = self.slots.iter().enumerate().filter(is_used).map(rate).collect();
        rates.sort_by(|one, other| other.per_second.total_cmp(&one.per_second));
        rates
    }

    /// Updates the estimates and thresholds at `now`: a thread read the clock, or the sampler sampled
    /// more than it should.
    pub(super) fn update(&mut self, now: u64, table: &Table) {
        let period = self.settings.period.as_secs_f64();
        let Some(began) = self.began.filter(|&began| now >= began) else {
            // The first reading, or a clock that was set back: the counts have no duration.
            self.begin(now, table);
            self.publish(table);
            return;
        };
        let seconds = (now - began) as f64 / 1e9;
        if seconds >= period {
            // No thread reads the clock while no roots start. If that lasted a period, the roots that
            // were counted started before it.
            let silent = now.saturating_sub(table.sampled.looked.load(Relaxed).max(began));
            let silent = silent as f64 / 1e9;
            let busy = seconds - silent;
            if silent >= period && busy > 0.0 && self.counted(table) > MISSED_BY_LOOKS {
                self.end_period(busy, period, table);
                self.rebase(table);
                self.end_period(silent, period, table);
            } else {
                self.end_period(seconds, period, table);
            }
        } else if self.settings.algorithm == AdaptiveAlgorithm::Multiplicative || seconds <= 0.0 {
            return;
        } else {
            self.surge(seconds, table);
        }
        self.begin(now, table);
        self.publish(table);
    }

    /// Updates the mean number of spans per root by the count of a tick.
    pub(super) fn estimate_spans(&mut self, tick: &Tick, admitted: u64) {
        let Some(recorded) = tick.recorded else { return };
        let (spans, roots) = self.counted_at.unwrap_or((recorded, admitted));
        let (new_spans, new_roots) =
            (recorded.saturating_sub(spans), admitted.saturating_sub(roots));
        if self.counted_at.is_some() && new_roots < ENOUGH_ROOTS {
            return;
        }
        if new_roots > 0 {
            let measured = (new_spans as f64 / new_roots as f64).clamp(1.0, MAX_SPANS);
            self.spans_per_root += SPANS_WEIGHT * (measured - self.spans_per_root);
        }
        self.counted_at = Some((recorded, admitted));
    }

    /// Assigns a free slot to the key, if there is one.
    pub(super) fn admit(&mut self, hash: u64, label: Option<Label>, table: &Table) {
        let free = (OTHERS + 1..self.slots.len()).find(|&slot| self.slots[slot].key.is_none());
        table.full.store(free.is_none(), Relaxed);
        if let Some(slot) = free
            && table.keys.find(hash).is_none()
        {
            self.assign(slot, hash, RateEstimate::default(), table);
            self.slots[slot].label = label;
        }
    }

    fn begin(&mut self, now: u64, table: &Table) {
        self.began = Some(now);
        self.rebase(table);
    }

    fn rebase(&mut self, table: &Table) {
        self.admitted = self.admitted(table);
        self.base = (table.sampled.passed.load(Relaxed), table.sampled.governed.load(Relaxed));
        for (index, slot) in self.slots.iter_mut().enumerate() {
            slot.base = table.offered.sum(index);
        }
    }

    /// The number of roots counted in this period.
    fn counted(&self, table: &Table) -> u64 {
        let counts = self.slots.iter().enumerate();
        counts.map(|(index, slot)| table.offered.sum(index).wrapping_sub(slot.base)).sum()
    }

    fn end_period(&mut self, seconds: f64, period: f64, table: &Table) {
        let periods = seconds / period;
        let mut offered = 0.0;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let count = table.offered.sum(index).wrapping_sub(slot.base) as f64;
            offered += count;
            slot.estimate.update(count, seconds, periods);
            slot.idle = if count > 0.0 { 0.0 } else { slot.idle + periods };
        }
        self.measured = true;
        self.multiplicative.update(offered / seconds, self.target());
        self.replace_keys(seconds, table);
        table.sampled.uncounted.store(false, Relaxed);
    }

    /// Raises the estimates to the rates of the present period, in which the sampler already sampled
    /// the roots of two.
    fn surge(&mut self, seconds: f64, table: &Table) {
        self.measured = true;
        let mut jumped = false;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let count = table.offered.sum(index).wrapping_sub(slot.base) as f64;
            jumped |= slot.estimate.surge(count, seconds);
        }
        if jumped {
            return;
        }
        // No key rose significantly by itself, but all together did.
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let rate = table.offered.sum(index).wrapping_sub(slot.base) as f64 / seconds;
            if rate > slot.estimate.rate() {
                slot.estimate.jump(rate);
            }
        }
    }

    /// Frees the slots of idle keys; frequent keys replace rare ones.
    fn replace_keys(&mut self, seconds: f64, table: &Table) {
        for slot in &mut self.slots[OTHERS + 1..] {
            if let Some(hash) = slot.key.take_if(|_| slot.idle >= FORGET_AFTER) {
                table.keys.remove(hash);
                slot.estimate = RateEstimate::default();
                table.full.store(false, Relaxed);
            }
        }
        for (hash, count) in table.keys.take_candidates() {
            let rate = count as f64 / seconds;
            let least = (OTHERS + 1..self.slots.len()).min_by(|&a, &b| {
                let rate = |slot: usize| match &self.slots[slot] {
                    Slot { key: None, .. } => -1.0,
                    slot => slot.estimate.rate(),
                };
                rate(a).total_cmp(&rate(b))
            });
            let Some(slot) = least else { return };
            let taken = &self.slots[slot];
            if table.keys.find(hash).is_some()
                || taken.key.is_some() && rate < 2.0 * taken.estimate.rate() + 3.0
            {
                continue;
            }
            if let Some(old) = taken.key {
                table.keys.remove(old);
            }
            let mut estimate = RateEstimate::default();
            estimate.jump(rate);
            self.assign(slot, hash, estimate, table);
        }
    }

    fn assign(&mut self, slot: usize, hash: u64, estimate: RateEstimate, table: &Table) {
        let base = table.offered.sum(slot);
        // Until the first measurement the key has the threshold of all other keys.
        let others = table.thresholds[OTHERS].load(Relaxed);
        table.thresholds[slot].store(others, Relaxed);
        let inserted = table.keys.insert(hash, slot);
        if !inserted {
            // The set of the key is full: the key becomes a candidate.
            table.full.store(true, Relaxed);
        }
        self.slots[slot] =
            Slot { key: inserted.then_some(hash), label: None, estimate, base, idle: 0.0 };
    }

    /// Publishes the thresholds, and the conditions of the next update.
    pub(super) fn publish(&mut self, table: &Table) {
        let target = self.target();
        let mut expected = 0.0;
        match self.settings.algorithm {
            AdaptiveAlgorithm::Multiplicative => {
                let threshold = Threshold::nearest(self.multiplicative.probability()).rounded(4);
                for slot in &table.thresholds {
                    slot.store(threshold.value(), Relaxed);
                }
            }
            AdaptiveAlgorithm::OfferedRate => {
                let trend = self.settings.trend;
                let rate = |slot: &Slot| match trend {
                    true => slot.estimate.ahead(),
                    false => slot.estimate.rate(),
                };
                self.rates.clear();
                self.rates.extend(self.slots.iter().map(rate));
                let level = level(&mut self.rates, target);
                for (slot, published) in self.slots.iter().zip(&table.thresholds) {
                    let rate = rate(slot);
                    let wanted = match () {
                        () if !self.measured => self.settings.initial_probability,
                        () if rate > level => level / rate,
                        () => 1.0,
                    };
                    let probability = wanted.max(self.settings.min_probability);
                    expected += rate * probability;
                    let threshold = Threshold::nearest(probability).rounded(4);
                    published.store(threshold.value(), Relaxed);
                }
            }
        }
        let period = self.settings.period.as_secs_f64();
        let due = self.began.unwrap_or(0).saturating_add(self.settings.period.as_nanos() as u64);
        table.sampled.due.store(due, Relaxed);
        table.sampled.began.store(self.began.unwrap_or(0), Relaxed);
        // Twice the target of a period, plus three standard deviations of that count.
        let twice = 2.0 * period * expected.max(target / 4.0);
        let surge = twice + 3.0 * twice.sqrt() + 4.0;
        let at = table.sampled.passed.load(Relaxed).saturating_add(surge as u64);
        table.sampled.surge_at.store(at, Relaxed);
        self.govern(target, table);
    }

    fn govern(&mut self, target: f64, table: &Table) {
        let near = (target / self.governed_for - 1.0).abs() < 0.2;
        if self.settings.governor && !near {
            let (rate, burst) = (target * GOVERNED_BURST, target.max(MIN_BURST));
            // A new target does not fill the bucket.
            let limiter = Arc::new(match &self.limiter {
                Some(before) => Limiter::after(before, rate, burst),
                None => Limiter::new(rate, burst),
            });
            // While another thread uses the old governor, the change waits for the next period.
            if let Ok(mut governor) = table.sampled.governor.try_write() {
                *governor = Some(limiter.clone());
                (self.governed_for, self.limiter) = (target, Some(limiter));
            }
        }
    }
}

/// The number of periods without a root after which a key loses its slot: more than its estimate
/// holds.
const FORGET_AFTER: f64 = 12.0;
/// The approximate number of roots that may start between two readings of the clock: 64 for each key
/// and thread.
const MISSED_BY_LOOKS: u64 = 640;
/// The minimum number of roots for an update of the spans per root.
const ENOUGH_ROOTS: u64 = 20;
const SPANS_WEIGHT: f64 = 0.3;
const MAX_SPANS: f64 = 10_000.0;
/// The minimum burst of the governor, in roots.
const MIN_BURST: f64 = 10.0;
/// The sustained rate that the governor admits, as a factor of the target.
const GOVERNED_BURST: f64 = 1.15;
