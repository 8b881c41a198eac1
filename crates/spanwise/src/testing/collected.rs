//! The spans of a test.

use super::span::CollectedSpan;
use super::store::{LIMIT, Store};
use super::tree::{Forest, sort};
use crate::{FlushError, Report, Spanwise};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

/// The spans that the provider of a test has recorded. Clones share them.
///
/// Each method first flushes the provider, for 10 s at most, so that it sees every span that ended
/// before the call, on whatever thread. It works from any thread, inside a runtime and after a
/// shutdown too. At most 64 MiB of spans, as encoded, are held; the next ones are an error until
/// [`clear`](Self::clear).
#[derive(Clone)]
pub struct Collected {
    spanwise: Spanwise,
    store: Arc<Store>,
}

/// A test may catch the panic of an assertion: the spans are behind a lock and stay consistent.
impl UnwindSafe for Collected {}
impl RefUnwindSafe for Collected {}

impl Collected {
    pub(super) fn new(spanwise: Spanwise, store: Arc<Store>) -> Self {
        Self { spanwise, store }
    }

    /// All spans that have ended since the start or the last [`clear`](Self::clear), by start time; of
    /// equal times, parents before their children.
    ///
    /// # Panics
    /// With the [`CollectError`] of [`try_spans`](Self::try_spans).
    #[doc(alias = "get_finished_spans")]
    #[track_caller]
    pub fn spans(&self) -> Vec<CollectedSpan> {
        match self.try_spans() {
            Ok(spans) => spans,
            Err(error) => fail(&error),
        }
    }

    /// As [`spans`](Self::spans).
    ///
    /// # Errors
    /// See [`CollectError`].
    pub fn try_spans(&self) -> Result<Vec<CollectedSpan>, CollectError> {
        self.flush()?;
        let stored = self.store.lock();
        if stored.refused > 0 {
            return Err(CollectError::Full { refused: stored.refused });
        }
        let mut spans = stored.spans.clone();
        drop(stored);
        sort(&mut spans);
        Ok(spans)
    }

    /// The one span with this name.
    ///
    /// # Panics
    /// When there is none, or more than one: prints [`tree`](Self::tree). As
    /// [`spans`](Self::spans).
    #[track_caller]
    pub fn span(&self, name: &str) -> CollectedSpan {
        let spans = self.spans();
        let mut named = spans.iter().filter(|span| span.name() == name);
        match (named.next(), named.count()) {
            (Some(span), 0) => span.clone(),
            (None, _) => fail(&format_args!("no span is named {name:?}\n{}", self.print(&spans))),
            (Some(_), more) => fail(&format_args!(
                "{} spans are named {name:?}; spans_named returns all of them\n{}",
                more + 1,
                self.print(&spans)
            )),
        }
    }

    /// All spans with this name, by start time.
    ///
    /// # Panics
    /// As [`spans`](Self::spans).
    #[track_caller]
    pub fn spans_named(&self, name: &str) -> Vec<CollectedSpan> {
        let mut spans = self.spans();
        spans.retain(|span| span.name() == name);
        spans
    }

    /// The spans whose parent is `span`, by start time.
    ///
    /// # Panics
    /// As [`spans`](Self::spans).
    #[track_caller]
    pub fn children_of(&self, span: &CollectedSpan) -> Vec<CollectedSpan> {
        let mut spans = self.spans();
        spans.retain(|child| child.is_child_of(span));
        spans
    }

    /// All traces as text, for the message of a failed assertion: a span a line, indented below its
    /// parent, with kind, duration, attributes and status, and a line for each event and link.
    ///
    /// # Panics
    /// As [`spans`](Self::spans).
    #[track_caller]
    pub fn tree(&self) -> String {
        self.print(&self.spans())
    }

    /// Asserts that the spans form the trees that `expected` draws: a name a line, each indented
    /// below its parent by any number of spaces. All spans take part; the order of siblings does
    /// not matter, nor do blank lines, a common indentation, and spaces around names.
    ///
    /// # Panics
    /// When they form other trees: prints both. As [`spans`](Self::spans).
    #[track_caller]
    pub fn assert_tree(&self, expected: &str) {
        let spans = self.spans();
        if !Forest::new(&spans).has_shape(expected) {
            let collected = self.print(&spans);
            let expected = expected.trim_matches('\n').trim_end();
            fail(&format_args!(
                "the spans form another tree\nexpected:\n{expected}\ncollected:\n{collected}"
            ));
        }
    }

    /// Forgets all spans that have ended before this call.
    ///
    /// # Panics
    /// When they do not arrive within 10 s.
    #[doc(alias = "reset")]
    #[track_caller]
    pub fn clear(&self) {
        if let Err(error) = self.flush() {
            fail(&error);
        }
        self.store.clear();
    }

    fn flush(&self) -> Result<(), CollectError> {
        match self.spanwise.force_flush_timeout(PATIENCE) {
            // After a shutdown everything has arrived. On the worker thread, inside a sampler or a
            // handler, no flush can be awaited.
            Ok(_) | Err(FlushError::AlreadyShutdown | FlushError::OnWorkerThread) => Ok(()),
            Err(FlushError::Timeout(report)) => Err(CollectError::Timeout { report }),
            Err(_) => Err(CollectError::NoWorker),
        }
    }

    fn print(&self, spans: &[CollectedSpan]) -> String {
        let mut text = match spans {
            [] => String::from("no span has ended since the start or the last clear\n"),
            spans => Forest::new(spans).print(),
        };
        let ledger = self.spanwise.ledger();
        if ledger.dropped_total() > 0 {
            text.push_str(&format!("the provider has lost spans: {ledger}\n"));
        }
        text
    }
}

/// The traces, as [`tree`](Collected::tree) prints them, without a flush.
impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut spans = self.store.lock().spans.clone();
        sort(&mut spans);
        f.write_str(&self.print(&spans))
    }
}

/// An error of [`Collected`]: a span of the test is missing. `Debug` is `Display`.
#[derive(Clone)]
#[non_exhaustive]
pub enum CollectError {
    /// More than 64 MiB of spans, as encoded, have ended since the last
    /// [`clear`](Collected::clear).
    Full {
        /// The number of spans that were not stored.
        refused: u64,
    },
    /// Spans that have ended did not arrive within 10 s.
    Timeout {
        /// The account of the flush.
        report: Box<Report>,
    },
    /// The worker thread has terminated, or this process was forked from the provider's.
    NoWorker,
}

impl fmt::Display for CollectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { refused } => write!(
                f,
                "{refused} spans were not collected: accepted are {} MiB of encoded spans; call \
                 Collected::clear between the parts of a test",
                LIMIT >> 20
            ),
            Self::Timeout { report } => {
                write!(f, "spans that have ended did not arrive within {PATIENCE:?}: {report}")
            }
            Self::NoWorker => f.write_str(
                "the provider's worker thread has terminated, or this is a forked child, which \
                 needs a provider of its own",
            ),
        }
    }
}

impl fmt::Debug for CollectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for CollectError {}

#[allow(clippy::panic, reason = "an assertion of a test must fail it")]
#[track_caller]
fn fail(message: &dyn fmt::Display) -> ! {
    let message = message.to_string();
    let Some((end, _)) = message.match_indices('\n').nth(MAX_LINES) else { panic!("{message}") };
    let (shown, rest) = message.split_at(end);
    let more = rest.trim_end().lines().count().saturating_sub(1);
    panic!("{shown}\n… and {more} more lines; Collected::tree returns all of them")
}

/// Lines of a panic message: the trees of 100,000 spans take 6 MB.
const MAX_LINES: usize = 1000;

/// How long a flush, or a thread with a full budget, waits for the collection, which takes
/// microseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
