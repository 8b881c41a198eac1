//! What the operator is told: losses, failed requests, settings that were not taken.

mod endpoint_health;
mod reporter;

pub(crate) use endpoint_health::EndpointHealth;
pub(crate) use reporter::Reporter;

use crate::config::shown;
use spanwise_ledger::{Ledger, Snapshot};
use spanwise_transport::{Delivery, Failure};
use spanwise_worker::CaughtPanic;
use std::collections::HashMap;
use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Something worth a line in a log: `docs/DIAGNOSTICS.md` has an example of each.
///
/// `Display` is that line, and so is `Debug`. It holds no header values, no payload, and of a URL
/// neither user info nor query; text of others is cut to 256 bytes without control characters.
#[derive(Clone)]
#[non_exhaustive]
pub enum Diagnostic {
    /// An environment variable holds a value that is not accepted; the default is in force.
    SettingIgnored {
        /// The variable.
        setting: String,
        /// What it holds.
        value: String,
        /// What is accepted.
        accepted: String,
    },
    /// A known setting has no effect here: it is not supported, or goes with a choice not made.
    SettingUnused {
        /// The variable, or the builder's method. Its value is not shown: it may be a secret.
        setting: &'static str,
        /// Why not, and what to set instead.
        reason: String,
    },
    /// An attempt to send failed, the first since a request was accepted; or, at least half a minute
    /// later, the first for another cause.
    EndpointFailing {
        /// Where requests go.
        endpoint: String,
        /// Why the attempt failed.
        cause: String,
        /// What usually helps.
        advice: Option<String>,
        /// Which attempt of its request it was, from 1.
        attempt: u32,
        /// When the next attempt is made; `None` when the request was given up.
        retry_in: Option<Duration>,
    },
    /// A request was accepted, the first since [`EndpointFailing`](Self::EndpointFailing).
    EndpointRecovered {
        /// Where requests go.
        endpoint: String,
        /// The time since the first attempt that failed.
        after: Duration,
        /// Attempts that failed in that time.
        attempts: u64,
    },
    /// A request was given up, for another cause than [`EndpointFailing`](Self::EndpointFailing) gave.
    RequestFailed {
        /// Spans in it.
        spans: u64,
        /// Why.
        failure: Failure,
        /// What the server or the connection said last; one line, at most 256 bytes.
        detail: String,
    },
    /// The receiver left spans out (partial success).
    SpansRejected {
        /// How many.
        spans: u64,
        /// What it said about them.
        message: String,
    },
    /// The receiver accepted all spans and said something about them (a partial success that rejects
    /// none is a warning).
    ReceiverWarned {
        /// What it said.
        message: String,
    },
    /// The receiver answered with success, but not in OTLP: perhaps it is no OTLP receiver. The
    /// spans count as exported.
    AnswerNotOtlp {
        /// What is wrong with the answer.
        problem: String,
    },
    /// The endpoint of remote sampling had no strategy that can be used; the sampler goes on with
    /// the one before.
    NoSamplingStrategy {
        /// Who was asked.
        url: String,
        /// What came instead of an answer, or what is wrong with it.
        problem: String,
    },
    /// A strategy that can be used came, the first since
    /// [`NoSamplingStrategy`](Self::NoSamplingStrategy).
    SamplingStrategyRecovered {
        /// Who was asked.
        url: String,
    },
    /// Spans were lost since the last time this was reported.
    SpansLost {
        /// The account of that time.
        lost: Box<Snapshot>,
        /// Endpoint and cause of the last attempt that failed, if one did in that time.
        last_failure: Option<String>,
    },
    /// No span was lost for half a minute after some were.
    LossEnded,
    /// The worker thread has died: nothing is sent any more, and every span from now on is lost
    /// as `worker_unavailable`. Please report it.
    WorkerDied,
    /// Code of the user's panicked on the worker thread: a sampler's tick, or a destructor.
    UserCodePanicked {
        /// Which.
        code: &'static str,
        /// The panic's message, at most 256 bytes.
        message: String,
    },
    /// A span was started after the guard had been dropped, before any other span: it is not
    /// recorded, and nothing will be.
    GuardDropped {
        /// How long the guard lived.
        after: Duration,
    },
    /// The handler was slower than the reports: the oldest were not shown.
    ReportsLeftOut {
        /// How many.
        reports: u64,
    },
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SettingIgnored { setting, value, accepted } => {
                write!(f, "{setting}=`{value}` is ignored: accepted is {accepted}")
            }
            Self::SettingUnused { setting, reason } => {
                write!(f, "{setting} has no effect: {reason}")
            }
            Self::EndpointFailing { endpoint, cause, advice, attempt, retry_in } => {
                write!(f, "cannot export to {endpoint}: {cause} (attempt {attempt}, ")?;
                match retry_in {
                    Some(wait) => write!(f, "the next in {wait:.1?})")?,
                    None => f.write_str("the request is given up)")?,
                }
                if let Some(advice) = advice { write!(f, "; {advice}") } else { Ok(()) }
            }
            Self::EndpointRecovered { endpoint, after, attempts } => {
                write!(f, "exporting to {endpoint} again, after {after:.1?} and ")?;
                write!(f, "{}", Counted(*attempts, "failed attempt"))
            }
            Self::RequestFailed { spans, failure, detail } => {
                write!(f, "a request with {} was given up: {failure}", Counted(*spans, "span"))?;
                if detail.is_empty() { Ok(()) } else { write!(f, " ({detail})") }
            }
            Self::SpansRejected { spans, message } => {
                write!(f, "the receiver rejected {}: {message}", Counted(*spans, "span"))
            }
            Self::ReceiverWarned { message } => {
                write!(f, "the receiver accepted all spans and warned: {message}")
            }
            Self::AnswerNotOtlp { problem } => {
                write!(f, "the receiver's answer is a success but no OTLP: {problem}; ")?;
                f.write_str("is the endpoint an OTLP receiver?")
            }
            Self::NoSamplingStrategy { url, problem } => {
                write!(f, "no sampling strategy from {url}: {problem}")
            }
            Self::SamplingStrategyRecovered { url } => {
                write!(f, "sampling strategies from {url} again")
            }
            Self::SpansLost { lost, last_failure } => {
                write!(f, "{} lost:", Counted(lost.dropped_total(), "span"))?;
                for (index, (reason, spans)) in lost.drops().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma} {} {spans}", reason.name())?;
                }
                write!(f, " ({} exported meanwhile)", lost.exported)?;
                match last_failure {
                    Some(failure) => write!(f, "; the last failure: {failure}"),
                    None => Ok(()),
                }
            }
            Self::LossEnded => write!(f, "no spans lost for {EVERY:?}"),
            Self::WorkerDied => {
                write!(f, "the worker thread has died: all spans from now on are lost")
            }
            Self::UserCodePanicked { code, message } => write!(f, "{code} {message}"),
            Self::GuardDropped { after } => {
                write!(f, "tracing was shut down {after:.1?} after its start, before any span: ")?;
                f.write_str(
                    "keep the guard (`let _guard = …`, not `let _ = …`) while spans are made",
                )
            }
            Self::ReportsLeftOut { reports } => {
                write!(f, "{} not shown: the handler is slow", Counted(*reports, "older report"))
            }
        }
    }
}

impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A number of things: `1 span`, `2 spans`.
pub(crate) struct Counted(pub(crate) u64, pub(crate) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, thing) = self;
        write!(f, "{count} {thing}{}", if *count == 1 { "" } else { "s" })
    }
}

/// Who is told. Called on a thread of its own, which it may block.
pub(crate) type Handler = Arc<dyn Fn(&Diagnostic) + Send + Sync>;

/// Reports the same kind of thing at most every half a minute.
pub(crate) struct Diagnostics {
    reporter: Reporter,
    health: EndpointHealth,
    next_look: Option<Instant>,
    /// The account when losses were last reported.
    reported: Option<(Instant, Snapshot)>,
    losing: bool,
    last: HashMap<Kind, Instant>,
    /// Whether the endpoint of remote sampling was reported and has not recovered.
    unadvised: bool,
}

/// What is reported at most every half a minute.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// Of one kind of [`Failure`], by its name.
    Failed(&'static str),
    Rejected,
    Warned,
    NotOtlp,
    NoStrategy,
    Panicked,
}

impl Diagnostics {
    pub(crate) fn new(reporter: Reporter, health: EndpointHealth) -> Self {
        Self {
            reporter,
            health,
            next_look: None,
            reported: None,
            losing: false,
            last: HashMap::new(),
            unadvised: false,
        }
    }

    /// A request was accepted.
    pub(crate) fn accepted(&self) {
        self.health.accepted();
    }

    pub(crate) fn request_failed(&mut self, spans: u64, failure: &Failure, delivery: &Delivery) {
        let Delivery { detail, cause, .. } = delivery;
        // A shutdown's own report has the number and the last failure.
        let is_known = *failure == Failure::Shutdown || self.health.has_reported(cause);
        if !is_known && self.due(Kind::Failed(failure.name())) {
            let said = if detail.is_empty() { cause } else { detail };
            let (failure, detail) = (*failure, said.clone());
            self.report(Diagnostic::RequestFailed { spans, failure, detail });
        }
    }

    pub(crate) fn rejected(&mut self, spans: u64, message: &str) {
        if self.due(Kind::Rejected) {
            self.report(Diagnostic::SpansRejected { spans, message: sanitize(message) });
        }
    }

    pub(crate) fn receiver_warned(&mut self, message: &str) {
        if self.due(Kind::Warned) {
            self.report(Diagnostic::ReceiverWarned { message: sanitize(message) });
        }
    }

    pub(crate) fn answer_not_otlp(&mut self, problem: &str) {
        if self.due(Kind::NotOtlp) {
            self.report(Diagnostic::AnswerNotOtlp { problem: sanitize(problem) });
        }
    }

    pub(crate) fn no_strategy(&mut self, url: &str, problem: &str) {
        if self.due(Kind::NoStrategy) {
            self.unadvised = true;
            let url = shown(url);
            self.report(Diagnostic::NoSamplingStrategy { url, problem: sanitize(problem) });
        }
    }

    pub(crate) fn strategy(&mut self, url: &str) {
        if std::mem::take(&mut self.unadvised) {
            self.report(Diagnostic::SamplingStrategyRecovered { url: shown(url) });
        }
    }

    /// Looks for losses once a second; the first is reported at once, later ones summed up.
    pub(crate) fn report_losses(&mut self, now: Instant, ledger: &Ledger) {
        if self.next_look.is_some_and(|next| now < next) {
            return;
        }
        self.next_look = Some(now + LOOK_EVERY);
        let resting = self.reported.as_ref().is_some_and(|(at, _)| now < *at + EVERY);
        if !resting {
            self.report_losses_since(now, ledger);
        }
    }

    /// Reports what was not reported yet, whatever the time.
    pub(crate) fn report_last_losses(&mut self, ledger: &Ledger) {
        self.losing = false;
        self.report_losses_since(Instant::now(), ledger);
    }

    fn report_losses_since(&mut self, now: Instant, ledger: &Ledger) {
        let account = ledger.snapshot();
        let (since, lost) = match &self.reported {
            Some((at, reported)) => (Some(*at), account.since(reported)),
            None => (None, account.clone()),
        };
        if lost.dropped_total() > 0 {
            self.losing = true;
            self.reported = Some((now, account));
            let last_failure = self.health.last_failure(since);
            self.report(Diagnostic::SpansLost { lost: Box::new(lost), last_failure });
        } else if self.losing {
            self.losing = false;
            self.report(Diagnostic::LossEnded);
        }
    }

    /// Code of the user's panicked on the worker thread.
    pub(crate) fn user_code_panicked(&mut self, code: &'static str, panic: &CaughtPanic) {
        if self.due(Kind::Panicked) {
            self.report(Diagnostic::UserCodePanicked { code, message: panic.to_string() });
        }
    }

    pub(crate) fn close(&self) {
        self.reporter.close();
    }

    pub(crate) fn worker_died(&self) {
        self.report(Diagnostic::WorkerDied);
    }

    fn due(&mut self, kind: Kind) -> bool {
        let now = Instant::now();
        let due = self.last.get(&kind).is_none_or(|last| now >= *last + EVERY);
        if due {
            self.last.insert(kind, now);
        }
        due
    }

    fn report(&self, diagnostic: Diagnostic) {
        self.reporter.report(diagnostic);
    }
}

/// Text of others as it can stand in a line, at most 256 bytes of it.
pub(crate) fn sanitize(text: &str) -> String {
    spanwise_worker::sanitize(text, MAX_SHOWN)
}

/// The default: a line on standard error, and no complaint when there is none.
pub(crate) fn to_stderr() -> Handler {
    Arc::new(|diagnostic| {
        // In one write: lines of several writers do not mix.
        let line = format!("spanwise: {diagnostic}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    })
}

/// Bytes of others' text in a line.
const MAX_SHOWN: usize = 256;
/// Between two lines of a kind.
const EVERY: Duration = Duration::from_secs(30);
/// Between two looks at the ledger.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use spanwise_ledger::DropReason;
    use spanwise_transport::Status;

    /// An example of each, and every variant has one: the match does not compile otherwise.
    fn examples() -> Vec<Diagnostic> {
        let text = str::to_owned;
        let ledger = Ledger::new();
        (0..16).for_each(|_| ledger.started());
        ledger.dropped(DropReason::ShutdownDeadline, 16);
        let endpoint = || text("http://localhost:4318/v1/traces");
        let url = || text("http://localhost:5778/sampling");
        let refused = "connection refused";
        let first = Diagnostic::SettingIgnored {
            setting: text("OTEL_BSP_SCHEDULE_DELAY"),
            value: text("soon"),
            accepted: text("milliseconds, 1 or more"),
        };
        let examples = vec![
            first,
            Diagnostic::SettingUnused {
                setting: "OTEL_PROPAGATORS",
                reason: text(
                    "propagators are set in code, by opentelemetry::global::set_text_map_propagator",
                ),
            },
            Diagnostic::EndpointFailing {
                endpoint: endpoint(),
                cause: text(refused),
                advice: Some(text("is a collector listening there?")),
                attempt: 1,
                retry_in: Some(Duration::from_millis(63)),
            },
            Diagnostic::EndpointFailing {
                endpoint: text("http://localhost:4318/"),
                cause: text("HTTP 404 Not Found"),
                advice: None,
                attempt: 1,
                retry_in: None,
            },
            Diagnostic::EndpointRecovered {
                endpoint: endpoint(),
                after: Duration::from_millis(12_300),
                attempts: 9,
            },
            Diagnostic::RequestFailed {
                spans: 512,
                failure: Failure::Rejected { status: Status::Http(401) },
                detail: text("no such token"),
            },
            Diagnostic::SpansRejected { spans: 3, message: text("trace id is zero") },
            Diagnostic::ReceiverWarned { message: text("attribute \"host\" is deprecated") },
            Diagnostic::AnswerNotOtlp { problem: text("content-type is text/html") },
            Diagnostic::NoSamplingStrategy { url: url(), problem: text(refused) },
            Diagnostic::SamplingStrategyRecovered { url: url() },
            Diagnostic::SpansLost {
                lost: Box::new(ledger.snapshot()),
                last_failure: Some(format!("{}: {refused}", endpoint())),
            },
            Diagnostic::LossEnded,
            Diagnostic::WorkerDied,
            Diagnostic::UserCodePanicked {
                code: "the sampler's tick",
                message: text("panicked: index out of bounds"),
            },
            Diagnostic::GuardDropped { after: Duration::from_micros(85) },
            Diagnostic::ReportsLeftOut { reports: 5 },
        ];
        for example in &examples {
            match example {
                Diagnostic::SettingIgnored { .. }
                | Diagnostic::SettingUnused { .. }
                | Diagnostic::EndpointFailing { .. }
                | Diagnostic::EndpointRecovered { .. }
                | Diagnostic::RequestFailed { .. }
                | Diagnostic::SpansRejected { .. }
                | Diagnostic::ReceiverWarned { .. }
                | Diagnostic::AnswerNotOtlp { .. }
                | Diagnostic::NoSamplingStrategy { .. }
                | Diagnostic::SamplingStrategyRecovered { .. }
                | Diagnostic::SpansLost { .. }
                | Diagnostic::LossEnded
                | Diagnostic::WorkerDied
                | Diagnostic::UserCodePanicked { .. }
                | Diagnostic::GuardDropped { .. }
                | Diagnostic::ReportsLeftOut { .. } => {}
            }
        }
        examples
    }

    #[test]
    fn the_table_of_diagnostics_is_what_they_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/DIAGNOSTICS.md");
        let page = std::fs::read_to_string(path).unwrap();
        let examples = examples();
        for example in &examples {
            assert!(page.contains(&format!("| `{example}` |")), "{example}");
            assert_eq!(format!("{example:?}"), example.to_string());
        }
        let rows = page.lines().filter(|line| line.starts_with("| ") && line.ends_with("` |"));
        assert_eq!(rows.count(), examples.len(), "a row for each example");
    }
}
