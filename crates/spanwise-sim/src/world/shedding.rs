//! The starts of spans while whole traces may be shed: the part of a tracer, and the rules of the threshold.

use super::World;
use crate::account::Stage;
use crate::violation::{Checked, require};
use spanwise_export::{OnFull, ShedThreshold};
use spanwise_ledger::DropReason;
use spanwise_sampling::{Randomness, Threshold};

impl World {
    /// Whether the queue sheds whole traces while it is full: neither closed nor in a child.
    pub(super) fn sheds(&self) -> bool {
        let is_open = self.thread.machine.is_some() && !self.calls.is_closed() && !self.is_child;
        self.scenario.on_full == OnFull::ShedByTrace && is_open
    }

    /// Starts a span below an open one, or a local root that the sampler samples and the queue accepts.
    /// `None`: the span is not recorded.
    pub(super) fn start_in_trace(&mut self, len: usize, scope: usize) -> Checked<Option<u64>> {
        // All open spans are sampled spans of this process: the queue is not asked about those below.
        let is_root = self.open.is_empty() || self.random.one_in(3);
        if is_root && !self.admit_root(len, scope)? {
            // Spans below follow.
            for _ in 0..self.random.below(3) {
                self.sample_out();
            }
            return Ok(None);
        }
        self.queue.ledger().started();
        Ok(Some(self.new_span(len, scope)))
    }

    /// Whether a local root is recorded; books it if it is not.
    fn admit_root(&mut self, len: usize, scope: usize) -> Checked<bool> {
        let randomness = Randomness::of_number(self.random.draw());
        let sampler = self.scenario.sampler;
        if !sampler.keeps(randomness) {
            self.sample_out();
            return Ok(false);
        }
        let is_accepting = self.queue.is_accepting();
        let shed = self.queue.shed_threshold();
        let is_none = shed == ShedThreshold::NONE;
        require(
            is_accepting == is_none,
            "an open queue sheds by a threshold or not at all",
            || format!("accepting: {is_accepting}, {shed:?}"),
        )?;
        if let Some(threshold) = Threshold::new(shed.value()).filter(|it| it.keeps(randomness)) {
            let written = threshold.max(sampler);
            self.check_written(written, shed, randomness)?;
            return Ok(true);
        }
        let is_below = randomness.value() < shed.value();
        require(is_below, "a shed root is below the threshold", || {
            format!("{randomness} and {shed:?}")
        })?;
        let before = self.queue.ledger().snapshot();
        self.queue.count_refused();
        let id = self.new_span(len, scope);
        let reason = self.dropped_for(id, &before)?;
        require(reason == DropReason::Shed, "a root below the threshold counts as shed", || {
            format!("span {id}: {reason}")
        })?;
        self.line(format_args!("span {id} is shed: {randomness} is below {shed:?}"));
        self.spans.first().drop_for(reason, 1);
        self.spans.first().move_to(&[id], Stage::Settled);
        Ok(false)
    }

    fn sample_out(&mut self) {
        self.queue.ledger().sampled_out();
        self.spans.first().sample_out();
    }

    /// A backend reads the threshold of a recorded root as text, and corrects its counts by it.
    fn check_written(
        &self,
        written: Threshold,
        shed: ShedThreshold,
        randomness: Randomness,
    ) -> Checked {
        let read = Threshold::parse(&written.text());
        let is_right = read.is_some_and(|read| {
            let least = shed.value().max(self.scenario.sampler.value());
            read.value() >= least && read.keeps(randomness)
        });
        require(is_right, "a recorded root has the higher threshold", || {
            format!("{written} of {shed:?} and {}, {randomness}", self.scenario.sampler)
        })
    }

    /// Checks the threshold after the queue has observed its fill: it may be that of a fill which has fallen by
    /// 40 % of the space since, as documented, and no other.
    pub(super) fn check_threshold(&self) -> Checked {
        if !self.sheds() {
            return Ok(());
        }
        let fill = self.queue.buffer().fill();
        let threshold = self.queue.shed_threshold();
        let accepted = 1.0 - threshold.value() as f64 / ShedThreshold::ALL.value() as f64;
        let (least, most) = (accepted_at(fill + 0.4), accepted_at(fill));
        let is_right = least - STEP <= accepted && accepted <= most + STEP;
        require(is_right, "the threshold follows the fill", || {
            format!("{accepted} of the traces are accepted at {fill}, not {least} to {most}")
        })
    }

    /// A span found no space at its end: no trace may start that would lack spans, too.
    pub(super) fn check_exhausted(&self, reason: DropReason) -> Checked {
        let lacks_space = matches!(reason, DropReason::QueueBytes | DropReason::QueueFull);
        let threshold = self.queue.shed_threshold();
        let is_right = !lacks_space || !self.sheds() || threshold == ShedThreshold::ALL;
        require(is_right, "no trace starts while spans find no space", || format!("{threshold:?}"))
    }

    /// Nothing waits, and the exporter has had its turns.
    pub(super) fn check_sheds_none(&self) -> Checked {
        let threshold = self.queue.shed_threshold();
        let is_right = !self.sheds() || threshold == ShedThreshold::NONE;
        require(is_right, "an idle queue accepts each trace", || format!("{threshold:?}"))
    }
}

/// The documented probability with which a trace is accepted at this fill.
fn accepted_at(fill: f64) -> f64 {
    ((0.92 - fill) / (0.92 - 0.5)).clamp(0.0, 1.0).powi(4)
}

/// Thresholds have four hexadecimal digits.
const STEP: f64 = 1.0 / 65_536.0;
