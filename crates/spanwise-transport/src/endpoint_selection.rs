//! Which of several endpoints an attempt goes to.

/// Which of several endpoints an attempt goes to: the policies that gRPC has for the addresses of a name
/// (gRPC, *Load Balancing*).
///
/// Both pass over an endpoint that has asked for a wait (`Retry-After`, `RetryInfo`) or whose circuit breaker is
/// open, while another one may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum EndpointSelection {
    /// The first endpoint until an attempt fails with a retryable error, then the next one, and so on; after
    /// the last, the first again. gRPC's default. An endpoint that works is not left.
    #[default]
    PickFirst,
    /// Each endpoint in turn. One whose attempt failed with a retryable error is left out for 5 s, unless all
    /// of them are.
    RoundRobin,
}
