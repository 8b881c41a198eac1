//! One span, sent through a transport, and the explanation of the answer.

use super::check::{CheckStatus, DoctorCheck};
use super::request::{NAME, ProbeRequest};
use spanwise_transport::__private::probing;
use spanwise_transport::{Delivery, FailedAttempt, Failure, Outcome, Transport};
use spanwise_worker::clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

/// A request with one span that was sent, and its outcome.
pub(super) struct Attempt {
    destination: String,
    trace_id: String,
    pub(super) delivery: Delivery,
    /// The receiver refused the compression, with this attempt.
    refused: Option<FailedAttempt>,
    took: Duration,
    limit: Duration,
    /// The time of the answer.
    pub(super) ended: SystemTime,
}

/// The stage of a request, by the name of its check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Connection,
    Tls,
    Span,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Tls => "TLS",
            Self::Span => "span",
        }
    }
}

impl Attempt {
    /// Sends a span of the service that `resource` describes: once, and a second time if the receiver refuses the
    /// compression. Returns after `limit` at the latest.
    ///
    /// A pause that the receiver asked the program for (`Retry-After`) is not awaited, and one that it asks the doctor for
    /// does not stop the program.
    pub(super) fn send(transport: &Transport, resource: &[u8], limit: Duration) -> Self {
        let request = ProbeRequest::new(resource);
        let trace_id = format!("{:032x}", request.trace_id.0);
        let started = Instant::now();
        let failures = Arc::new((Mutex::new((None, None)), Notify::new()));
        let observer = failures.clone();
        let transport = probing(transport).with_attempt_observer(move |failed| {
            let mut seen = observer.0.lock().unwrap_or_else(PoisonError::into_inner);
            match failed.refused_compression {
                Some(_) => seen.0 = Some(failed.clone()),
                None => {
                    seen.1 = Some(failed.clone());
                    // The first failure ends the request.
                    observer.1.notify_one();
                }
            }
        });
        let sending = async {
            let end = async {
                let _failed_or_late = tokio::time::timeout(limit, failures.1.notified()).await;
            };
            transport.send_with_cancel(request.bytes, end).await
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let mut delivery = match runtime {
            Ok(runtime) => {
                let delivery = runtime.block_on(sending);
                // A resolver that hangs has a thread of its own.
                runtime.shutdown_background();
                delivery
            }
            Err(error) => {
                let mut delivery = Delivery::from(Outcome::Failed(Failure::Unsendable));
                delivery.cause = format!("the runtime of the doctor cannot be built: {error}");
                delivery
            }
        };
        let (took, destination) = (started.elapsed(), transport.destination());
        let (refused, failed) =
            std::mem::take(&mut *failures.0.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(failed) = failed.filter(|_| !delivery.is_accepted()) {
            let FailedAttempt { cause, advice, .. } = failed;
            (delivery.cause, delivery.advice) = (cause, advice);
        }
        // The time of the spans' clock.
        let ended = UNIX_EPOCH + Duration::from_nanos(clock::unix_nanos());
        Self { destination, trace_id, delivery, refused, took, limit, ended }
    }

    /// Whether the receiver took the span.
    pub(super) fn is_accepted(&self) -> bool {
        matches!(self.delivery.outcome, Outcome::Accepted { rejected: 0, .. })
            && !self.delivery.response_undecodable
    }

    /// The check of `stage`, which failed as the delivery explains.
    pub(super) fn failed(&self, stage: Stage) -> DoctorCheck {
        let Delivery { outcome, cause, advice, .. } = &self.delivery;
        let is_cancelled = matches!(outcome, Outcome::Failed(Failure::Shutdown));
        let finding = match stage {
            _ if cause.is_empty() => outcome.to_string(),
            _ if !is_cancelled || !cause.starts_with("cancelled") => cause.clone(),
            Stage::Connection => format!("no connection within {:?}", self.limit),
            Stage::Tls => format!("no TLS session within {:?}", self.limit),
            Stage::Span => format!("no answer within {:?}", self.limit),
        };
        let is_too_large = matches!(outcome, Outcome::Failed(Failure::TooLarge));
        let fix = match advice {
            Some(advice) => advice,
            None if is_too_large => TOO_LARGE,
            None if BUSY.iter().any(|status| finding.starts_with(status)) => TRY_AGAIN,
            None if finding.contains(" within ") && stage == Stage::Connection => UNREACHABLE,
            None if finding.contains(" within ") => SILENT,
            None => return DoctorCheck::both(stage.name(), CheckStatus::Failed, finding),
        };
        DoctorCheck::both(stage.name(), CheckStatus::Failed, finding).with_fix(fix)
    }

    /// The check of the compression, if the receiver refuses it.
    pub(super) fn compression(&self) -> Option<DoctorCheck> {
        let FailedAttempt { cause, advice, refused_compression, .. } = self.refused.as_ref()?;
        let compression = (*refused_compression)?;
        let finding =
            format!("the receiver refuses {compression}: {cause}; requests follow uncompressed");
        let check = DoctorCheck::both("compression", CheckStatus::Warning, finding);
        Some(check.with_fix(advice.as_deref().unwrap_or_default()))
    }

    /// The check of the answer.
    pub(super) fn answer(&self) -> DoctorCheck {
        let Self { destination, delivery, took, trace_id, .. } = self;
        let check =
            |status, finding: String| DoctorCheck::both(Stage::Span.name(), status, finding);
        match &delivery.outcome {
            Outcome::Accepted { .. } if delivery.response_undecodable => {
                check(CheckStatus::Failed, delivery.cause.clone()).with_fix(NOT_OTLP)
            }
            Outcome::Accepted { rejected: 1.., message } => {
                let message = message.as_deref().unwrap_or("it gives no reason");
                let finding =
                    format!("the receiver took the request and rejected the span: {message}");
                check(CheckStatus::Failed, finding).with_fix(REJECTED)
            }
            Outcome::Accepted { message, .. } => {
                let accepted = format!(
                    "{destination} accepted a span named `{NAME}` in {took:.1?}, trace id {trace_id}"
                );
                match message {
                    Some(warning) => {
                        check(CheckStatus::Warning, format!("{accepted}, and warned: {warning}"))
                    }
                    None => check(CheckStatus::Passed, accepted),
                }
            }
            Outcome::Failed(_) => self.failed(Stage::Span),
        }
    }

    /// The check of a further destination, whose failure stops no other; `found` is the one of its last stage.
    pub(super) fn further(&self, found: &DoctorCheck) -> DoctorCheck {
        let is_passed = found.status() == CheckStatus::Passed;
        let (status, finding) = match is_passed {
            true => (CheckStatus::Passed, found.finding().to_owned()),
            false => (CheckStatus::Warning, format!("{}: {}", self.destination, found.finding())),
        };
        let check = DoctorCheck::both("destination", status, finding);
        match found.fix() {
            Some(fix) => check.with_fix(fix),
            None => check,
        }
    }
}

const NOT_OTLP: &str = "a web server, a login page or a proxy answers at this address, not an OTLP receiver: check host, \
                        port and path of the endpoint, and NO_PROXY";
const REJECTED: &str = "the message is the receiver's: its own log and limits have more";
const TOO_LARGE: &str = "raise the receiver's limit of a request, or lower with_max_request_bytes";
/// The statuses after which a program sends again (OTLP 1.10, "Retryable Response Codes").
const BUSY: [&str; 4] = ["HTTP 429 ", "HTTP 502 ", "HTTP 503 ", "HTTP 504 "];
const TRY_AGAIN: &str = "the receiver, or a proxy in front of it, takes no requests at the moment: check its state, its load and what \
                         it forwards to; a program sends again after a wait";
const UNREACHABLE: &str = "a firewall or a wrong address drops the packets: check host and port of the endpoint, and \
                           network policies";
const SILENT: &str =
    "the peer is connected and silent: check that the port is one of OTLP, and the receiver's load";
