//! The measuring loop.
//!
//! A subject makes spans in bursts that fit its buffers. A drain follows each burst; it counts into the
//! processor time, and into the wall time only if the workload requires it. End to end it counts into
//! both. The process prints no time before it has found all spans that it made.

use crate::answer::Answer;
use crate::arguments::{Arguments, Mode};
use crate::count;
use crate::crew::Crew;
use crate::overload::Overload;
use crate::process::cpu_nanos;
use crate::refused_port::RefusedPort;
use crate::sampled::Pair;
use crate::subject::{Subject, burst_ops, measured_run};
use crate::workload::{Export, Sampler};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// `main` of a rival: reads the arguments, builds the subject, measures, prints one line.
pub fn serve(build: impl Fn(&Arguments) -> Result<Box<dyn Subject>, String>) -> ExitCode {
    match answer(build) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn answer(build: impl Fn(&Arguments) -> Result<Box<dyn Subject>, String>) -> Result<(), String> {
    let mut arguments = Arguments::parse(std::env::args().skip(1))?;
    let _refused_port = refuse_connections(&mut arguments).map_err(|error| error.to_string())?;
    let has_ratio = arguments.workload.sampler.ratio().is_some();
    let unsampled = with_least_ratio(&arguments);
    let subject = match arguments.mode {
        Mode::OnceDropped if !has_ratio => {
            return Err(format!("{} samples every span or none", arguments.workload.name));
        }
        Mode::OnceDropped => build(&unsampled)?,
        _ => build(&arguments)?,
    };
    let mut answer = Answer::default();
    match (arguments.mode, arguments.workload.export) {
        (Mode::Time | Mode::Alloc, _) if has_ratio => {
            let unsampled = build(&unsampled)?;
            let pair = Pair { subject: &*subject, unsampled: &*unsampled, arguments: &arguments };
            match arguments.mode {
                Mode::Time => pair.time(&mut answer),
                _ => pair.alloc(&mut answer)?,
            }
            pair.check()?;
        }
        (mode, Export::Dead) => {
            let mut overload =
                Overload { subject: &*subject, arguments: &arguments, answer: &mut answer };
            match mode {
                Mode::Time => overload.time()?,
                Mode::Alloc => overload.alloc()?,
                Mode::Once | Mode::OnceDropped => overload.once()?,
            }
            subject.close();
        }
        _ => Run { subject: &*subject, arguments: &arguments, answer: &mut answer }.run()?,
    }
    check(&*subject, &arguments, &mut answer)?;
    answer.requests = subject.requests();
    answer.ratio = subject.ratio();
    answer.print(&arguments);
    Ok(())
}

/// Replaces the endpoint of a workload that has no receiver.
fn refuse_connections(arguments: &mut Arguments) -> std::io::Result<Option<RefusedPort>> {
    if arguments.workload.export != Export::Dead {
        return Ok(None);
    }
    let port = RefusedPort::reserve()?;
    arguments.endpoint = Some(port.endpoint()?);
    Ok(Some(port))
}

/// The arguments of a subject that samples no operation.
fn with_least_ratio(arguments: &Arguments) -> Arguments {
    let mut unsampled = arguments.clone();
    unsampled.workload.sampler = Sampler::Least;
    unsampled
}

/// Checks the counts of the answer before its times are printed: by the subject's account, and under a
/// ratio by the count of the calling code.
fn check(subject: &dyn Subject, arguments: &Arguments, answer: &mut Answer) -> Result<(), String> {
    let made = answer.made;
    let tally = subject.tally(made);
    answer.tally = tally;
    let Arguments { workload, implementation, .. } = arguments;
    let wrong = |counts: String| Err(format!("{implementation} on {}: {counts}", workload.name));
    if tally.sum() != made {
        return wrong(format!("{made} spans made, but {tally:?}"));
    }
    // Spans below a refused one count as sampled out.
    let may_lose = workload.name == DEFAULTS || workload.export == Export::Dead;
    if workload.sampler == Sampler::On && !may_lose && tally.sampled_out > 0 {
        return wrong(format!("spans were sampled out: {tally:?}"));
    }
    if tally.lost > 0 && !may_lose && !LOSERS.contains(&implementation.as_str()) {
        return wrong(format!("spans were lost: {tally:?}"));
    }
    let sampled = subject.sampled_ops() * workload.spans_per_op;
    if workload.sampler.ratio().is_some() && tally.sampled_out != made - sampled {
        return wrong(format!("{sampled} of {made} spans were sampled, but {tally:?}"));
    }
    Ok(())
}

/// The measurement of one subject.
struct Run<'a> {
    subject: &'a dyn Subject,
    arguments: &'a Arguments,
    answer: &'a mut Answer,
}

/// A burst: wall time of the slowest thread, and processor time with the drain.
struct Burst {
    wall: Duration,
    cpu: u64,
    spans: u64,
}

impl Run<'_> {
    fn run(&mut self) -> Result<(), String> {
        match (self.arguments.mode, self.arguments.workload.export) {
            (Mode::Once | Mode::OnceDropped, _) => self.once(),
            (Mode::Alloc, _) => self.alloc()?,
            (Mode::Time, Export::None) => self.bursts(),
            (Mode::Time, _) => self.end_to_end(),
        }
        Ok(())
    }

    /// Runs the operations in bursts, because a subject that does not wait in a measurement must not wait
    /// in a test.
    fn once(&mut self) {
        let mut left = self.arguments.ops;
        // The warm-up does the one-time work outside of the function that is counted.
        let warm_up = left.min(self.ops_of_burst());
        self.subject.prepare(warm_up);
        self.subject.run(warm_up);
        self.subject.settle();
        self.made(warm_up);
        let sampled = self.subject.sampled_ops();
        while left > 0 {
            let ops = left.min(self.ops_of_burst());
            self.subject.prepare(ops);
            measured_run(self.subject, ops);
            self.subject.settle();
            self.made(ops);
            left -= ops;
        }
        if self.arguments.workload.sampler.ratio().is_some() {
            let sampled = self.subject.sampled_ops() - sampled;
            self.answer.sampled_ops = Some((sampled, self.arguments.ops - sampled));
        }
    }

    /// Counts allocations on one thread, after a warm-up.
    fn alloc(&mut self) -> Result<(), String> {
        count::require()?;
        let ops = self.ops_of_burst().min(20_000);
        let spans = (ops * self.arguments.workload.spans_per_op) as f64;
        let per_span = |before: (u64, u64), after: (u64, u64)| {
            let each = |before, after| (after - before) as f64 / spans;
            Some((each(before.0, after.0), each(before.1, after.1)))
        };
        for _warm_up in 0..8 {
            self.subject.prepare(ops);
            let (here, everywhere) = (count::here(), count::everywhere());
            measured_run(self.subject, ops);
            self.answer.allocations = per_span(here, count::here());
            self.subject.settle();
            self.answer.process_allocations = per_span(everywhere, count::everywhere());
            self.made(ops);
        }
        Ok(())
    }

    fn bursts(&mut self) {
        let time = Duration::from_secs_f64(self.arguments.seconds);
        let share = (self.ops_of_burst() / self.arguments.workload.threads).max(1);
        let crew = Crew::new(self.arguments.workload.threads);
        std::thread::scope(|scope| {
            for _ in 1..self.arguments.workload.threads {
                scope.spawn(|| crew.help(self.subject, share));
            }
            let mut bursts = Vec::new();
            // Two samples' time to warm up: caches, pools, lazily opened connections.
            let mut warm_up = Duration::ZERO;
            while warm_up < 2 * time {
                let burst = self.burst(&crew, share);
                warm_up += burst.wall;
                bursts.push(burst.spans);
            }
            for _ in 0..self.arguments.samples {
                let (mut wall, mut cpu, mut spans) = (Duration::ZERO, 0, 0);
                while wall < time {
                    let burst = self.burst(&crew, share);
                    wall += burst.wall;
                    cpu += burst.cpu;
                    spans += burst.spans;
                }
                let nanos = wall.as_nanos() as f64;
                self.answer.ns.push(nanos * self.arguments.workload.threads as f64 / spans as f64);
                self.answer.cpu_ns.push(cpu as f64 / spans as f64);
                self.answer.spans_per_second.push(spans as f64 / wall.as_secs_f64());
                self.answer.made += spans;
            }
            self.answer.made += bursts.iter().sum::<u64>();
            crew.dismiss();
        });
    }

    fn burst(&self, crew: &Crew, share: u64) -> Burst {
        self.subject.prepare(share);
        let cpu = cpu_nanos();
        let started = Instant::now();
        let run = crew.run(self.subject, share);
        self.subject.settle();
        let wall = if self.arguments.workload.timed_drain { started.elapsed() } else { run };
        Burst {
            wall,
            cpu: cpu_nanos() - cpu,
            spans: share * self.arguments.workload.threads * self.arguments.workload.spans_per_op,
        }
    }

    /// Measures from the first span to the delivery of the last. Only delivered spans count.
    fn end_to_end(&mut self) {
        let ops = self.arguments.ops;
        // The first operations open the connection, whose windows then grow for a while.
        let warm_up = (ops / 4).max(1000);
        measured_run(self.subject, warm_up);
        self.subject.settle();
        self.made(warm_up);
        for _ in 0..self.arguments.samples {
            let before = self.subject.tally(self.answer.made).exported;
            let cpu = cpu_nanos();
            let started = Instant::now();
            measured_run(self.subject, ops);
            let producing = started.elapsed();
            self.subject.settle();
            let wall = started.elapsed();
            let cpu = cpu_nanos() - cpu;
            self.made(ops);
            let made = (ops * self.arguments.workload.spans_per_op) as f64;
            let exported = (self.subject.tally(self.answer.made).exported - before) as f64;
            self.answer.ns.push(producing.as_nanos() as f64 / made);
            self.answer.cpu_ns.push(cpu as f64 / made);
            self.answer.spans_per_second.push(exported / wall.as_secs_f64());
        }
    }

    fn ops_of_burst(&self) -> u64 {
        burst_ops(self.subject, &self.arguments.workload)
    }

    fn made(&mut self, ops: u64) {
        self.answer.made += ops * self.arguments.workload.spans_per_op;
    }
}

/// The workload with default settings, which drops what does not fit.
const DEFAULTS: &str = "e2e-default";
/// Implementations that lose spans in every workload.
const LOSERS: [&str; 2] = ["otel-sdk", "otel-sdk-64k"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Tally;

    struct Counts {
        tally: Tally,
        sampled_ops: u64,
    }

    impl Subject for Counts {
        fn run(&self, _ops: u64) {}

        fn settle(&self) {}

        fn tally(&self, _made: u64) -> Tally {
            self.tally
        }

        fn sampled_ops(&self) -> u64 {
            self.sampled_ops
        }
    }

    #[test]
    fn the_tally_has_to_match_the_count_of_the_calling_code() {
        let line = ["--workload", "w3", "--impl", "otel-sdk"].map(str::to_owned);
        let mut arguments = Arguments::parse(line).unwrap();
        arguments.workload.sampler = Sampler::Half;
        let checked = |exported, lost, sampled_out, sampled_ops| {
            let tally = Tally { exported, lost, sampled_out, nowhere: 0 };
            let mut answer = Answer { made: 50, ..Answer::default() };
            check(&Counts { tally, sampled_ops }, &arguments, &mut answer)
        };
        assert_eq!(checked(20, 0, 30, 4), Ok(()));
        assert_eq!(checked(15, 5, 30, 4), Ok(()));
        checked(20, 0, 30, 5).unwrap_err();
        checked(25, 0, 25, 4).unwrap_err();
        checked(20, 0, 25, 4).unwrap_err();
    }

    #[test]
    fn spans_are_lost_or_sampled_out_only_where_they_may_be() {
        let checked = |workload: &str, implementation: &str, exported, lost, sampled_out| {
            let line = ["--workload", workload, "--impl", implementation].map(str::to_owned);
            let arguments = Arguments::parse(line).unwrap();
            let tally = Tally { exported, lost, sampled_out, nowhere: 0 };
            let mut answer = Answer { made: 50, ..Answer::default() };
            check(&Counts { tally, sampled_ops: 0 }, &arguments, &mut answer).is_ok()
        };
        assert!(checked("w3", "spanwise", 50, 0, 0));
        assert!(!checked("w3", "spanwise", 49, 1, 0));
        assert!(!checked("w3", "spanwise", 49, 0, 1));
        assert!(checked("w3", "otel-sdk", 49, 1, 0));
        assert!(checked("e2e-default", "spanwise", 10, 20, 20));
    }
}
