//! [`Diagnostic`]: a report, and its line of text.

use super::counted::{Counted, write_lost};
use super::interval::REPORT_INTERVAL;
use crate::config::Reloaded;
use spanwise_export::SpoolRecovery;
use spanwise_ledger::{DropReason, Snapshot};
use spanwise_transport::{Compression, Failure};
use std::fmt;
use std::time::Duration;

/// A report of the provider about itself: `docs/DIAGNOSTICS.md` has an example of each.
///
/// `Display` and `Debug` print one line. It has no header values and no payload, and of a URL neither
/// user info nor query; foreign text is truncated to 256 bytes without control characters.
#[derive(Clone)]
#[non_exhaustive]
pub enum Diagnostic {
    /// An environment variable has an invalid value; the default is in force.
    SettingIgnored {
        /// The variable.
        setting: String,
        /// Its value.
        value: String,
        /// The accepted values.
        accepted: String,
    },
    /// A known setting has no effect here: it is not supported, or belongs to another choice.
    SettingUnused {
        /// The variable, or the builder's method. Its value is not shown: it may be a secret.
        setting: &'static str,
        /// The reason, and the setting to use instead.
        reason: String,
    },
    /// A variable of the process is a letter or two away from a known one. Of an explanation and the doctor alone: the
    /// variables of other SDKs are no concern of a build.
    VariableMisspelt {
        /// Its name.
        name: String,
        /// The known variable.
        nearest: &'static str,
    },
    /// A part of the configuration file has no effect, or is of a newer version.
    ConfigFileWarning {
        /// `file:line:column: path: message`.
        warning: String,
    },
    /// The container has little memory: the default budget is smaller than usual.
    BudgetReduced {
        /// The memory limit of the control group, or of the configuration file, in bytes.
        limit_bytes: u64,
        /// The budget in bytes.
        budget_bytes: usize,
    },
    /// The container has less than one processor: fewer requests are in flight than usual.
    InFlightReduced {
        /// The limit of the control group, or of the configuration file, in processors.
        cpus: f64,
        /// The largest number of requests in flight.
        requests: usize,
    },
    /// The watched configuration file has changed, and the provider has taken it over. A warning if a setting waits for a
    /// restart.
    ConfigFileReloaded {
        /// The path.
        file: String,
        /// The settings that have changed, and those that need a restart.
        reloaded: Box<Reloaded>,
    },
    /// The watched configuration file has changed and cannot be used: the configuration stays.
    ConfigFileNotReloaded {
        /// The path.
        file: String,
        /// The mistake, with its place in the file.
        error: String,
    },
    /// A resource detector could not read an attribute, or the resource has no space for it.
    AttributeNotDetected {
        /// The attribute.
        attribute: String,
        /// The reason why it is missing.
        problem: String,
    },
    /// An attempt to send failed, the first since a request was accepted; or, at least half a minute
    /// later, the first for another cause. A refusal of the request's size is none: see
    /// [`RequestSplit`](Self::RequestSplit).
    EndpointFailing {
        /// The endpoint of the requests; of a further destination its name, and the endpoint in brackets.
        endpoint: String,
        /// The cause of the failure.
        cause: String,
        /// The usual remedy.
        advice: Option<String>,
        /// The number of the attempt for its request, from 1.
        attempt: u32,
        /// The wait before the next attempt; `None` when the exporter dropped the request.
        retry_in: Option<Duration>,
    },
    /// A request was accepted, the first since [`EndpointFailing`](Self::EndpointFailing).
    EndpointRecovered {
        /// The endpoint of the requests.
        endpoint: String,
        /// The time since the first attempt that failed.
        after: Duration,
        /// Attempts that failed in that time.
        attempts: u64,
    },
    /// Failed attempts in a row opened the circuit breaker: requests wait, and one at a time probes the endpoint.
    CircuitBreakerOpened {
        /// The endpoint, as in [`EndpointFailing`](Self::EndpointFailing).
        endpoint: String,
        /// The cause of the last failure.
        cause: String,
        /// The earliest start of the next attempt; `None` when the request that failed was dropped.
        retry_in: Option<Duration>,
    },
    /// The receiver refuses the compression of requests: they are sent again uncompressed. Reported once.
    CompressionRefused {
        /// The endpoint of the requests.
        endpoint: String,
        /// The compression.
        compression: Compression,
        /// The receiver's answer.
        cause: String,
        /// The usual remedy.
        advice: Option<String>,
    },
    /// Certificate files or a key file changed and cannot be used; the old ones stay in use. Reported once for each
    /// failure.
    CertificatesNotReloaded {
        /// The setting, its value, the problem, and the accepted values.
        error: String,
    },
    /// The files that changed are in use, the first time since
    /// [`CertificatesNotReloaded`](Self::CertificatesNotReloaded).
    CertificatesReloaded {
        /// The time since a connection first found files that cannot be used.
        after: Duration,
    },
    /// The exporter dropped a request, for another cause than that of
    /// [`EndpointFailing`](Self::EndpointFailing).
    RequestFailed {
        /// The number of its spans.
        spans: u64,
        /// The final failure.
        failure: Failure,
        /// The last text of the server or the connection; one line, at most 256 bytes.
        detail: String,
    },
    /// The receiver rejected spans (partial success).
    SpansRejected {
        /// Number of spans.
        spans: u64,
        /// Its message about them.
        message: String,
    },
    /// The receiver rejected data points of the export of metrics (partial success).
    MetricsRejected {
        /// Number of points.
        points: u64,
        /// Its message about them.
        message: String,
    },
    /// The receiver accepted all spans and sent a message about them (a partial success that rejects
    /// none is a warning).
    ReceiverWarned {
        /// Its message.
        message: String,
    },
    /// The receiver refused a request as too large. Its spans are sent again in smaller requests, and no later
    /// request is larger.
    RequestSplit {
        /// The number of its spans.
        spans: u64,
        /// The maximum bytes of a request from now on.
        max_bytes: usize,
        /// The receiver's message; empty without one.
        detail: String,
    },
    /// The response states success and is not OTLP: perhaps the endpoint is no OTLP receiver. The
    /// spans count as exported.
    AnswerNotOtlp {
        /// The problem with the response.
        problem: String,
    },
    /// The endpoint of remote sampling returned no valid strategy; the sampler uses the one before.
    NoSamplingStrategy {
        /// The URL of the collector.
        url: String,
        /// The error without a response, or the problem with the response.
        problem: String,
    },
    /// The endpoint of remote sampling returned a valid strategy, the first since
    /// [`NoSamplingStrategy`](Self::NoSamplingStrategy).
    SamplingStrategyRecovered {
        /// The URL of the collector.
        url: String,
    },
    /// Spans were lost since the last time this was reported.
    SpansLost {
        /// The ledger's counts for that time.
        lost: Box<Snapshot>,
        /// Endpoint and cause of the last attempt that failed, if one did in that time.
        last_failure: Option<String>,
    },
    /// A further destination lost spans since the last time this was reported for it.
    DestinationSpansLost {
        /// The name of the destination.
        destination: String,
        /// The counts of its ledger for that time.
        lost: Box<Snapshot>,
        /// The cause of the last request that failed there, if one did in that time.
        last_failure: Option<String>,
    },
    /// No span was lost for half a minute after some were: the counterpart of
    /// [`SpansLost`](Self::SpansLost). The ledger counts it as `loss_recoveries`.
    LossEnded {
        /// The number of spans that were lost.
        spans: u64,
        /// The time between the first and the last loss, to the second.
        lasted: Duration,
    },
    /// The spool found spans of earlier processes on disk, or the last one crashed.
    SpoolRecovered {
        /// The spans.
        recovery: SpoolRecovery,
    },
    /// The spool cannot be used, or its thread has ended: spans are exported, and those that the receiver does not accept are lost.
    SpoolUnavailable {
        /// The reason.
        error: String,
    },
    /// An operation of the spool failed. The spans that it cost, if any, count as `spool_io`.
    SpoolFailed {
        /// The reason.
        error: String,
    },
    /// The receiver accepts no requests: their spans go to the disk from now on.
    SpoolStoring,
    /// All spans on disk were sent: the counterpart of [`SpoolStoring`](Self::SpoolStoring) and
    /// [`SpoolRecovered`](Self::SpoolRecovered).
    SpoolDrained,
    /// The worker thread terminated: it exports no more spans, and the provider drops later spans as
    /// `worker_unavailable`. Please report it.
    WorkerDied,
    /// User code panicked on the worker thread: a sampler's tick, or a destructor.
    UserCodePanicked {
        /// The code that panicked.
        code: &'static str,
        /// The panic's message, at most 256 bytes.
        message: String,
    },
    /// The first span started after the guard had been dropped: the provider records no span.
    GuardDropped {
        /// The time between the creation and the drop of the guard.
        after: Duration,
    },
    /// The handler was slower than the reports, and missed the oldest.
    ReportsLeftOut {
        /// The number of missed reports.
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
            Self::VariableMisspelt { name, nearest } => {
                write!(f, "{name} is no known variable; did you mean {nearest}?")
            }
            Self::ConfigFileWarning { warning } => f.write_str(warning),
            Self::BudgetReduced { limit_bytes, budget_bytes } => {
                write!(
                    f,
                    "the memory limit is {limit_bytes} bytes: the budget is {budget_bytes} bytes"
                )?;
                f.write_str("; with_budget_bytes, or its variable, sets another")
            }
            Self::InFlightReduced { cpus, requests } => {
                let requests = Counted(*requests as u64, "request");
                write!(f, "the limit of processors is {cpus}: {requests} at most in flight")?;
                f.write_str("; with_max_in_flight sets another number")
            }
            Self::ConfigFileReloaded { file, reloaded } => {
                write!(f, "{file} was read again: {reloaded}")
            }
            Self::ConfigFileNotReloaded { file, error } => {
                write!(f, "{file} has changed and cannot be used, the configuration stays: {error}")
            }
            Self::AttributeNotDetected { attribute, problem } => {
                write!(f, "the resource has no {attribute}: {problem}")
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
            Self::CircuitBreakerOpened { endpoint, cause, retry_in } => {
                write!(f, "the circuit breaker of {endpoint} opened: {cause}")?;
                match retry_in {
                    Some(wait) => write!(f, "; the next attempt in {wait:.1?}"),
                    None => Ok(()),
                }
            }
            Self::CompressionRefused { endpoint, compression, cause, advice } => {
                write!(
                    f,
                    "{endpoint} refuses {compression}: {cause}; requests are sent uncompressed"
                )?;
                if let Some(advice) = advice { write!(f, "; {advice}") } else { Ok(()) }
            }
            Self::CertificatesNotReloaded { error } => {
                f.write_str(
                    "changed certificate files cannot be used, the old ones stay in use: ",
                )?;
                f.write_str(error)
            }
            Self::CertificatesReloaded { after } => {
                write!(f, "the changed certificate files are in use, after {after:.1?} of old ones")
            }
            Self::RequestFailed { spans, failure, detail } => {
                write!(f, "a request with {} was given up: {failure}", Counted(*spans, "span"))?;
                if detail.is_empty() { Ok(()) } else { write!(f, " ({detail})") }
            }
            Self::SpansRejected { spans, message } => {
                write!(f, "the receiver rejected {}: {message}", Counted(*spans, "span"))
            }
            Self::MetricsRejected { points, message } => {
                write!(f, "the receiver rejected {}: {message}", Counted(*points, "data point"))
            }
            Self::ReceiverWarned { message } => {
                write!(f, "the receiver accepted all spans and warned: {message}")
            }
            Self::RequestSplit { spans, max_bytes, detail } => {
                let spans = Counted(*spans, "span");
                write!(
                    f,
                    "the receiver refused a request with {spans} as too large: they are sent again, in "
                )?;
                write!(f, "requests of at most {max_bytes} bytes from now on")?;
                if detail.is_empty() { Ok(()) } else { write!(f, "; its message: {detail}") }
            }
            Self::AnswerNotOtlp { problem } => {
                write!(f, "the endpoint answered {problem}; is it an OTLP receiver?")
            }
            Self::NoSamplingStrategy { url, problem } => {
                write!(f, "no sampling strategy from {url}: {problem}")
            }
            Self::SamplingStrategyRecovered { url } => {
                write!(f, "sampling strategies from {url} again")
            }
            Self::SpansLost { lost, last_failure } => {
                write_lost(f, "", lost)?;
                let by_queue = [DropReason::QueueBytes, DropReason::QueueFull, DropReason::Shed];
                let is_refused = by_queue.iter().any(|&reason| lost.dropped(reason) > 0);
                if is_refused && lost.sampled_out > 0 {
                    f.write_str("; spans below those are missing too, and count as sampled out")?;
                }
                match last_failure {
                    Some(failure) => write!(f, "; the last failure: {failure}"),
                    None => Ok(()),
                }
            }
            Self::DestinationSpansLost { destination, lost, last_failure } => {
                write_lost(f, &format!(" at {destination}"), lost)?;
                match last_failure {
                    Some(failure) => write!(f, "; the last failure: {failure}"),
                    None => Ok(()),
                }
            }
            Self::LossEnded { spans, lasted } => {
                let verb = if *spans == 1 { "was" } else { "were" };
                write!(
                    f,
                    "no spans lost for {REPORT_INTERVAL:?}: {} {verb} ",
                    Counted(*spans, "span")
                )?;
                write!(f, "lost in the {lasted:.1?} before")
            }
            Self::SpoolRecovered { recovery } => {
                let spans = Counted(recovery.spans, "span");
                write!(f, "the spool has {spans} of earlier processes, which are sent again")?;
                match recovery.crash.spans {
                    0 => Ok(()),
                    _ => write!(f, "; the last one crashed and lost {}", recovery.crash),
                }
            }
            Self::SpoolUnavailable { error } => {
                write!(f, "the spool cannot be used, and the export goes on without it: {error}")
            }
            Self::SpoolFailed { error } => write!(f, "the spool failed: {error}"),
            Self::SpoolStoring => {
                f.write_str("the receiver accepts no requests: their spans are stored in the spool")
            }
            Self::SpoolDrained => f.write_str("all spans in the spool were sent"),
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
