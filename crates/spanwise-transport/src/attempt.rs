//! A failed attempt, and the observer that receives it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use spanwise_worker::catch_panic;

use crate::fence::Fenced;
use crate::{Compression, Protocol};

/// One failed attempt to export a request.
///
/// `Display` and `Debug` are one line: endpoint, cause, next attempt, advice.
/// No field holds a header value, user info or the query of a URL.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedAttempt {
    /// The endpoint as `Display` prints it, or the [name](crate::Sink::name) of the sink.
    pub endpoint: String,
    /// The protocol of the attempt.
    pub protocol: Protocol,
    /// The number of the attempt within its request, from 1.
    pub attempt: u32,
    /// The cause of the failure, in words: at most 256 bytes, one line, no control characters.
    pub cause: String,
    /// Advice, when the failure matches a common misconfiguration: a port of the other protocol,
    /// `http` for `https`, a missing path or missing credentials.
    pub advice: Option<String>,
    /// The earliest start of the next attempt, from now. `None` when the request failed: the failure
    /// is not retryable, or no time is left. An open [circuit breaker](crate::CircuitBreaker) may delay it
    /// further, while another request probes.
    pub retry_in: Option<Duration>,
    /// Whether the failure opened the circuit breaker, which was closed before.
    pub circuit_breaker_opened: bool,
    /// Whether the receiver refused the request as too large ([`Failure::TooLarge`](crate::Failure::TooLarge)). The
    /// transport does not send it again; its caller can split it.
    pub is_too_large: bool,
    /// Whether the receiver may have accepted the request nevertheless.
    pub may_have_been_accepted: bool,
    /// The compression that the receiver refuses: the same request follows uncompressed. `None` for every
    /// other failure.
    pub refused_compression: Option<Compression>,
}

impl fmt::Display for FailedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {} to {} over {}", self.attempt, self.endpoint, self.protocol)?;
        write!(f, " failed: {}", self.cause)?;
        match (self.refused_compression, self.retry_in) {
            (Some(compression), _) => {
                write!(
                    f,
                    "; the receiver refuses {compression}, the request follows uncompressed"
                )?;
            }
            (None, Some(wait)) => write!(f, "; the next follows in {wait:.1?}")?,
            (None, None) if self.is_too_large => f.write_str("; the request is too large")?,
            (None, None) => f.write_str("; the request is given up")?,
        }
        if self.circuit_breaker_opened {
            f.write_str("; the circuit breaker opened")?;
        }
        match &self.advice {
            Some(advice) => write!(f, " ({advice})"),
            None => Ok(()),
        }
    }
}

debug_as_display!(FailedAttempt);

type Function = dyn Fn(&FailedAttempt) + Send + Sync;

/// The user's observer of failed attempts; its panics are caught.
#[derive(Clone)]
pub(crate) struct AttemptObserver(Fenced<Arc<Function>>);

impl AttemptObserver {
    pub(crate) fn new(function: impl Fn(&FailedAttempt) + Send + Sync + 'static) -> Self {
        Self(Fenced::new(Arc::new(function)))
    }

    pub(crate) fn notify(&self, failed: &FailedAttempt) {
        if let Some(function) = self.0.get() {
            // The observer is the only receiver of reports, so its own panic has none.
            let _observer_panicked = catch_panic(|| function(failed));
        }
    }
}

impl fmt::Debug for AttemptObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttemptObserver")
    }
}
