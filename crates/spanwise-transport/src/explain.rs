//! Why an exchange failed, in words, as far as the connection tells.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::advice::Advice;
use crate::classify::Verdict;
use crate::retry::Cause;
use crate::tcp::{ConnectProblem, First, Heard, State};
use crate::wire::below;
use crate::{Endpoint, Failure, Protocol, Status};

/// Why an attempt failed, in words, and what usually helps.
pub(crate) fn failed(verdict: &Verdict, protocol: Protocol, https: bool) -> Words {
    let (status, failure, detail, advice) = match verdict {
        Verdict::Accepted { .. } => return Words::new("", None),
        Verdict::Permanent { failure, detail, advice, .. } => {
            let status = match *failure {
                Failure::Rejected { status } => Some(status),
                Failure::Redirect { status } => Some(Status::Http(status)),
                _ => None,
            };
            (status, *failure, detail, *advice)
        }
        Verdict::Again { cause, detail, advice, .. } => {
            let status = match *cause {
                Cause::Answered(status) => Some(status),
                Cause::NotSent | Cause::Ambiguous | Cause::Tls => None,
            };
            (status, cause.failure(), detail, *advice)
        }
    };
    let text = match status {
        // A connection's failure is in words already.
        None if detail.is_empty() => failure.to_string(),
        None if failure == Failure::TooLarge => format!("{failure}: {detail}"),
        None => detail.clone(),
        Some(status) if detail.is_empty() => named(status),
        Some(status) => format!("{}: {detail}", named(status)),
    };
    let advice = advice
        .or_else(|| (!https && wants_tls(status, detail)).then_some(Advice::SpeakTls))
        .or_else(|| status.and_then(|status| Advice::of_status(status, protocol)));
    Words { text, advice }
}

/// A status with the words that its standard gives it.
pub(crate) fn named(status: Status) -> String {
    let reason = match status {
        Status::Http(code) => http::StatusCode::from_u16(code).ok(),
        Status::Grpc(_) => None,
    };
    match reason.and_then(|code| code.canonical_reason()) {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}

/// Whether an answer complains that it was not asked over TLS, as those of Go, nginx and Apache do.
fn wants_tls(status: Option<Status>, said: &str) -> bool {
    let wordings = ["HTTPS server", "HTTPS port", "SSL-enabled server"];
    matches!(status, Some(Status::Http(400 | 426 | 497)))
        && wordings.iter().any(|wording| said.contains(wording))
}

/// The way that requests take, and what was heard on it.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    protocol: Protocol,
    https: bool,
    pub(crate) heard: Heard,
}

/// A cause in words, and what usually helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) text: String,
    pub(crate) advice: Option<Advice>,
}

impl Words {
    fn new(text: impl Into<String>, advice: impl Into<Option<Advice>>) -> Self {
        Self { text: text.into(), advice: advice.into() }
    }
}

impl Way {
    pub(crate) fn new(protocol: Protocol, endpoint: &Endpoint) -> Self {
        Self { protocol, https: endpoint.is_https(), heard: Heard::default() }
    }

    /// An exchange ended with `error`; `sent`: after bytes of the request left.
    pub(crate) fn broken(&self, error: &(dyn Error + 'static), sent: bool) -> Words {
        let chain = || below(error);
        // No connection: what earlier ones said is of no interest.
        if let Some(problem) = chain().find_map(|error| error.downcast_ref::<ConnectProblem>()) {
            let advice = match problem {
                ConnectProblem::Refused | ConnectProblem::TimedOut => Some(Advice::NotListening),
                ConnectProblem::Name(_) => Some(Advice::Name),
                ConnectProblem::Other(_) => None,
            };
            return Words::new(problem.to_string(), advice);
        }
        // The peer's own bytes are better evidence than the error they led to.
        self.mismatch()
            .or_else(|| chain().find_map(|error| self.tls(error, sent)))
            .or_else(|| chain().find_map(|error| self.http(error)))
            .or_else(|| chain().find_map(|error| self.h2(error)))
            .or_else(|| chain().find_map(|error| self.io(error, sent)))
            .unwrap_or_else(|| {
                let innermost = chain().last().map(ToString::to_string).unwrap_or_default();
                Words::new(format!("the connection failed: {innermost}"), None)
            })
    }

    /// Nothing came within `allowed`. `before` is what was heard when the attempt began.
    pub(crate) fn out_of_time(&self, sent: bool, before: State, allowed: Duration) -> Words {
        // To the millisecond: the clock has moved a little since the time was given.
        let allowed = Duration::from_millis((allowed + HALF_MILLI).as_millis() as u64);
        let connected = self.heard.state().connected > before.connected;
        match () {
            () if sent => Words::new(format!("no answer within {allowed:?}"), None),
            () if connected && self.https => {
                Words::new(format!("no TLS session within {allowed:?}"), Advice::Mismatch)
            }
            () if connected => Words::new(format!("no answer within {allowed:?}"), None),
            () => Words::new(format!("no connection within {allowed:?}"), None),
        }
    }

    /// What the peer's first bytes say, if they are those of another protocol.
    fn mismatch(&self) -> Option<Words> {
        use Protocol::{Grpc, HttpProtobuf};
        let spoken = match self.protocol {
            HttpProtobuf => "HTTP/1.1",
            Grpc => "HTTP/2",
        };
        let heard = self.heard.state().first?;
        if self.https {
            let port = match heard {
                First::Http1 => "the port speaks HTTP/1.1 without TLS",
                First::Http2 => "the port speaks HTTP/2 without TLS",
                First::Other => "the peer does not speak TLS",
                First::Tls | First::Nothing => return None,
            };
            return Some(Words::new(format!("{NO_TLS}: {port}"), Advice::SpeakPlain));
        }
        let (port, advice) = match (self.protocol, heard) {
            (_, First::Tls) => ("the port speaks TLS", Advice::SpeakTls),
            (_, First::Other) => ("the peer speaks another protocol", Advice::Mismatch),
            (HttpProtobuf, First::Http2) => ("the port speaks HTTP/2", Advice::SpeakGrpc),
            (Grpc, First::Http1) => ("the port speaks HTTP/1.1", Advice::SpeakHttp),
            _ => return None,
        };
        Some(Words::new(format!("no {spoken} answer: {port}"), advice))
    }

    #[cfg(feature = "tls")]
    fn tls(&self, error: &(dyn Error + 'static), sent: bool) -> Option<Words> {
        use rustls::{AlertDescription, CertificateError, Error};
        let other_protocol = match self.protocol {
            Protocol::HttpProtobuf => Advice::SpeakGrpc,
            Protocol::Grpc => Advice::SpeakHttp,
        };
        let Some(error) = error.downcast_ref::<Error>() else {
            // tonic's own, whose type is private.
            let negotiated = !error.to_string().starts_with("HTTP/2 was not negotiated");
            let words = format!("{NO_TLS}: the peer does not speak HTTP/2 over TLS");
            return (!negotiated).then(|| Words::new(words, other_protocol));
        };
        let (what, advice) = match error {
            Error::InvalidCertificate(problem) => match problem {
                CertificateError::UnknownIssuer => (
                    "the certificate's issuer is not trusted".to_owned(),
                    Some(Advice::Certificate),
                ),
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    ("the certificate has expired".to_owned(), None)
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    ("the certificate is not valid yet".to_owned(), None)
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => (
                    "the certificate is for another host name".to_owned(),
                    Some(Advice::CertificateName),
                ),
                other => (format!("the certificate is not accepted: {other}"), None),
            },
            Error::InvalidMessage(_) => {
                ("the peer does not speak TLS".to_owned(), Some(Advice::SpeakPlain))
            }
            Error::NoApplicationProtocol
            | Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
                ("the peer speaks another protocol over TLS".to_owned(), Some(other_protocol))
            }
            Error::AlertReceived(alert) => (format!("the peer sent the alert {alert:?}"), None),
            other => (other.to_string(), None),
        };
        let failed = if sent { "the TLS session failed" } else { NO_TLS };
        Some(Words::new(format!("{failed}: {what}"), advice))
    }

    #[cfg(not(feature = "tls"))]
    fn tls(&self, _: &(dyn Error + 'static), _: bool) -> Option<Words> {
        None
    }

    fn http(&self, error: &(dyn Error + 'static)) -> Option<Words> {
        let error = error.downcast_ref::<hyper::Error>()?;
        if is_too_large(error) {
            return Some(Words::new("the head of the answer is too large", None));
        }
        if error.is_parse() {
            // Over TLS the first bytes are not heard.
            let version = self.https && error.to_string().contains("version");
            let advice = version.then_some(Advice::SpeakGrpc);
            return Some(Words::new("the answer is not valid HTTP/1.1", advice));
        }
        let closed = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
        if closed && error.source().is_none() {
            return Some(self.closed());
        }
        let silent = error.source().is_some_and(|error| error.to_string().contains("keep-alive"));
        silent.then(|| Words::new("the peer did not answer a ping in time", None))
    }

    #[cfg(feature = "grpc")]
    fn h2(&self, error: &(dyn Error + 'static)) -> Option<Words> {
        let error = error.downcast_ref::<h2::Error>()?;
        let reason = error.reason()?;
        let description = reason.description();
        let words = match () {
            () if !error.is_remote() => {
                format!("the peer breaks the rules of HTTP/2: {description}")
            }
            () if error.is_go_away() => format!("the peer ended the connection: {description}"),
            () => format!("the peer reset the request: {description}"),
        };
        Some(Words::new(words, None))
    }

    #[cfg(not(feature = "grpc"))]
    #[expect(clippy::unused_self, reason = "the other half uses it")]
    fn h2(&self, _: &(dyn Error + 'static)) -> Option<Words> {
        None
    }

    fn io(&self, error: &(dyn Error + 'static), sent: bool) -> Option<Words> {
        let error = error.downcast_ref::<io::Error>()?;
        // Those that wrap another are its business.
        if error.get_ref().is_some_and(|inner| inner.source().is_some() || inner.is::<io::Error>())
        {
            return None;
        }
        Some(match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::NotConnected
                if self.https && !sent =>
            {
                Words::new(format!("{NO_TLS}: the peer closed the connection"), Advice::Mismatch)
            }
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted if self.https && !sent => {
                Words::new(format!("{NO_TLS}: the peer reset the connection"), Advice::Mismatch)
            }
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::NotConnected => {
                self.closed()
            }
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
                Words { text: RESET.to_owned(), ..self.closed() }
            }
            ErrorKind::TimedOut => Words::new("the connection timed out", None),
            _ => Words::new(format!("the connection failed: {}", crate::tcp::spoken(error)), None),
        })
    }

    fn closed(&self) -> Words {
        // A peer that has answered before speaks our protocol.
        let silent = !matches!(
            (self.protocol, self.heard.state().first),
            (Protocol::HttpProtobuf, Some(First::Http1)) | (Protocol::Grpc, Some(First::Http2))
        );
        Words::new(CLOSED, (silent && !self.https).then_some(Advice::Mismatch))
    }
}

/// Whether the head of an answer was too large. hyper names this case for servers alone.
pub(crate) fn is_too_large(error: &hyper::Error) -> bool {
    error.is_parse() && error.to_string().contains("too large")
}

const NO_TLS: &str = "the TLS handshake failed";
const CLOSED: &str = "the connection was closed before an answer came";
const RESET: &str = "the connection was reset before an answer came";
const HALF_MILLI: Duration = Duration::from_micros(500);
