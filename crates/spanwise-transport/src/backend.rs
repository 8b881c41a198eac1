//! The backend that attempts run over: HTTP, gRPC or a sink.

use tokio::time::Instant;

use crate::Failure;
use crate::classify::AttemptOutcome;
use crate::http1;
use crate::observed::Observed;
use crate::payload::Payload;
use crate::sent::Sent;
use crate::sink::SinkBackend;
use crate::tcp::PeerObservations;

/// The backend that sends requests.
#[derive(Debug)]
pub(crate) enum Backend {
    Http(Box<http1::HttpBackend>),
    #[cfg(feature = "grpc")]
    Grpc(Box<crate::grpc::GrpcBackend>),
    Sink(SinkBackend),
    /// One for each of several endpoints, with the authority of each.
    Several(Box<[(String, Self)]>),
    #[cfg(test)]
    Mock(crate::mock::MockBackend),
}

impl Backend {
    /// The number of endpoints.
    pub(crate) fn endpoints(&self) -> usize {
        match self {
            Self::Several(backends) => backends.len(),
            _ => 1,
        }
    }

    /// The backend of the endpoint at `index`, and the authority of one of several.
    pub(crate) fn at(&self, index: usize) -> (&Self, Option<&str>) {
        match self {
            Self::Several(backends) => match backends.get(index) {
                Some((authority, backend)) => (backend, Some(authority)),
                None => (self, None),
            },
            only => (only, None),
        }
    }

    /// The connections to the endpoints so far.
    pub(crate) fn observed(&self) -> Observed {
        match self {
            Self::Http(http) => Observed::of(http.context(), http.target()),
            #[cfg(feature = "grpc")]
            Self::Grpc(grpc) => Observed::of(grpc.context(), grpc.target()),
            Self::Sink(_) => Observed::default(),
            Self::Several(backends) => {
                let each = backends.iter().map(|(_, backend)| backend.observed());
                each.fold(Observed::default(), Observed::and)
            }
            #[cfg(test)]
            Self::Mock(_) => Observed::default(),
        }
    }

    /// The observations of the peers of all endpoints.
    pub(crate) fn peers(&self) -> Vec<PeerObservations> {
        match self {
            Self::Http(http) => vec![http.context().observations.clone()],
            #[cfg(feature = "grpc")]
            Self::Grpc(grpc) => vec![grpc.context().observations.clone()],
            Self::Sink(_) => Vec::new(),
            Self::Several(backends) => {
                backends.iter().flat_map(|(_, backend)| backend.peers()).collect()
            }
            #[cfg(test)]
            Self::Mock(_) => Vec::new(),
        }
    }

    /// Runs one attempt: sends `payload` and reads a response of at most `max` bytes until `deadline`. One of
    /// [several](Self::at) runs it for them.
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
            Self::Several(_) => AttemptOutcome::permanent(Failure::Unsendable, "no endpoint"),
            #[cfg(test)]
            Self::Mock(mock) => mock.attempt(payload, sent, deadline).await,
        }
    }
}
