//! One run: threads that make traces, and a receiver.

use super::options::Options;
use super::traces::Traces;
use spanwise::{OnFull, Span, SpanKind, Spanwise, Tracer};
use spanwise_receiver::{Answer, Limits, Receiver};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The numbers of a run.
pub(super) struct Numbers {
    pub(super) seconds: f64,
    pub(super) created: u64,
    pub(super) delivered: u64,
    /// Roots that the program started.
    pub(super) roots: u64,
    /// Traces of which spans arrived.
    pub(super) traces: u64,
    /// Those of them with all their spans.
    pub(super) complete: u64,
    /// The sum of the adjusted counts of the roots that arrived.
    pub(super) counted_roots: f64,
}

impl Numbers {
    pub(super) fn share(&self) -> f64 {
        self.delivered as f64 / self.created as f64
    }

    pub(super) fn delivered_per_second(&self) -> f64 {
        self.delivered as f64 / self.seconds
    }
}

pub(super) fn run(options: &Options, on_full: OnFull) -> Result<Numbers, String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let answer = match options.answer_after {
        Duration::ZERO => Answer::Accept,
        delay => Answer::Accept.after(delay),
    };
    let stored = bodies.clone();
    let receiver = Receiver::builder()
        .with_limits(Limits::default())
        .with_handler(move |export| {
            // A copy is read once the run has ended: reading it now would slow the receiver down.
            let body = export.body.to_vec();
            stored.lock().unwrap_or_else(PoisonError::into_inner).push(body);
            answer.clone()
        })
        .start()
        .map_err(|error| failed(&error))?;
    let mut builder = Spanwise::builder()
        .with_environment(|_| None)
        .with_endpoint(receiver.http_endpoint())
        .with_on_full(on_full)
        .with_diagnostics(|_| {});
    if let Some(bytes) = options.budget_bytes {
        builder = builder.with_budget_bytes(bytes);
    }
    let spanwise = builder.build().map_err(|error| failed(&error))?;
    let started = Instant::now();
    let roots = make_traces(options, &spanwise.tracer("overload"));
    spanwise.force_flush_timeout(PATIENCE).map_err(|error| failed(&error))?;
    let seconds = started.elapsed().as_secs_f64();
    let ledger = spanwise.shutdown_timeout(PATIENCE).map_err(|error| failed(&error))?.ledger;
    ledger.check().map_err(|imbalance| failed(&imbalance))?;
    receiver.shutdown();

    let mut traces = Traces::default();
    for body in bodies.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        traces.count(body);
    }
    if traces.spans() != ledger.exported {
        let exported = ledger.exported;
        return Err(format!("{} spans arrived, the ledger has {exported}", traces.spans()));
    }
    Ok(Numbers {
        seconds,
        created: ledger.created,
        delivered: ledger.exported,
        roots,
        traces: traces.len(),
        complete: traces.complete(options.spans),
        counted_roots: traces.counted_roots(),
    })
}

/// Makes traces on all threads; returns their number.
fn make_traces(options: &Options, tracer: &Tracer) -> u64 {
    let stop = AtomicBool::new(false);
    let roots = AtomicU64::new(0);
    let text = "v".repeat(options.span_bytes);
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| {
                let start = || OpenTrace::start(tracer, &text);
                // Of different ages, as the requests of a service are.
                let mut open: Vec<OpenTrace> = (0..options.open).map(|_| start()).collect();
                let mut count = options.open as u64;
                for (age, trace) in (0..).zip(&mut open) {
                    (0..age % options.spans).for_each(|_| trace.add(options, tracer, &text));
                }
                while !stop.load(Relaxed) {
                    for trace in &mut open {
                        if trace.spans == options.spans {
                            *trace = start();
                            count += 1;
                        } else {
                            trace.add(options, tracer, &text);
                        }
                    }
                }
                for trace in &mut open {
                    while trace.spans < options.spans {
                        trace.add(options, tracer, &text);
                    }
                }
                roots.fetch_add(count, Relaxed);
            });
        }
        std::thread::sleep(options.time);
        stop.store(true, Relaxed);
    });
    roots.into_inner()
}

/// A trace whose root has not ended.
struct OpenTrace {
    /// The root is the first one: the spans end in the order of this list, from the back.
    open: Vec<Span>,
    /// Spans so far.
    spans: u64,
}

impl OpenTrace {
    fn start(tracer: &Tracer, text: &str) -> Self {
        let mut root = tracer.root("root", SpanKind::Server);
        root.attribute("text", text);
        Self { open: vec![root], spans: 1 }
    }

    fn add(&mut self, options: &Options, tracer: &Tracer, text: &str) {
        let Some(parent) = self.open.last() else { return };
        let mut span = tracer.child("child", SpanKind::Internal, parent.context());
        span.attribute("text", text);
        self.spans += 1;
        if options.is_deep {
            self.open.push(span);
        }
    }
}

/// The children end before their parents.
impl Drop for OpenTrace {
    fn drop(&mut self) {
        while self.open.pop().is_some() {}
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
