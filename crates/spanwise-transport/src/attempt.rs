//! A failed attempt, as it is reported to the observer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use spanwise_worker::catch_panic;

use crate::Protocol;
use crate::fence::Fenced;

/// One attempt to deliver a request, which failed.
///
/// `Display` and `Debug` are one line: where to, what went wrong, what happens next, what to do.
/// No field holds a header value, user info or the query of a URL.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedAttempt {
    /// Where the request was sent: the endpoint as it shows itself, or `the sink`.
    pub endpoint: String,
    /// How it was sent.
    pub protocol: Protocol,
    /// Which attempt of the request this was, from 1.
    pub attempt: u32,
    /// What went wrong, in words: at most 256 bytes, one line, no control characters.
    pub cause: String,
    /// What usually helps, when this looks like a usual mistake: a port of the other protocol,
    /// `http` for `https`, a path or credentials that are missing.
    pub advice: Option<String>,
    /// How long from now the next attempt begins, at the earliest. `None`: the request was given
    /// up, because it is not to be repeated or no time is left.
    pub retry_in: Option<Duration>,
    /// Whether the receiver may have taken the request all the same.
    pub may_have_been_accepted: bool,
}

impl fmt::Display for FailedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {} to {} over {}", self.attempt, self.endpoint, self.protocol)?;
        write!(f, " failed: {}", self.cause)?;
        match self.retry_in {
            Some(wait) => write!(f, "; the next follows in {wait:.1?}")?,
            None => f.write_str("; the request is given up")?,
        }
        match &self.advice {
            Some(advice) => write!(f, " ({advice})"),
            None => Ok(()),
        }
    }
}

debug_as_display!(FailedAttempt);

type Function = dyn Fn(&FailedAttempt) + Send + Sync;

/// A function of the user's, whose panics go no further.
#[derive(Clone)]
pub(crate) struct AttemptObserver(Fenced<Arc<Function>>);

impl AttemptObserver {
    pub(crate) fn new(function: impl Fn(&FailedAttempt) + Send + Sync + 'static) -> Self {
        Self(Fenced::new(Arc::new(function)))
    }

    pub(crate) fn notify(&self, failed: &FailedAttempt) {
        if let Some(function) = self.0.get() {
            // A panic in the observer has nobody to be reported to.
            let _ = catch_panic(|| function(failed));
        }
    }
}

impl fmt::Debug for AttemptObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttemptObserver")
    }
}
