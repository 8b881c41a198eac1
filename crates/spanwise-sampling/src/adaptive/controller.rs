//! The part that thinks, once a period: counts in, thresholds out.

use super::fill::level;
use super::law::{DocumentLaw, Estimate};
use super::settings::{AdaptiveAlgorithm, Settings, Target};
use super::table::{OTHERS, Table};
use crate::limiter::Limiter;
use crate::threshold::Threshold;
use crate::tick::Tick;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What is known of the past. One thread at a time has it; the others go on deciding.
#[derive(Debug)]
pub(super) struct Controller {
    pub(super) settings: Settings,
    document: DocumentLaw,
    /// Something has been measured.
    known: bool,
    /// When the period began; `None` before the first root.
    began: Option<u64>,
    slots: Vec<Slot>,
    /// Room for rates while they are table out: threads that start spans allocate nothing.
    rates: Vec<f64>,
    /// Spans for each root, learnt from the host.
    spans_per_root: f64,
    /// Recorded spans and admitted roots when that was learnt last.
    fed: Option<(u64, u64)>,
    /// The governor in force, and the target that it was made for.
    limiter: Option<Arc<Limiter>>,
    governed_for: f64,
    /// Roots that passed, and those of them that the governor dropped, when the period began.
    base: (u64, u64),
    /// The share that the governor let through when roots passed last.
    admitted: f64,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    /// The hash of the key; the first slot has none.
    key: Option<u64>,
    estimate: Estimate,
    /// The counter when the period began.
    base: u64,
    /// Periods without a root.
    idle: f64,
}

impl Controller {
    pub(super) fn new(settings: Settings, slots: usize) -> Self {
        Self {
            document: DocumentLaw::new(settings.initial_probability),
            settings,
            known: false,
            began: None,
            slots: vec![Slot::default(); slots],
            rates: Vec::with_capacity(slots),
            spans_per_root: 1.0,
            fed: None,
            limiter: None,
            governed_for: f64::NAN,
            base: (0, 0),
            admitted: 1.0,
        }
    }

    /// Roots per second to be kept.
    pub(super) fn target(&self) -> f64 {
        match self.settings.target {
            Target::Traces(rate) => rate,
            Target::Spans(rate) => rate / self.spans_per_root,
        }
    }

    /// Roots per second that are expected to be offered.
    pub(super) fn offered(&self) -> f64 {
        self.slots.iter().map(|slot| slot.estimate.rate()).sum()
    }

    /// The share of offered roots that is kept: by the thresholds of all keys, each as often as it
    /// is expected, and by the governor.
    pub(super) fn probability(&self, table: &Table) -> f64 {
        let offered = self.offered();
        let kept = |(slot, rates): (usize, &Slot)| {
            rates.estimate.rate() * table.threshold(slot).probability()
        };
        let chance = match offered > 0.0 {
            true => self.slots.iter().enumerate().map(kept).sum::<f64>() / offered,
            false => table.threshold(OTHERS).probability(),
        };
        (chance * self.admitted(table)).clamp(0.0, 1.0)
    }

    /// The share of roots that passed their thresholds and that the governor let through.
    fn admitted(&self, table: &Table) -> f64 {
        let governed = table.sampled.governed.load(Relaxed).saturating_sub(self.base.1);
        let passed = table.sampled.passed.load(Relaxed).saturating_sub(self.base.0);
        match passed {
            0 => self.admitted,
            passed => 1.0 - (governed as f64 / passed as f64).min(1.0),
        }
    }

    /// Keys with a slot.
    pub(super) fn keys(&self) -> usize {
        self.slots.iter().filter(|slot| slot.key.is_some()).count()
    }

    /// Somebody looked at the clock, or more was kept than should be.
    pub(super) fn update(&mut self, now: u64, table: &Table) {
        let period = self.settings.period.as_secs_f64();
        let Some(began) = self.began.filter(|&began| now >= began) else {
            // The first look, or a clock that was set back: what was counted has no duration.
            self.begin(now, table);
            self.publish(table);
            return;
        };
        let seconds = (now - began) as f64 / 1e9;
        if seconds >= period {
            // Nobody looks while nothing comes. If that was for long, what was counted came before.
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
        } else if self.settings.law == AdaptiveAlgorithm::Document || seconds <= 0.0 {
            return;
        } else {
            self.surge(seconds, table);
        }
        self.begin(now, table);
        self.publish(table);
    }

    /// The host tells how many spans there were.
    pub(super) fn estimate_spans(&mut self, tick: &Tick, admitted: u64) {
        let Some(recorded) = tick.recorded else { return };
        let (spans, roots) = self.fed.unwrap_or((recorded, admitted));
        let (new_spans, new_roots) =
            (recorded.saturating_sub(spans), admitted.saturating_sub(roots));
        if self.fed.is_some() && new_roots < ENOUGH_ROOTS {
            return;
        }
        if new_roots > 0 {
            let seen = (new_spans as f64 / new_roots as f64).clamp(1.0, MAX_SPANS);
            self.spans_per_root += SPANS_WEIGHT * (seen - self.spans_per_root);
        }
        self.fed = Some((recorded, admitted));
    }

    /// Gives the key a slot if there is a free one.
    pub(super) fn admit(&mut self, hash: u64, table: &Table) {
        let free = (OTHERS + 1..self.slots.len()).find(|&slot| self.slots[slot].key.is_none());
        table.full.store(free.is_none(), Relaxed);
        if let Some(slot) = free
            && table.keys.find(hash).is_none()
        {
            self.seat(slot, hash, Estimate::default(), table);
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

    /// Roots counted in this period.
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
            slot.estimate.learn(count, seconds, periods);
            slot.idle = if count > 0.0 { 0.0 } else { slot.idle + periods };
        }
        self.known = true;
        self.document.learn(offered / seconds, self.target());
        self.replace_keys(seconds, table);
        table.sampled.uncounted.store(false, Relaxed);
    }

    /// More was kept in this period than in two: believe what is seen.
    fn surge(&mut self, seconds: f64, table: &Table) {
        self.known = true;
        let mut jumped = false;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let count = table.offered.sum(index).wrapping_sub(slot.base) as f64;
            jumped |= slot.estimate.surge(count, seconds);
        }
        if jumped {
            return;
        }
        // No key by itself, but all together.
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let seen = table.offered.sum(index).wrapping_sub(slot.base) as f64 / seconds;
            if seen > slot.estimate.rate() {
                slot.estimate.jump(seen);
            }
        }
    }

    /// Keys that are gone make room; keys that come often take the place of those that do not.
    fn replace_keys(&mut self, seconds: f64, table: &Table) {
        for slot in &mut self.slots[OTHERS + 1..] {
            if let Some(hash) = slot.key.take_if(|_| slot.idle >= FORGET_AFTER) {
                table.keys.remove(hash);
                slot.estimate = Estimate::default();
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
            let mut estimate = Estimate::default();
            estimate.jump(rate);
            self.seat(slot, hash, estimate, table);
        }
    }

    fn seat(&mut self, slot: usize, hash: u64, estimate: Estimate, table: &Table) {
        let base = table.offered.sum(slot);
        // Until it is known better: as strict as with all others.
        let others = table.thresholds[OTHERS].load(Relaxed);
        table.thresholds[slot].store(others, Relaxed);
        let seated = table.keys.insert(hash, slot);
        if !seated {
            // Keys that share this one's place in the table are many; try again as a candidate.
            table.full.store(true, Relaxed);
        }
        self.slots[slot] = Slot { key: seated.then_some(hash), estimate, base, idle: 0.0 };
    }

    /// Thresholds, and when to think again.
    pub(super) fn publish(&mut self, table: &Table) {
        let target = self.target();
        let mut expected = 0.0;
        match self.settings.law {
            AdaptiveAlgorithm::Document => {
                let threshold = Threshold::nearest(self.document.probability()).rounded(4);
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
                        () if !self.known => self.settings.initial_probability,
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
        // Twice what a period should keep, and so much that chance alone does not explain it.
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
            // A new target is no new second's worth.
            let limiter = Arc::new(match &self.limiter {
                Some(before) => Limiter::after(before, rate, burst),
                None => Limiter::new(rate, burst),
            });
            // A thread that is asking the old one at this instant puts it off to the next period.
            if let Ok(mut governor) = table.sampled.governor.try_write() {
                *governor = Some(limiter.clone());
                (self.governed_for, self.limiter) = (target, Some(limiter));
            }
        }
    }
}

/// Periods without a root before a key is forgotten: longer than its estimate is held.
const FORGET_AFTER: f64 = 12.0;
/// Roots that may have come since the last look, about: 64 for a key and thread.
const MISSED_BY_LOOKS: u64 = 640;
/// Roots to see before spans are counted against them.
const ENOUGH_ROOTS: u64 = 20;
const SPANS_WEIGHT: f64 = 0.3;
const MAX_SPANS: f64 = 10_000.0;
/// Roots that the governor lets through at once, however low the target is.
const MIN_BURST: f64 = 10.0;
/// The sustained rate that the governor admits, as a factor of the target.
const GOVERNED_BURST: f64 = 1.15;
