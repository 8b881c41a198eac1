//! Flush and shutdown of span processors: once, in order, on a thread of their own, by the deadline.

use crate::support;

use opentelemetry::trace::{Span as _, Tracer as _};
use spanwise_sdk::read::{ResourceSpans, ValueView};
use spanwise_sdk::{
    Exporter, FlushError, ProcessorError, ReadableSpan, SpanKind, SpanProcessor, Spanwise,
};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{LONG, bench, builder, wait_until_idle};

/// A processor that sends its calls, and whose lifecycle calls run `act`.
struct Calls<F> {
    calls: Sender<String>,
    act: F,
}

impl<F: Fn() -> Result<(), ProcessorError> + Send + Sync + 'static> SpanProcessor for Calls<F> {
    fn on_end(&self, span: &ReadableSpan<'_>) {
        let _ = self.calls.send(format!("end {}", span.name()));
    }

    fn force_flush(&self, timeout: Duration) -> Result<(), ProcessorError> {
        let _ = self.calls.send(format!("flush {}", minutes(timeout)));
        (self.act)()
    }

    fn shutdown(&self, timeout: Duration) -> Result<(), ProcessorError> {
        let _ = self.calls.send(format!("shutdown {}", minutes(timeout)));
        (self.act)()
    }

    fn set_resource(&self, resource: &ResourceSpans<'_>) {
        let name = resource.attribute("service.name");
        let name = name.as_ref().and_then(ValueView::as_str).unwrap_or("none");
        let _ = self.calls.send(format!("resource {name}"));
    }
}

impl<F> Drop for Calls<F> {
    fn drop(&mut self) {
        let _ = self.calls.send("drop".to_owned());
    }
}

fn calls<F: Fn() -> Result<(), ProcessorError>>(act: F) -> (Calls<F>, Receiver<String>) {
    let (calls, received) = channel();
    (Calls { calls, act }, received)
}

/// The timeout in minutes, rounded up, so that a busy machine changes no number.
fn minutes(timeout: Duration) -> u64 {
    timeout.as_secs().div_ceil(60)
}

/// The next call, which arrives on another thread.
fn next(received: &Receiver<String>) -> String {
    received.recv_timeout(LONG).unwrap_or_else(|_| "nothing".to_owned())
}

#[test]
fn a_provider_flushes_and_shuts_its_processors_down_once() {
    for exporter in [Exporter::Otlp, Exporter::None] {
        let (processor, received) = calls(|| Ok(()));
        let bench = bench(|builder| {
            builder.with_service_name("shop").with_exporter(exporter).with_span_processor(processor)
        });
        assert_eq!(next(&received), "resource shop", "before the first span");
        bench.spanwise.tracer("lifecycle").root("span", SpanKind::Internal).finish();
        bench.spanwise.force_flush_timeout(Duration::from_secs(7 * 60)).unwrap();
        bench.spanwise.shutdown_timeout(Duration::from_secs(9 * 60)).unwrap();
        let seen: Vec<_> = (0..4).map(|_| next(&received)).collect();
        assert_eq!(seen, ["end span", "flush 7", "shutdown 9", "drop"], "{exporter:?}");
        assert!(bench.spanwise.shutdown().is_err() && bench.spanwise.force_flush().is_err());
        drop(bench);
        assert!(received.recv().is_err(), "no further call");
    }
}

#[test]
fn the_drop_of_a_provider_shuts_its_processors_down() {
    for exporter in [Exporter::Otlp, Exporter::None] {
        let (processor, received) = calls(|| Ok(()));
        let bench = bench(|builder| builder.with_exporter(exporter).with_span_processor(processor));
        drop(bench);
        assert!(next(&received).starts_with("resource"));
        assert_eq!(next(&received), "shutdown 1");
        assert_eq!(next(&received), "drop");
    }
}

#[test]
fn the_error_of_a_processor_comes_with_the_report_of_the_export() {
    let (processor, _received) = calls(|| Err("no disk\nleft".into()));
    let bench = bench(|builder| builder.with_span_processor(processor));
    bench.spanwise.tracer("lifecycle").root("span", SpanKind::Internal).finish();
    let error = bench.spanwise.force_flush_timeout(LONG).unwrap_err();
    let FlushError::Processor { problem, report } = &error else { panic!("{error}") };
    assert_eq!(problem, "span processor 1: no disk left");
    assert_eq!((report.ledger.exported, report.ledger.dropped_total()), (1, 0));
    assert!(matches!(
        bench.spanwise.shutdown_timeout(LONG).unwrap_err(),
        FlushError::Processor { .. }
    ));
}

#[test]
fn a_processor_that_blocks_holds_up_no_caller() {
    let door = Arc::new(Mutex::new(()));
    let closed = door.lock().unwrap();
    let shut = door.clone();
    let (processor, received) = calls(move || {
        drop(shut.lock());
        Ok(())
    });
    let bench = bench(|builder| builder.with_span_processor(processor));
    bench.spanwise.tracer("lifecycle").root("span", SpanKind::Internal).finish();
    // More calls than the thread of the processors holds.
    for _ in 0..40 {
        // On a busy machine the export may take longer, too.
        let error = bench.spanwise.force_flush_timeout(Duration::from_millis(30)).unwrap_err();
        assert!(is_late(&error), "{error}");
    }
    wait_until_idle(&bench.spanwise);
    assert_eq!(bench.collected.spans(), 1, "the export does not wait for the processor");
    let start = Instant::now();
    let error = bench.spanwise.shutdown_timeout(Duration::from_millis(200)).unwrap_err();
    assert!(is_late(&error), "{error}");
    assert!(start.elapsed() < LONG, "the shutdown returns by its deadline, plus scheduling");
    drop(closed);
    drop(bench);
    drop(received);
}

fn is_late(error: &FlushError) -> bool {
    matches!(error, FlushError::Processor { .. } | FlushError::Timeout(_))
}

#[test]
fn a_processor_may_flush_its_provider() {
    let held: Arc<Mutex<Option<Spanwise>>> = Arc::default();
    let inner = held.clone();
    let (processor, _received) = calls(move || {
        if let Some(spanwise) = &*inner.lock().unwrap() {
            spanwise.force_flush_timeout(LONG)?;
        }
        Ok(())
    });
    let bench = bench(|builder| builder.with_span_processor(processor));
    *held.lock().unwrap() = Some(bench.spanwise.clone());
    bench.spanwise.tracer("lifecycle").root("span", SpanKind::Internal).finish();
    assert_eq!(bench.spanwise.force_flush_timeout(LONG).unwrap().exported, 1);
    *held.lock().unwrap() = None;
    bench.spanwise.shutdown_timeout(LONG).unwrap();
}

#[test]
fn a_processor_that_shuts_its_provider_down_is_shut_down_itself() {
    let held: Arc<Mutex<Option<Spanwise>>> = Arc::default();
    let inner = held.clone();
    let (processor, received) = calls(move || {
        let spanwise = inner.lock().unwrap().take();
        spanwise.map_or(Ok(()), |spanwise| spanwise.shutdown_timeout(LONG).map(drop))?;
        Ok(())
    });
    let bench = bench(|builder| builder.with_span_processor(processor));
    *held.lock().unwrap() = Some(bench.spanwise.clone());
    bench.spanwise.force_flush_timeout(LONG).unwrap();
    assert!(next(&received).starts_with("resource"));
    let calls = [(); 3].map(|()| next(&received));
    assert_eq!(calls, ["flush 1", "shutdown 1", "drop"]);
}

/// A processor that exports by an instrumented client would export its own spans.
#[test]
fn spans_of_the_lifecycle_calls_are_suppressed() {
    let held: Arc<Mutex<Option<Spanwise>>> = Arc::default();
    let inner = held.clone();
    let (processor, _received) = calls(move || {
        let spanwise = inner.lock().unwrap().take();
        if let Some(spanwise) = spanwise {
            let mut span = spanwise.tracer("lifecycle").start("inside");
            assert!(!span.is_recording());
            span.end();
        }
        Ok(())
    });
    let bench = bench(|builder| builder.with_span_processor(processor));
    *held.lock().unwrap() = Some(bench.spanwise.clone());
    bench.spanwise.force_flush_timeout(LONG).unwrap();
    assert_eq!(bench.spanwise.shutdown_timeout(LONG).unwrap().ledger.created, 0);
}

#[test]
fn a_disabled_provider_calls_no_processor() {
    let (processor, received) = calls(|| Ok(()));
    let spanwise = builder()
        .with_environment(|name| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned()))
        .with_span_processor(processor)
        .build()
        .unwrap();
    drop(spanwise.tracer("lifecycle").start("span"));
    spanwise.shutdown_timeout(LONG).unwrap();
    assert_eq!(next(&received), "drop");
}
