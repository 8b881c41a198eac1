//! The measuring loop.
//!
//! A subject makes spans in bursts that fit its buffers. A drain follows each burst; it counts into the
//! processor time, and into the wall time only if the workload requires it. End to end it counts into
//! both. The process prints no time before it has found all spans that it made.

use crate::answer::Answer;
use crate::arguments::{Arguments, Mode};
use crate::count;
use crate::process::cpu_nanos;
use crate::subject::Subject;
use crate::workload::Export;
use std::process::ExitCode;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// `main` of a rival: reads the arguments, builds the subject, measures, prints one line.
pub fn serve(build: impl FnOnce(&Arguments) -> Result<Box<dyn Subject>, String>) -> ExitCode {
    match answer(build) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// The one function whose instructions the instruction counter counts.
#[inline(never)]
pub fn measured_run(subject: &dyn Subject, ops: u64) {
    subject.run(ops);
}

fn answer(
    build: impl FnOnce(&Arguments) -> Result<Box<dyn Subject>, String>,
) -> Result<(), String> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let subject = build(&arguments)?;
    let mut run = Run {
        subject: &*subject,
        arguments: &arguments,
        threads: arguments.workload.threads,
        answer: Answer::default(),
    };
    match (arguments.mode, arguments.workload.export) {
        (Mode::Once, _) => run.once(),
        (Mode::Alloc, _) => run.alloc()?,
        (Mode::Time, Export::None) => run.bursts(),
        (Mode::Time, _) => run.end_to_end(),
    }
    run.check()?;
    run.answer.requests = subject.requests();
    run.answer.ratio = subject.ratio();
    run.answer.print(&arguments);
    Ok(())
}

struct Run<'a> {
    subject: &'a dyn Subject,
    arguments: &'a Arguments,
    threads: u64,
    answer: Answer,
}

/// A burst: wall time of the slowest thread, and processor time with the drain.
struct Burst {
    wall: Duration,
    cpu: u64,
    spans: u64,
}

impl Run<'_> {
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
        while left > 0 {
            let ops = left.min(self.ops_of_burst());
            self.subject.prepare(ops);
            measured_run(self.subject, ops);
            self.subject.settle();
            self.made(ops);
            left -= ops;
        }
    }

    /// Counts allocations on one thread, after a warm-up.
    fn alloc(&mut self) -> Result<(), String> {
        let proof = count::here();
        drop(std::hint::black_box(Box::new(0_u8)));
        if count::here() == proof {
            return Err("this binary does not count allocations".to_owned());
        }
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
        let share = (self.ops_of_burst() / self.threads).max(1);
        let crew = Crew::new(self.threads);
        std::thread::scope(|scope| {
            for _ in 1..self.threads {
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
                self.answer.ns.push(nanos * self.threads as f64 / spans as f64);
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
            spans: share * self.threads * self.arguments.workload.spans_per_op,
        }
    }

    /// Measures from the first span to the delivery of the last. Only delivered spans count.
    fn end_to_end(&mut self) {
        let ops = self.arguments.ops;
        // The first operations open the connection.
        measured_run(self.subject, 1000);
        self.subject.settle();
        self.made(1000);
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
        let workload = &self.arguments.workload;
        let spans = self.subject.burst_spans().unwrap_or(workload.burst_spans);
        (spans / workload.spans_per_op).max(1)
    }

    fn made(&mut self, ops: u64) {
        self.answer.made += ops * self.arguments.workload.spans_per_op;
    }

    /// Checks the counts of the answer before its times are printed.
    fn check(&mut self) -> Result<(), String> {
        let tally = self.subject.tally(self.answer.made);
        self.answer.tally = tally;
        if tally.sum() == self.answer.made {
            return Ok(());
        }
        let Arguments { workload, implementation, .. } = self.arguments;
        Err(format!(
            "{implementation} on {}: {} spans made, but {tally:?}",
            workload.name, self.answer.made
        ))
    }
}

/// Threads that start a burst together.
struct Crew {
    threads: u64,
    start: Barrier,
    end: Barrier,
    /// Threads that left the barrier: waking takes microseconds, spinning does not.
    awake: AtomicU64,
    longest: AtomicU64,
    dismissed: AtomicBool,
}

impl Crew {
    fn new(threads: u64) -> Self {
        Self {
            threads,
            start: Barrier::new(threads as usize),
            end: Barrier::new(threads as usize),
            awake: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            dismissed: AtomicBool::new(false),
        }
    }

    fn run(&self, subject: &dyn Subject, share: u64) -> Duration {
        if self.threads == 1 {
            let started = Instant::now();
            measured_run(subject, share);
            return started.elapsed();
        }
        self.awake.store(0, SeqCst);
        self.longest.store(0, SeqCst);
        self.start.wait();
        self.take_part(subject, share);
        Duration::from_nanos(self.longest.load(SeqCst))
    }

    fn help(&self, subject: &dyn Subject, share: u64) {
        loop {
            self.start.wait();
            if self.dismissed.load(SeqCst) {
                return;
            }
            self.take_part(subject, share);
        }
    }

    fn take_part(&self, subject: &dyn Subject, share: u64) {
        self.awake.fetch_add(1, SeqCst);
        while self.awake.load(SeqCst) < self.threads {
            std::hint::spin_loop();
        }
        let started = Instant::now();
        measured_run(subject, share);
        self.longest.fetch_max(started.elapsed().as_nanos() as u64, SeqCst);
        self.end.wait();
    }

    fn dismiss(&self) {
        self.dismissed.store(true, SeqCst);
        if self.threads > 1 {
            self.start.wait();
        }
    }
}
