//! The backend that attempts run over: HTTP, gRPC or a sink.

use tokio::time::Instant;

use crate::body::Sent;
use crate::classify::AttemptOutcome;
use crate::failover::{AttemptFuture, Attempts, Failover};
use crate::http1;
use crate::payload::Payload;
use crate::sink::SinkBackend;

/// The backend that sends requests.
#[derive(Debug)]
pub(crate) enum Backend {
    Http(Box<http1::HttpBackend>),
    #[cfg(feature = "grpc")]
    Grpc(Box<crate::grpc::GrpcBackend>),
    Sink(SinkBackend),
    Failover(Box<Failover<Self>>),
    #[cfg(test)]
    Mock(crate::mock::MockBackend),
}

impl Backend {
    /// Runs one attempt: sends `payload` and reads a response of at most `max` bytes until
    /// `deadline`.
    pub(crate) async fn attempt(
        &self,
        payload: &Payload,
        sent: Sent,
        max: usize,
        deadline: Instant,
    ) -> AttemptOutcome {
        match self {
            Self::Http(http) => http.attempt(payload, sent, max, deadline).await,
            #[cfg(feature = "grpc")]
            Self::Grpc(grpc) => grpc.attempt(payload, sent, max, deadline).await,
            Self::Sink(sink) => sink.attempt(payload, sent, deadline).await,
            Self::Failover(several) => several.attempt(payload, sent, max, deadline).await,
            #[cfg(test)]
            Self::Mock(mock) => mock.attempt(payload, sent, deadline).await,
        }
    }
}

impl Attempts for Backend {
    fn attempt<'a>(
        &'a self,
        payload: &'a Payload,
        sent: Sent,
        max: usize,
        deadline: Instant,
    ) -> AttemptFuture<'a> {
        Box::pin(Self::attempt(self, payload, sent, max, deadline))
    }
}
