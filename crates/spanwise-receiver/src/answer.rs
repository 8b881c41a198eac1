//! What a handler is given and what it says.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::headers::Headers;

/// One export request that was read whole, inflated and found well framed.
///
/// `Debug` shows sizes and the names of headers, and neither the body nor a header's value.
#[derive(Clone)]
#[non_exhaustive]
pub struct Export {
    /// The bytes of the `ExportTraceServiceRequest`. Groups and spans are framed as they should
    /// be; what is inside a span was not looked at.
    pub body: Bytes,
    /// How many spans the body holds.
    pub spans: u64,
    /// How it came.
    pub protocol: Protocol,
    /// The request's headers. They may hold credentials: never log them.
    pub headers: Headers,
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export")
            .field("body_bytes", &self.body.len())
            .field("spans", &self.spans)
            .field("protocol", &self.protocol)
            .field("headers", &self.headers)
            .finish()
    }
}

/// The protocols of one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// `POST /v1/traces` with `application/x-protobuf`, over HTTP/1.1 or HTTP/2.
    Http,
    /// `opentelemetry.proto.collector.trace.v1.TraceService/Export`.
    Grpc,
}

/// What a handler says to an [`Export`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// All spans are taken: 200 or `OK`.
    Accept,
    /// Success with an `ExportTracePartialSuccess`: the client must not send again.
    Partial {
        /// Spans refused; 0 makes `message` a warning.
        rejected: i64,
        /// Why, for the people who run the client.
        message: String,
    },
    /// No span is taken.
    Refuse {
        /// HTTP status; one outside 400..=599 is sent as 500.
        http_status: u16,
        /// gRPC code; one outside 1..=16 is sent as 2, `UNKNOWN`.
        grpc_code: u16,
        /// Why. At most its first 1 KiB is sent.
        message: String,
        /// When to come back: a `Retry-After` header in whole seconds rounded up, or a
        /// `google.rpc.RetryInfo`.
        retry_after: Option<Duration>,
    },
    /// The inner answer, given after a time. The export is settled, and counted, at once.
    After(Duration, Box<Answer>),
}

impl Answer {
    /// `self`, given only when `delay` has passed.
    pub fn after(self, delay: Duration) -> Self {
        Self::After(delay, Box::new(self))
    }

    /// The answer behind all delays.
    pub(crate) fn innermost(&self) -> &Self {
        let mut answer = self;
        while let Self::After(_, inner) = answer {
            answer = inner;
        }
        answer
    }

    /// The delays added up, and the answer behind them.
    pub(crate) fn settle(mut self) -> (Duration, Self) {
        let mut delay = Duration::ZERO;
        while let Self::After(more, inner) = self {
            delay = delay.saturating_add(more);
            self = *inner;
        }
        (delay, self)
    }
}

/// A handler as the receiver keeps it.
pub(crate) enum Handler {
    /// One of ours: asked where it stands.
    Quick(Box<Handle>),
    /// One that may block: asked on a thread for it.
    Users(Arc<Handle>),
}

type Handle = dyn Fn(Export) -> Answer + Send + Sync;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_add_up() {
        let answer = Answer::Accept.after(Duration::from_secs(1)).after(Duration::from_secs(2));
        assert_eq!(answer.settle(), (Duration::from_secs(3), Answer::Accept));
        let answer = Answer::Accept.after(Duration::MAX).after(Duration::MAX);
        assert_eq!(answer.settle().0, Duration::MAX);
    }
}
