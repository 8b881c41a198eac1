//! Explains a failed exchange by its status, its error and the first bytes of the peer.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::advice::Advice;
use crate::causes::causes;
use crate::classify::AttemptOutcome;
use crate::retry::Cause;
use crate::tcp::{ConnectProblem, PeerObservations, PeerProtocol, PeerState};
#[cfg(feature = "blocking-tls")]
use crate::tls;
use crate::tls_settings::OutdatedFiles;
use crate::{Endpoint, Failure, Protocol, ResponseStatus};

/// Explains why an attempt failed; the explanation of an accepted attempt is empty.
pub(crate) fn failed(outcome: &AttemptOutcome, protocol: Protocol, https: bool) -> Explanation {
    let (status, failure, detail, advice) = match outcome {
        AttemptOutcome::Accepted(_) => return Explanation::default(),
        AttemptOutcome::Permanent { failure, detail, advice, .. } => {
            let status = match *failure {
                Failure::Rejected { status } => Some(status),
                Failure::Redirect { status } => Some(ResponseStatus::Http(status)),
                _ => None,
            };
            (status, *failure, detail, *advice)
        }
        AttemptOutcome::Retryable { cause, detail, advice, .. } => {
            let status = match *cause {
                Cause::Answered(status) => Some(status),
                Cause::NotSent | Cause::Ambiguous | Cause::Tls => None,
            };
            (status, cause.failure(), detail, *advice)
        }
    };
    let cause = match status {
        // The detail of a connection's failure is a sentence already.
        None if detail.is_empty() => failure.to_string(),
        None if failure == Failure::TooLarge => format!("{failure}: {detail}"),
        None => detail.clone(),
        Some(status) if detail.is_empty() => status.with_reason(),
        Some(status) => format!("{}: {detail}", status.with_reason()),
    };
    let advice = advice
        .or_else(|| (!https && wants_tls(status, detail)).then_some(Advice::SpeakTls))
        .or_else(|| status.and_then(|status| Advice::of_status(status, protocol)));
    Explanation { detail: detail.clone(), cause, advice }
}

/// Whether a response complains about plain HTTP on a TLS port, as those of Go, nginx and Apache do.
fn wants_tls(status: Option<ResponseStatus>, detail: &str) -> bool {
    let messages = ["HTTPS server", "HTTPS port", "SSL-enabled server"];
    matches!(status, Some(ResponseStatus::Http(400 | 426 | 497)))
        && messages.iter().any(|message| detail.contains(message))
}

/// The protocol of a connection, and the observations of its peers.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionContext {
    protocol: Protocol,
    /// Whether requests are sent over HTTP/2.
    is_http2: bool,
    https: bool,
    pub(crate) observations: PeerObservations,
    #[cfg_attr(not(feature = "blocking-tls"), expect(dead_code, reason = "only TLS reads files"))]
    pub(crate) outdated: OutdatedFiles,
}

/// The explanation of a failed attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// The message of the server or the connection, without its status.
    pub(crate) detail: String,
    /// The cause in words: status and detail.
    pub(crate) cause: String,
    /// Advice, if the failure matches a common misconfiguration.
    pub(crate) advice: Option<Advice>,
}

impl Explanation {
    /// An explanation whose detail equals its cause.
    pub(crate) fn new(cause: impl Into<String>, advice: impl Into<Option<Advice>>) -> Self {
        let cause = cause.into();
        Self { detail: cause.clone(), cause, advice: advice.into() }
    }
}

impl ConnectionContext {
    pub(crate) fn new(protocol: Protocol, endpoint: &Endpoint) -> Self {
        let (observations, outdated) = Default::default();
        let is_http2 = protocol == Protocol::Grpc;
        Self { protocol, is_http2, https: endpoint.is_https(), observations, outdated }
    }

    /// Sets whether requests are sent over HTTP/2; those of gRPC always are.
    #[cfg(feature = "tokio")]
    pub(crate) fn with_http2(mut self, is_http2: bool) -> Self {
        self.is_http2 |= is_http2;
        self
    }

    /// Explains an exchange that ended with `error`; `sent`: bytes of the request were sent.
    pub(crate) fn broken(&self, error: &(dyn Error + 'static), sent: bool) -> Explanation {
        let chain = || causes(error);
        // Without a connection, what earlier ones observed does not matter.
        if let Some(problem) = chain().find_map(|error| error.downcast_ref::<ConnectProblem>()) {
            let advice = match problem {
                ConnectProblem::NoSocket | ConnectProblem::Refused | ConnectProblem::TimedOut => {
                    Some(Advice::NotListening)
                }
                ConnectProblem::Name(_) => Some(Advice::Name),
                #[cfg(feature = "proxy")]
                ConnectProblem::Proxy { .. } => Some(Advice::Proxy),
                ConnectProblem::Other(_) => None,
            };
            return Explanation::new(problem.to_string(), advice);
        }
        // The peer's own bytes are better evidence than the error they led to.
        self.mismatch()
            .or_else(|| chain().find_map(|error| self.tls(error, sent)))
            .or_else(|| self.rejected(sent))
            .or_else(|| chain().find_map(|error| self.http(error)))
            .or_else(|| chain().find_map(|error| self.h2(error)))
            .or_else(|| chain().find_map(|error| self.io(error, sent)))
            .unwrap_or_else(|| {
                let innermost = chain().last().map(ToString::to_string).unwrap_or_default();
                Explanation::new(format!("the connection failed: {innermost}"), None)
            })
    }

    /// Explains an exchange without a response within `allowed`. `before` is the state when the
    /// attempt began.
    pub(crate) fn out_of_time(
        &self,
        sent: bool,
        before: PeerState,
        allowed: Duration,
    ) -> Explanation {
        // To the millisecond: the clock has moved a little since the time was given.
        let allowed = Duration::from_millis((allowed + HALF_MILLI).as_millis() as u64);
        let connected = self.observations.state().connected > before.connected;
        match () {
            () if sent => Explanation::new(format!("no answer within {allowed:?}"), None),
            () if connected && self.https => {
                Explanation::new(format!("no TLS session within {allowed:?}"), Advice::Mismatch)
            }
            () if connected => Explanation::new(format!("no answer within {allowed:?}"), None),
            () => Explanation::new(format!("no connection within {allowed:?}"), None),
        }
    }

    /// Explains a peer whose answer is not HTTP/1.1.
    pub(crate) fn not_http(&self) -> Explanation {
        let invalid = || Explanation::new("the answer is not valid HTTP/1.1", None);
        self.mismatch().unwrap_or_else(invalid)
    }

    /// The advice for a peer that speaks the other version of HTTP.
    fn other_protocol(&self) -> Advice {
        match (self.protocol, self.is_http2) {
            (Protocol::Grpc, _) => Advice::SpeakHttp,
            (_, true) => Advice::SpeakHttp1,
            (_, false) => Advice::SpeakGrpc,
        }
    }

    /// Explains a peer whose first bytes are those of another protocol.
    fn mismatch(&self) -> Option<Explanation> {
        let ours = if self.is_http2 { "HTTP/2" } else { "HTTP/1.1" };
        let theirs = self.observations.state().protocol?;
        if self.https {
            let port = match theirs {
                PeerProtocol::Http1 => "the port speaks HTTP/1.1 without TLS",
                PeerProtocol::Http2 => "the port speaks HTTP/2 without TLS",
                PeerProtocol::Other => "the peer does not speak TLS",
                PeerProtocol::Tls | PeerProtocol::Nothing => return None,
            };
            return Some(Explanation::new(format!("{NO_TLS}: {port}"), Advice::SpeakPlain));
        }
        let (port, advice) = match (self.is_http2, theirs) {
            (_, PeerProtocol::Tls) => ("the port speaks TLS", Advice::SpeakTls),
            (_, PeerProtocol::Other) => ("the peer speaks another protocol", Advice::Mismatch),
            (false, PeerProtocol::Http2) => ("the port speaks HTTP/2", Advice::SpeakGrpc),
            (true, PeerProtocol::Http1) => ("the port speaks HTTP/1.1", self.other_protocol()),
            _ => return None,
        };
        Some(Explanation::new(format!("no {ours} answer: {port}"), advice))
    }

    #[cfg(feature = "blocking-tls")]
    fn tls(&self, error: &(dyn Error + 'static), sent: bool) -> Option<Explanation> {
        use rustls::{AlertDescription, CertificateError, Error};
        let other_protocol = self.other_protocol();
        let Some(error) = error.downcast_ref::<Error>() else {
            let cause = format!("{NO_TLS}: the peer does not speak HTTP/2 over TLS");
            let other = error.is::<crate::tls::NotNegotiated>();
            return other.then(|| Explanation::new(cause, other_protocol));
        };
        let (what, advice) = match error {
            Error::InvalidCertificate(problem) => match problem {
                CertificateError::UnknownIssuer => (
                    "the certificate's issuer is not trusted".to_owned(),
                    Some(Advice::Certificate),
                ),
                CertificateError::BadSignature => (
                    "the certificate is not signed by the trusted issuer of that name".to_owned(),
                    Some(Advice::Certificate),
                ),
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    ("the certificate has expired".to_owned(), Some(Advice::CertificateTime))
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    ("the certificate is not valid yet".to_owned(), Some(Advice::CertificateTime))
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => (
                    "the certificate is for another host name".to_owned(),
                    Some(Advice::CertificateName),
                ),
                // webpki's error, which has no variant in rustls.
                other if other.to_string().contains("CaUsedAsEndEntity") => (
                    "the certificate is one of a CA, used as the server's own".to_owned(),
                    Some(Advice::CertificateOfCa),
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
            Error::AlertReceived(alert) if tls::is_about_our_certificate(*alert) => {
                let advice = Some(Advice::ClientCertificate);
                match alert {
                    AlertDescription::CertificateRequired => {
                        ("the server asks for a client certificate".to_owned(), advice)
                    }
                    alert => {
                        let what = "the server does not accept the client certificate";
                        (format!("{what}: alert {alert:?}"), advice)
                    }
                }
            }
            Error::AlertReceived(alert) => (format!("the peer sent the alert {alert:?}"), None),
            other => (other.to_string(), None),
        };
        let failed = if sent { "the TLS session failed" } else { NO_TLS };
        // The old certificates may be the reason.
        let outdated = self.outdated.error();
        let outdated =
            outdated.map(|error| format!("; files changed and cannot be used: {}", error.short()));
        let outdated = outdated.unwrap_or_default();
        Some(Explanation::new(format!("{failed}: {what}{outdated}"), advice))
    }

    /// Explains a connection that ended because the peer rejected our certificate.
    #[cfg(feature = "blocking-tls")]
    fn rejected(&self, sent: bool) -> Option<Explanation> {
        let alert = self.observations.state().rejection?;
        self.tls(&rustls::Error::AlertReceived(alert.into()), sent)
    }

    #[cfg(not(feature = "blocking-tls"))]
    #[expect(clippy::unused_self, reason = "the other half uses it")]
    fn rejected(&self, _: bool) -> Option<Explanation> {
        None
    }

    #[cfg(not(feature = "blocking-tls"))]
    fn tls(&self, _: &(dyn Error + 'static), _: bool) -> Option<Explanation> {
        None
    }

    #[cfg(feature = "tokio")]
    fn http(&self, error: &(dyn Error + 'static)) -> Option<Explanation> {
        let error = error.downcast_ref::<hyper::Error>()?;
        if is_too_large(error) {
            return Some(Explanation::new("the head of the answer is too large", None));
        }
        if error.is_parse() {
            // Over TLS the first bytes are not observed.
            let version = self.https && error.to_string().contains("version");
            let advice = version.then_some(Advice::SpeakGrpc);
            return Some(Explanation::new("the answer is not valid HTTP/1.1", advice));
        }
        let closed = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
        if closed && error.source().is_none() {
            return Some(self.closed());
        }
        let silent = error.source().is_some_and(|error| error.to_string().contains("keep-alive"));
        silent.then(|| Explanation::new("the peer did not answer a ping in time", None))
    }

    #[cfg(not(feature = "tokio"))]
    #[expect(clippy::unused_self, reason = "the other half uses it")]
    fn http(&self, _: &(dyn Error + 'static)) -> Option<Explanation> {
        None
    }

    #[cfg(any(feature = "grpc", feature = "http2"))]
    fn h2(&self, error: &(dyn Error + 'static)) -> Option<Explanation> {
        let error = error.downcast_ref::<h2::Error>()?;
        let reason = error.reason()?;
        let description = reason.description();
        let cause = match () {
            () if !error.is_remote() => {
                format!("the peer breaks the rules of HTTP/2: {description}")
            }
            () if error.is_go_away() => format!("the peer ended the connection: {description}"),
            () => format!("the peer reset the request: {description}"),
        };
        Some(Explanation::new(cause, None))
    }

    #[cfg(not(any(feature = "grpc", feature = "http2")))]
    #[expect(clippy::unused_self, reason = "the other half uses it")]
    fn h2(&self, _: &(dyn Error + 'static)) -> Option<Explanation> {
        None
    }

    fn io(&self, error: &(dyn Error + 'static), sent: bool) -> Option<Explanation> {
        let error = error.downcast_ref::<io::Error>()?;
        // An `io::Error` that wraps another error is explained by the wrapped one.
        if error.get_ref().is_some_and(|inner| inner.source().is_some() || inner.is::<io::Error>())
        {
            return None;
        }
        Some(match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::NotConnected
                if self.https && !sent =>
            {
                Explanation::new(
                    format!("{NO_TLS}: the peer closed the connection"),
                    Advice::Mismatch,
                )
            }
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted if self.https && !sent => {
                Explanation::new(
                    format!("{NO_TLS}: the peer reset the connection"),
                    Advice::Mismatch,
                )
            }
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::NotConnected => {
                self.closed()
            }
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
                Explanation::new(RESET, self.closed().advice)
            }
            ErrorKind::TimedOut => Explanation::new("the connection timed out", None),
            _ => Explanation::new(
                format!("the connection failed: {}", crate::tcp::os_message(error)),
                None,
            ),
        })
    }

    fn closed(&self) -> Explanation {
        // A peer that has responded before uses our protocol.
        let silent = !matches!(
            (self.is_http2, self.observations.state().protocol),
            (false, Some(PeerProtocol::Http1)) | (true, Some(PeerProtocol::Http2))
        );
        Explanation::new(CLOSED, (silent && !self.https).then_some(Advice::Mismatch))
    }
}

/// Whether the header section of a response was too large. hyper names this case for servers alone.
#[cfg(feature = "tokio")]
pub(crate) fn is_too_large(error: &hyper::Error) -> bool {
    error.is_parse() && error.to_string().contains("too large")
}

const NO_TLS: &str = "the TLS handshake failed";
const CLOSED: &str = "the connection was closed before an answer came";
const RESET: &str = "the connection was reset before an answer came";
const HALF_MILLI: Duration = Duration::from_micros(500);
