//! The export that a handler receives, and its answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::headers::Headers;

/// One export request, complete, decompressed and well framed.
///
/// `Debug` prints sizes and the names of headers, and neither the body nor a header's value.
#[derive(Clone)]
#[non_exhaustive]
pub struct Export {
    /// The bytes of the `ExportTraceServiceRequest` in protobuf, also of a request in JSON. The framing
    /// of groups and spans is valid; the contents of spans were not checked.
    pub body: Bytes,
    /// Number of spans in the body.
    pub spans: u64,
    /// The protocol of the request.
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
    /// `POST /v1/traces` with `application/json`, over HTTP/1.1 or HTTP/2.
    HttpJson,
    /// `opentelemetry.proto.collector.trace.v1.TraceService/Export`.
    Grpc,
}

/// The answer of a handler to an [`Export`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Accepts all spans: 200 or `OK`.
    Accept,
    /// Partial success with an `ExportTracePartialSuccess`: the client must not send again.
    Partial {
        /// Rejected spans; 0 makes `message` a warning.
        rejected: i64,
        /// The reason, for the operator of the client.
        message: String,
    },
    /// Accepts no span.
    Refuse {
        /// HTTP status; one outside 400..=599 is sent as 500.
        http_status: u16,
        /// gRPC code; one outside 1..=16 is sent as 2, `UNKNOWN`.
        grpc_code: u16,
        /// The reason. The receiver sends at most its first 1 KiB.
        message: String,
        /// The delay before a retry: a `Retry-After` header in whole seconds rounded up, or a
        /// `google.rpc.RetryInfo`.
        retry_after: Option<Duration>,
    },
    /// The inner answer, sent after a delay. The export is counted at once.
    After(Duration, Box<Answer>),
}

impl Answer {
    /// Sends `self` after `delay`.
    pub fn after(self, delay: Duration) -> Self {
        Self::After(delay, Box::new(self))
    }

    /// Whether it asks the client to send the same request again.
    pub(crate) fn asks_for_retry(&self) -> bool {
        matches!(self.innermost(), Self::Refuse { retry_after: Some(_), .. })
    }

    /// The answer inside all delays.
    pub(crate) fn innermost(&self) -> &Self {
        let mut answer = self;
        while let Self::After(_, inner) = answer {
            answer = inner;
        }
        answer
    }

    /// The sum of all delays, and the answer inside them.
    pub(crate) fn into_parts(mut self) -> (Duration, Self) {
        let mut delay = Duration::ZERO;
        while let Self::After(more, inner) = self {
            delay = delay.saturating_add(more);
            self = *inner;
        }
        (delay, self)
    }
}

/// The handler of a receiver.
pub(crate) enum Handler {
    /// A handler that returns at once, called on the thread of the connections.
    Inline(Box<Handle>),
    /// A user's handler, which may block: called on a thread of its own.
    Blocking(Arc<Handle>),
}

type Handle = dyn Fn(Export) -> Answer + Send + Sync;

/// Decides by the headers of a request whether its body is read.
pub(crate) type Interceptor = Box<dyn Fn(&Headers) -> Result<(), Answer> + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_added() {
        let answer = Answer::Accept.after(Duration::from_secs(1)).after(Duration::from_secs(2));
        assert_eq!(answer.into_parts(), (Duration::from_secs(3), Answer::Accept));
        let answer = Answer::Accept.after(Duration::MAX).after(Duration::MAX);
        assert_eq!(answer.into_parts().0, Duration::MAX);
    }
}
