//! Fields whose code of the program panics, blocks, logs, starts spans or writes without an end.

#![allow(clippy::unwrap_used, clippy::panic)]

mod received;

use received::{Received, Receiver, named};
use spanwise_testkit::PanicOnDrop;
use spanwise_tracing::OpenTelemetrySpanExt as _;
use std::error::Error;
use std::fmt::{self, Debug, Display, Write as _};
use std::panic::panic_any;
use std::sync::mpsc::channel;
use std::thread;
use tracing::field::{Empty, display};
use tracing_subscriber::prelude::*;

/// A value whose code the test gives.
struct Code<F>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> Debug for Code<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> Display for Code<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> Error for Code<F> {}

/// A value with this code.
fn code<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result>(f: F) -> Code<F> {
    Code(f)
}

/// Uses `value` in each place that formats fields, by callsites that wait and by ones that start at once. Returns the spans `outer`.
fn in_each_place(value: &(impl Debug + Display)) -> Vec<Received> {
    let receiver = Receiver::new();
    let layer = spanwise_tracing::layer(&receiver.spanwise);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for _ in 0..ROUNDS {
            let span = tracing::info_span!("outer", a = ?value, b = %value, c = Empty, last = 1);
            let _entered = span.enter();
            span.record("c", display(value));
            tracing::info!(d = ?value, "event");
            tracing::error!(error = %value);
        }
    });
    let (mut spans, ledger) = receiver.finish();
    assert_eq!(ledger.created, spans.len() as u64);
    spans.retain(|span| span.name == "outer");
    assert_eq!(spans.len(), ROUNDS);
    for span in &spans {
        assert_eq!(span.attributes["last"], "IntValue(1)", "{span:?}");
        assert!(span.events.len() >= 2 && span.events.contains(&"event".to_owned()), "{span:?}");
    }
    spans
}

#[test]
fn a_value_may_panic_also_in_the_drop_of_its_payload() {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let text = in_each_place(&code(|f| {
        f.write_str("begun ")?;
        panic!("bad")
    }));
    let drops = in_each_place(&code(|_| panic_any(PanicOnDrop)));
    std::panic::set_hook(quiet);
    for span in &text {
        for key in ["a", "b", "c"] {
            assert_eq!(span.attributes[key], "StringValue(\"begun <panicked>\")");
        }
    }
    assert!(drops.iter().all(|span| span.attributes["a"] == "StringValue(\"<panicked>\")"));
}

#[test]
fn a_value_may_fail() {
    for span in in_each_place(&code(|f| f.write_str("half").and(Err(fmt::Error)))) {
        assert_eq!(span.attributes["a"], "StringValue(\"half\")");
    }
}

#[test]
fn a_value_may_start_spans_log_and_record_on_its_own_span() {
    let spans = in_each_place(&code(|f| {
        let span = tracing::Span::current();
        span.record("c", "inside");
        span.set_attribute("by.value", 1);
        tracing::info_span!("of the value", nested = ?code(|f| {
            tracing::info!("deep");
            f.write_str("deep")
        }))
        .in_scope(|| tracing::info!("logged"));
        tracing::info!(x = 1, "logged");
        f.write_str("done")
    }));
    for span in spans {
        assert_eq!(span.attributes["a"], "StringValue(\"done\")");
        assert_eq!(span.attributes["c"], "StringValue(\"done\")");
    }
}

#[test]
fn a_value_of_100_mib_is_cut() {
    for long in [true, false] {
        let value = code(|f| match long {
            true => f.write_str(&"x".repeat(100 << 20)),
            false => (0..100 << 10).try_for_each(|_| f.write_str(&LINE)),
        });
        let receiver = Receiver::new();
        let layer = spanwise_tracing::layer(&receiver.spanwise);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let string = "y".repeat(100 << 20);
            for _ in 0..2 {
                let span = tracing::info_span!("long", c = Empty, text = Empty, last = Empty);
                span.record("c", display(&value));
                span.record("text", string.as_str());
                tracing::info!(parent: &span, text = string.as_str(), d = ?value, "event");
                span.record("last", 1);
            }
        });
        let (spans, _) = receiver.finish();
        for span in spans {
            assert_eq!(span.attributes["last"], "IntValue(1)");
            let bytes: usize = span.attributes.values().map(String::len).sum();
            assert!(bytes < 2 << 20, "{bytes}");
        }
    }
}

/// The thread that formats holds no lock that another thread needs.
#[test]
fn a_value_may_block() {
    let receiver = Receiver::new();
    let layer = spanwise_tracing::layer(&receiver.spanwise);
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    let _default = tracing::dispatcher::set_default(&dispatch);
    let span = tracing::info_span!("shared", slow = Empty, other = Empty);
    let (begin, has_begun) = channel();
    let (open, gate) = channel::<()>();
    let (in_thread, blocked) = (dispatch.clone(), span.clone());
    let blocked = thread::spawn(move || {
        tracing::dispatcher::with_default(&in_thread, || {
            let value = code(|f| {
                begin.send(()).unwrap();
                let _opened = gate.recv();
                f.write_char('x')
            });
            blocked.record("slow", display(&value));
        });
    });
    has_begun.recv().unwrap();
    // None of these waits for the other thread, which waits for this one.
    span.record("other", 1);
    span.in_scope(|| tracing::info!("event"));
    tracing::info_span!(parent: &span, "child").in_scope(|| ());
    let _context = span.context();
    open.send(()).unwrap();
    blocked.join().unwrap();
    drop(span);
    let (spans, _) = receiver.finish();
    let shared = named(&spans, "shared");
    assert_eq!((shared.attributes.len(), shared.events.len(), spans.len()), (2, 1, 2));
}

/// An error that is its own source, without an end.
struct Endless;

impl Debug for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("endless")
    }
}

impl Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("endless")
    }
}

impl Error for Endless {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&Endless)
    }
}

/// An error whose source panics.
#[derive(Debug)]
struct NoSource;

impl Display for NoSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no source")
    }
}

impl Error for NoSource {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        panic_any(PanicOnDrop)
    }
}

#[test]
fn an_error_may_be_its_own_source_or_panic() {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let receiver = Receiver::new();
    let layer = spanwise_tracing::layer(&receiver.spanwise);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for _ in 0..ROUNDS {
            let endless: &(dyn Error + 'static) = &Endless;
            let panics: &(dyn Error + 'static) = &NoSource;
            let span = tracing::info_span!("errors", endless, panics, later = Empty, last = 1);
            span.in_scope(|| tracing::error!(error = endless, panics, "event"));
            span.record("later", panics);
        }
    });
    std::panic::set_hook(quiet);
    let (spans, _) = receiver.finish();
    assert_eq!(spans.len(), ROUNDS);
    for span in spans {
        assert_eq!(span.attributes["last"], "IntValue(1)");
        assert_eq!(span.attributes["panics"], "StringValue(\"no source\")");
        assert_eq!((span.events.len(), span.status), (1, 2));
    }
}

/// More than the spans of a callsite that wait.
const ROUNDS: usize = 20;
static LINE: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "x".repeat(1 << 10));
