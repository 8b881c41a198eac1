//! The cost of a span that finds no space in a full buffer, while no receiver listens.

use crate::answer::Answer;
use crate::arguments::Arguments;
use crate::count;
use crate::process::{cpu_nanos, thread_cpu_nanos};
use crate::subject::{Subject, burst_ops, measured_run};
use std::time::{Duration, Instant};

/// A subject in front of a port without a receiver.
pub(crate) struct Overload<'a> {
    pub(crate) subject: &'a dyn Subject,
    pub(crate) arguments: &'a Arguments,
    pub(crate) answer: &'a mut Answer,
}

impl Overload<'_> {
    /// Fills the buffer, then takes samples. No pause separates their bursts: the processor time of
    /// other threads is that of the subject under full load.
    ///
    /// # Errors
    /// More than a few of the timed spans found space.
    pub(crate) fn time(&mut self) -> Result<(), String> {
        let time = Duration::from_secs_f64(self.arguments.seconds);
        self.fill()?;
        let (mut elapsed, mut by_others) = (Duration::ZERO, 0);
        let (made, refused) = (self.answer.made, self.refused());
        for _ in 0..self.arguments.samples {
            let (started, cpu, own) = (Instant::now(), cpu_nanos(), thread_cpu_nanos());
            let (mut wall, before) = (Duration::ZERO, self.answer.made);
            while wall < time {
                let burst = Instant::now();
                measured_run(self.subject, self.ops());
                wall += burst.elapsed();
                self.made(self.ops());
            }
            let cpu = cpu_nanos() - cpu;
            by_others += cpu.saturating_sub(thread_cpu_nanos() - own);
            elapsed += started.elapsed();
            let spans = (self.answer.made - before) as f64;
            self.answer.ns.push(wall.as_nanos() as f64 / spans);
            self.answer.cpu_ns.push(cpu as f64 / spans);
        }
        self.answer.worker_share = Some(by_others as f64 / elapsed.as_nanos() as f64);
        let (accepted, spans) = (self.accepted(made, refused), self.answer.made - made);
        // With more, the times would not be those of refused spans.
        match accepted * 100 <= spans {
            true => Ok(()),
            false => Err(format!("{accepted} of {spans} timed spans found space")),
        }
    }

    /// Fills the buffer, then runs the operations once.
    pub(crate) fn once(&mut self) -> Result<(), String> {
        self.fill()?;
        let (made, refused) = (self.answer.made, self.refused());
        measured_run(self.subject, self.arguments.ops);
        self.made(self.arguments.ops);
        self.accepted(made, refused);
        Ok(())
    }

    /// Counts allocations on the calling thread while the buffer is full. Those of the process belong to no
    /// span in particular.
    pub(crate) fn alloc(&mut self) -> Result<(), String> {
        count::require()?;
        self.fill()?;
        let (made, refused) = (self.answer.made, self.refused());
        let before = count::here();
        measured_run(self.subject, self.ops());
        let after = count::here();
        self.made(self.ops());
        let spans = (self.answer.made - made) as f64;
        let each = |before, after| (after - before) as f64 / spans;
        self.answer.allocations = Some((each(before.0, after.0), each(before.1, after.1)));
        self.accepted(made, refused);
        Ok(())
    }

    /// Makes spans until the subject has refused all of them for a while: when its exporter has framed
    /// the first request, there is space once more.
    ///
    /// # Errors
    /// There is space after some seconds still.
    fn fill(&mut self) -> Result<(), String> {
        let started = Instant::now();
        let mut full_since = started;
        while started.elapsed() < FILL_TAKES {
            let (made, refused) = (self.answer.made, self.refused());
            self.subject.run(self.ops());
            self.made(self.ops());
            if self.refused() - refused != self.answer.made - made {
                full_since = Instant::now();
            } else if full_since.elapsed() > FULL_FOR {
                return Ok(());
            }
        }
        Err(format!("the buffer still has space after {FILL_TAKES:?}"))
    }

    /// Stores the number of spans since `made` that were not refused, and returns it.
    fn accepted(&mut self, made: u64, refused: u64) -> u64 {
        let refused = self.refused() - refused;
        let accepted = (self.answer.made - made).saturating_sub(refused);
        self.answer.accepted = Some(accepted);
        accepted
    }

    fn refused(&self) -> u64 {
        self.subject.refused(self.answer.made)
    }

    fn ops(&self) -> u64 {
        burst_ops(self.subject, &self.arguments.workload)
    }

    fn made(&mut self, ops: u64) {
        self.answer.made += ops * self.arguments.workload.spans_per_op;
    }
}

const FILL_TAKES: Duration = Duration::from_secs(5);
const FULL_FOR: Duration = Duration::from_millis(50);
