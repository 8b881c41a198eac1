//! The cost of a sampled span under a ratio.
//!
//! A sampler with a ratio leaves operations out, and they cost time, too. A second subject of the same
//! implementation, whose ratio is so small that it samples no operation, makes only such operations,
//! in turns with the first one. The cost of a sampled span is the time of all operations, minus that of the
//! operations left out, over the sampled spans. The calling code counts the sampled operations.

use crate::answer::Answer;
use crate::arguments::Arguments;
use crate::count;
use crate::crew::Crew;
use crate::process::cpu_nanos;
use crate::subject::{Subject, burst_ops, measured_run};
use std::time::Duration;

/// The two subjects of a workload with a ratio.
pub(crate) struct Pair<'a> {
    /// Samples by the workload's ratio.
    pub(crate) subject: &'a dyn Subject,
    /// Samples no operation.
    pub(crate) unsampled: &'a dyn Subject,
    pub(crate) arguments: &'a Arguments,
}

/// Wall and processor nanoseconds of operations.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    ops: u64,
    wall: u64,
    cpu: u64,
}

/// Bursts of both subjects, in turns.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    /// All operations of the subject with the ratio.
    all: Sum,
    /// The number of them that was sampled.
    sampled: u64,
    /// Operations of the other subject.
    unsampled: Sum,
}

impl Pair<'_> {
    /// Takes samples of wall and processor time.
    pub(crate) fn time(&self, answer: &mut Answer) {
        let time = Duration::from_secs_f64(self.arguments.seconds);
        let threads = self.arguments.workload.threads;
        let share = (burst_ops(self.subject, &self.arguments.workload) / threads).max(1);
        let crews = [self.subject, self.unsampled].map(|subject| (Crew::new(threads), subject));
        let mut samples = Vec::new();
        std::thread::scope(|scope| {
            for (crew, subject) in &crews {
                (1..threads).for_each(|_| _ = scope.spawn(|| crew.help(*subject, share)));
            }
            let [(crew, _), (unsampled_crew, _)] = &crews;
            let take = |time: Duration| self.sample(crew, unsampled_crew, share, time);
            // The first one warms up: caches, pools, the branches of both outcomes.
            samples.push(take(2 * time));
            samples.extend((0..self.arguments.samples).map(|_| take(time)));
            crews.iter().for_each(|(crew, _)| crew.dismiss());
        });
        for (index, sample) in samples.iter().enumerate() {
            self.count(answer, sample.all.ops, sample.sampled);
            if index > 0 {
                self.push(answer, sample);
            }
        }
    }

    fn sample(&self, crew: &Crew, unsampled_crew: &Crew, share: u64, time: Duration) -> Sample {
        let before = self.subject.sampled_ops();
        let mut sample = Sample::default();
        while u128::from(sample.all.wall) < time.as_nanos() {
            sample.all.add(burst(crew, self.subject, share, true));
            sample.unsampled.add(burst(unsampled_crew, self.unsampled, share, false));
        }
        sample.sampled = self.subject.sampled_ops() - before;
        sample
    }

    fn push(&self, answer: &mut Answer, sample: &Sample) {
        let workload = &self.arguments.workload;
        let Sample { all, sampled, unsampled } = *sample;
        let rest = |all, others| without(all, others, all_but(sample), unsampled.ops);
        let spans = (sampled * workload.spans_per_op) as f64;
        let wall = rest(all.wall, unsampled.wall);
        answer.ns.push(wall * workload.threads as f64 / spans);
        answer.cpu_ns.push(rest(all.cpu, unsampled.cpu) / spans);
        answer.spans_per_second.push(spans * 1e9 / wall);
    }

    /// Counts allocations on one thread, after a warm-up.
    pub(crate) fn alloc(&self, answer: &mut Answer) -> Result<(), String> {
        count::require()?;
        let spans_per_op = self.arguments.workload.spans_per_op;
        let ops = burst_ops(self.subject, &self.arguments.workload).min(20_000);
        for _warm_up in 0..8 {
            let before = self.subject.sampled_ops();
            let all = Allocations::of(self.subject, ops);
            let sampled = self.subject.sampled_ops() - before;
            let unsampled = Allocations::of(self.unsampled, ops);
            self.count(answer, ops, sampled);
            let each = |(calls, bytes): (u64, u64), (other_calls, other_bytes): (u64, u64)| {
                let spans = (sampled * spans_per_op) as f64;
                let rest = |all, others| without(all, others, ops - sampled, ops) / spans;
                Some((rest(calls, other_calls), rest(bytes, other_bytes)))
            };
            answer.allocations = each(all.here, unsampled.here);
            answer.process_allocations = each(all.everywhere, unsampled.everywhere);
        }
        Ok(())
    }

    fn count(&self, answer: &mut Answer, ops: u64, sampled: u64) {
        answer.made += ops * self.arguments.workload.spans_per_op;
        let (before, others) = answer.sampled_ops.unwrap_or_default();
        answer.sampled_ops = Some((before + sampled, others + ops - sampled));
    }

    /// Checks that the other subject sampled no operation, by both counts.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.unsampled.sampled_ops() {
            0 => Ok(()),
            ops => Err(format!(
                "{} on {}: {ops} operations were sampled by the smallest ratio",
                self.arguments.implementation, self.arguments.workload.name
            )),
        }
    }
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.ops += other.ops;
        self.wall += other.wall;
        self.cpu += other.cpu;
    }
}

/// A burst. Operations that are not sampled leave nothing to drain; the drain after them is that of an
/// idle subject, and not part of their cost.
fn burst(crew: &Crew, subject: &dyn Subject, share: u64, with_drain: bool) -> Sum {
    subject.prepare(share);
    let before = cpu_nanos();
    let wall = crew.run(subject, share).as_nanos() as u64;
    let produced = cpu_nanos();
    subject.settle();
    let end = if with_drain { cpu_nanos() } else { produced };
    Sum { ops: share * crew.threads(), wall, cpu: end - before }
}

/// Calls and bytes of a run, on the calling thread and of all threads with the drain.
struct Allocations {
    here: (u64, u64),
    everywhere: (u64, u64),
}

impl Allocations {
    fn of(subject: &dyn Subject, ops: u64) -> Self {
        subject.prepare(ops);
        let (here, everywhere) = (count::here(), count::everywhere());
        measured_run(subject, ops);
        let here = difference(here, count::here());
        subject.settle();
        Self { here, everywhere: difference(everywhere, count::everywhere()) }
    }
}

fn difference(before: (u64, u64), after: (u64, u64)) -> (u64, u64) {
    (after.0 - before.0, after.1 - before.1)
}

/// The operations of a sample that were not sampled.
fn all_but(sample: &Sample) -> u64 {
    sample.all.ops - sample.sampled
}

/// `all` without the cost of `unsampled` operations, of which `others` is the cost of `other_ops`.
fn without(all: u64, others: u64, unsampled: u64, other_ops: u64) -> f64 {
    all as f64 - others as f64 * unsampled as f64 / other_ops as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_other_operations_is_subtracted() {
        // 30 operations of 10 and 70 of 2 took 440; 50 alone took 100.
        assert_eq!(without(440, 100, 70, 50), 300.0);
        assert_eq!(without(440, 100, 0, 50), 440.0);
    }
}
