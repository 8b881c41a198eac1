//! The system clock is set while spans are open: the exported times do not follow it.
//!
//! This binary replaces `clock_gettime`: CLOCK_REALTIME can be stepped for this process without setting
//! the machine's clock. Each scenario runs in a process of its own, which has one clock.
#![cfg(all(target_os = "linux", not(miri)))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod support;

use opentelemetry::Context;
use opentelemetry::global::{self, BoxedSpan};
use opentelemetry::trace::{Span as _, TraceContextExt as _, Tracer as _};
use spanwise_pool::PooledSpan;
use spanwise_sdk::SpanKind;
use spanwise_sdk::{Finished, Tracer};
use spanwise_testkit::{rerun, spans};
use spanwise_worker::clock::{self, Source};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use support::{DiagnosticLog, LONG, bench, builder};

/// POSIX, `clock_settime`: setting CLOCK_REALTIME has no effect on CLOCK_MONOTONIC.
static STEPPED_BY: AtomicI64 = AtomicI64::new(0);

#[unsafe(no_mangle)]
extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    // SAFETY: the arguments are the caller's, for a call of this name.
    let status = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
    if status == 0 && clock == libc::CLOCK_REALTIME {
        // SAFETY: the system has just written there.
        unsafe { (*time).tv_sec += STEPPED_BY.load(SeqCst) };
    }
    status as libc::c_int
}

const HOUR: i64 = 3_600;
const CLOCK: &str = "SPANWISE_CLOCK";
const SCENARIO: &str = "SPANWISE_TEST_SCENARIO";

#[test]
fn no_span_follows_a_step_with_the_counter() {
    run_with_clock("auto");
}

#[test]
fn no_span_follows_a_step_without_the_counter() {
    run_with_clock("monotonic");
}

fn run_with_clock(choice: &str) {
    let output = rerun("child").env(SCENARIO, "steps").env(CLOCK, choice).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success() && text(&output.stdout).contains(DONE),
        "{choice}: {}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
}

/// Specification of the environment variables, *Enum value*: the SDK warns of an unknown value and
/// ignores it.
#[test]
fn an_unknown_clock_is_reported() {
    for (value, reports) in [("tsc", 1), ("monotonic", 0), ("AUTO", 0), ("", 0)] {
        let log = DiagnosticLog::default();
        let builder = builder().with_environment(move |name| (name == CLOCK).then(|| value.into()));
        let _spanwise = log.attach(builder).build().unwrap();
        let lines = log.lines();
        assert_eq!(lines.len(), reports, "{lines:?}");
        let names_all = |line: &String| line.contains(CLOCK) && line.contains("auto, monotonic");
        assert!(lines.iter().all(names_all), "{lines:?}");
    }
}

const DONE: &str = "the scenario is done";

/// The process of a scenario; without its variable an empty test.
#[test]
fn child() {
    if std::env::var_os(SCENARIO).is_none() {
        return;
    }
    let started = SystemTime::now();
    STEPPED_BY.store(HOUR, SeqCst);
    assert!(started.elapsed().unwrap() > Duration::from_secs(3_599), "the clock cannot be set");
    STEPPED_BY.store(0, SeqCst);
    steps();
    println!("{DONE}");
}

/// Steps the clock forth and back: first before the span clock has readings, then while it runs.
fn steps() {
    let bench = bench(|builder| builder);
    let tracer = bench.spanwise.tracer("steps");
    global::set_tracer_provider(bench.spanwise.clone());
    let mut expected = HashMap::new();
    for (round, stepped_by) in [HOUR, 0, -HOUR, 0].into_iter().enumerate() {
        let starts = now();
        let mut short = Spans::start(&tracer, &format!("short {round}"));
        let mut long = Spans::start(&tracer, &format!("long {round}"));
        STEPPED_BY.store(stepped_by, SeqCst);
        let mut later = Spans::start(&tracer, &format!("later {round}"));
        short.event();
        expected.extend(short.end(&tracer, Some(starts)));
        // Waits until the span clock has followed the step.
        let patience = Instant::now() + LONG;
        while now().abs_diff(clock::unix_nanos()) > SECOND && Instant::now() < patience {
            thread::sleep(Duration::from_millis(1));
        }
        long.event();
        later.event();
        expected.extend(long.end(&tracer, Some(starts)));
        // These spans may have started on the timeline before the step or on that after it.
        expected.extend(later.end(&tracer, None));
    }
    if std::env::var(CLOCK).unwrap() == "monotonic" {
        assert_eq!(clock::source(), Source::System);
    }

    let request = bench.finish();
    assert_eq!(spans(&request).count(), expected.len());
    for span in spans(&request) {
        let Lasted { starts, at_least, at_most } = &expected[&span.name];
        let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
        let lasted = Duration::from_nanos(end.checked_sub(start).unwrap());
        assert!(
            lasted + ABOUT >= *at_least && lasted <= *at_most + ABOUT,
            "{}: {lasted:?} of {at_least:?} to {at_most:?}",
            span.name
        );
        if let Some(starts) = starts {
            assert!(start.abs_diff(*starts) < MINUTE, "{}", span.name);
        }
        for event in &span.events {
            let at = event.time_unix_nano;
            let about = ABOUT.as_nanos() as u64;
            let inside = at + about >= start && at <= end + about;
            assert!(inside, "{}: the event {} is outside", span.name, event.name);
        }
    }
}

/// One span from each method that starts spans.
struct Spans {
    name: String,
    began: Instant,
    started: Instant,
    native: spanwise_sdk::Span,
    given: spanwise_sdk::Span,
    boxed: BoxedSpan,
    context: Context,
    pooled: PooledSpan,
}

/// The times of a span as the test measured them.
struct Lasted {
    /// Roughly, in nanoseconds since 1970.
    starts: Option<u64>,
    at_least: Duration,
    at_most: Duration,
}

impl Spans {
    fn start(tracer: &Tracer, name: &str) -> Self {
        let began = Instant::now();
        let of = |way: &str| format!("{name} {way}");
        let api = global::tracer("steps");
        let mut pooled = PooledSpan::default();
        tracer.start_pooled(&mut pooled, &of("pooled"), SpanKind::Internal, None);
        Spans {
            name: name.to_owned(),
            began,
            native: tracer.start(of("native")),
            given: tracer
                .span_builder(of("given"))
                .with_start_time(SystemTime::now())
                .start(tracer),
            boxed: api.start(of("boxed")),
            context: Context::new().with_span(api.start(of("context"))),
            pooled,
            started: Instant::now(),
        }
    }

    fn event(&mut self) {
        self.native.event("native", &[]);
        self.given.add_event("api", vec![]);
        self.boxed.add_event("api", vec![]);
        self.boxed.add_event_with_timestamp("given", SystemTime::now(), vec![]);
        self.context.span().add_event("api", vec![]);
    }

    fn end(self, tracer: &Tracer, starts: Option<u64>) -> Vec<(String, Lasted)> {
        let ending = Instant::now();
        self.native.finish();
        let mut given = self.given;
        given.end_with_timestamp(SystemTime::now());
        let mut boxed = self.boxed;
        boxed.end();
        self.context.span().end();
        assert_eq!(tracer.finish_pooled(&self.pooled), Ok(Finished::Recorded));
        let ended = Instant::now();
        let lasted =
            || Lasted { starts, at_least: ending - self.started, at_most: ended - self.began };
        ["native", "given", "boxed", "context", "pooled"]
            .map(|way| (format!("{} {way}", self.name), lasted()))
            .into()
    }
}

fn now() -> u64 {
    clock::to_unix_nanos(SystemTime::now())
}

const SECOND: u64 = 1_000_000_000;
/// Longer than a thread waits for a processor, shorter than a step.
const MINUTE: u64 = 60 * SECOND;
/// The difference allowed between two clocks without a step; far less than a step.
const ABOUT: Duration = Duration::from_millis(2);
