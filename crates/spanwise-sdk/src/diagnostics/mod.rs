//! What the operator is told: losses, failed requests, settings that were not taken.

mod reporter;

pub(crate) use reporter::Reporter;

use spanwise_ledger::{Ledger, Snapshot};
use spanwise_transport::Failure;
use spanwise_worker::CaughtPanic;
use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Something worth a line in a log.
///
/// `Display` is that line. It holds no header values and no payload.
#[derive(Debug, Clone)]
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
    /// A request was given up.
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
    /// Remote sampling was told nothing it can use; it goes on as it was told before.
    NoSamplingStrategy {
        /// Who was asked, without what may be a secret.
        url: String,
        /// What came instead of an answer, or what is wrong with it.
        problem: String,
    },
    /// Spans were lost since the last time this was said.
    SpansLost {
        /// The account of that time.
        lost: Box<Snapshot>,
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
            Self::RequestFailed { spans, failure, detail } => {
                write!(f, "a request with {spans} spans was given up: {failure}")?;
                if detail.is_empty() { Ok(()) } else { write!(f, " ({detail})") }
            }
            Self::SpansRejected { spans, message } => {
                write!(f, "the receiver rejected {spans} spans: {message}")
            }
            Self::NoSamplingStrategy { url, problem } => {
                write!(f, "no sampling strategy from {url}: {problem}")
            }
            Self::SpansLost { lost } => {
                write!(f, "{} spans lost:", lost.dropped_total())?;
                for (index, (reason, spans)) in lost.drops().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma} {} {spans}", reason.name())?;
                }
                write!(f, " ({} exported meanwhile)", lost.exported)
            }
            Self::LossEnded => write!(f, "no spans lost for {:?}", EVERY),
            Self::WorkerDied => {
                write!(f, "the worker thread has died: all spans from now on are lost")
            }
            Self::UserCodePanicked { code, message } => write!(f, "{code} {message}"),
            Self::ReportsLeftOut { reports } => {
                write!(f, "{reports} older reports were not shown: the handler is slow")
            }
        }
    }
}

/// Who is told. Called on a thread of its own, which it may block.
pub(crate) type Handler = Arc<dyn Fn(&Diagnostic) + Send + Sync>;

/// Says the same kind of thing at most every half a minute.
pub(crate) struct Diagnostics {
    reporter: Reporter,
    next_look: Option<Instant>,
    /// The account when losses were last told.
    told: Option<(Instant, Snapshot)>,
    losing: bool,
    last_failed: Option<Instant>,
    last_rejected: Option<Instant>,
    last_unadvised: Option<Instant>,
    last_panicked: Option<Instant>,
}

impl Diagnostics {
    pub(crate) fn new(reporter: Reporter) -> Self {
        Self {
            reporter,
            next_look: None,
            told: None,
            losing: false,
            last_failed: None,
            last_rejected: None,
            last_unadvised: None,
            last_panicked: None,
        }
    }

    pub(crate) fn request_failed(&mut self, spans: u64, failure: &Failure, detail: &str) {
        if due(&mut self.last_failed) {
            let (failure, detail) = (*failure, detail.to_owned());
            self.say(Diagnostic::RequestFailed { spans, failure, detail });
        }
    }

    pub(crate) fn rejected(&mut self, spans: u64, message: &str) {
        if due(&mut self.last_rejected) {
            self.say(Diagnostic::SpansRejected { spans, message: sanitize(message) });
        }
    }

    pub(crate) fn no_strategy(&mut self, url: &str, problem: &str) {
        if due(&mut self.last_unadvised) {
            // Credentials stand before the host, and keys in a query.
            let url = url.split('?').next().unwrap_or_default();
            let url = url.rsplit('@').next().unwrap_or_default().to_owned();
            self.say(Diagnostic::NoSamplingStrategy { url, problem: sanitize(problem) });
        }
    }

    /// Looks for losses once a second; the first is told at once, later ones summed up.
    pub(crate) fn tell(&mut self, now: Instant, ledger: &Ledger) {
        if self.next_look.is_some_and(|next| now < next) {
            return;
        }
        self.next_look = Some(now + LOOK_EVERY);
        let resting = self.told.as_ref().is_some_and(|(at, _)| now < *at + EVERY);
        if !resting {
            self.tell_losses(now, ledger);
        }
    }

    /// Tells what was not told yet, whatever the time.
    pub(crate) fn tell_rest(&mut self, ledger: &Ledger) {
        self.losing = false;
        self.tell_losses(Instant::now(), ledger);
    }

    fn tell_losses(&mut self, now: Instant, ledger: &Ledger) {
        let account = ledger.snapshot();
        let lost = match &self.told {
            Some((_, told)) => account.since(told),
            None => account.clone(),
        };
        if lost.dropped_total() > 0 {
            self.losing = true;
            self.told = Some((now, account));
            self.say(Diagnostic::SpansLost { lost: Box::new(lost) });
        } else if self.losing {
            self.losing = false;
            self.say(Diagnostic::LossEnded);
        }
    }

    /// Code of the user's panicked on the worker thread.
    pub(crate) fn user_code_panicked(&mut self, code: &'static str, panic: &CaughtPanic) {
        if due(&mut self.last_panicked) {
            self.say(Diagnostic::UserCodePanicked { code, message: panic.to_string() });
        }
    }

    pub(crate) fn close(&self) {
        self.reporter.close();
    }

    pub(crate) fn worker_died(&self) {
        self.say(Diagnostic::WorkerDied);
    }

    fn say(&self, diagnostic: Diagnostic) {
        self.reporter.report(diagnostic);
    }
}

/// Text of others as it can stand in a line: no control characters, at most 256 characters.
pub(crate) fn sanitize(text: &str) -> String {
    text.chars().take(MAX_SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The default: a line on standard error, and no complaint when there is none.
pub(crate) fn to_stderr() -> Handler {
    Arc::new(|diagnostic| {
        // In one write: lines of several writers do not mix.
        let line = format!("spanwise: {diagnostic}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    })
}

fn due(last: &mut Option<Instant>) -> bool {
    let now = Instant::now();
    let due = last.is_none_or(|last| now >= last + EVERY);
    if due {
        *last = Some(now);
    }
    due
}

/// Characters of others' text in a line.
const MAX_SHOWN: usize = 256;
/// Between two lines of a kind.
const EVERY: Duration = Duration::from_secs(30);
/// Between two looks at the ledger.
const LOOK_EVERY: Duration = Duration::from_secs(1);
