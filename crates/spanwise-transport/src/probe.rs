//! Finds out which protocol an endpoint speaks.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::{Endpoint, FailedAttempt, Protocol, Transport, TransportBuilder};

/// The answers of an endpoint to an empty request over each protocol, and the protocol to use.
///
/// `Display` is one line for each answer, or the cause of the failure with advice.
#[derive(Debug, Clone)]
#[must_use]
pub struct Probe {
    builder: TransportBuilder,
    /// Over each protocol, for each endpoint that was asked.
    results: Vec<ProbeResult>,
}

/// The answer over one protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeResult {
    /// The protocol.
    pub protocol: Protocol,
    /// The endpoint, with the path of the request.
    pub endpoint: Endpoint,
    /// Whether the endpoint accepted the request with an answer of OTLP.
    pub is_accepted: bool,
    /// The reason, in words; one line without control characters.
    pub reason: String,
}

impl TransportBuilder {
    /// Sends an empty request to the endpoint over OTLP/HTTP and over gRPC, and reports what it answers.
    ///
    /// The protocol of the builder is asked first, and chosen if both are accepted: by default HTTP/protobuf, which
    /// is the specification's default and costs less. A builder for [`Protocol::HttpJson`] is asked in JSON. For
    /// HTTP, an endpoint without a path is asked at `/v1/traces`, as [`Endpoint::parse_base`] does. Each protocol has
    /// one attempt, within the attempt timeout and at most 3 s.
    ///
    /// Of [several endpoints](Self::with_endpoints) the next is asked if one accepts neither protocol, up to 6 s
    /// later; the protocol is chosen for all of them. With a [sink](Self::with_sink) none is asked.
    ///
    /// Nothing else waits for a probe: a program can await it in a task of its own, and export meanwhile.
    ///
    /// ```
    /// use spanwise_transport::{Endpoint, Transport};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (receiver, _) = spanwise_receiver::Receiver::collecting()?;
    /// # let url = receiver.http_endpoint();
    /// let endpoint = Endpoint::parse("endpoint", &url)?;
    /// let probe = Transport::builder().with_endpoint(endpoint).probe().await;
    /// println!("{probe}");
    /// let transport = probe.into_builder().build()?;
    /// # assert!(transport.send(Vec::new()).await.is_accepted());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// On a tokio runtime without time or I/O, as tokio does.
    pub async fn probe(self) -> Probe {
        let mut results = Vec::new();
        if self.sink.is_some() {
            return Probe { builder: self, results };
        }
        let protocols = match self.protocol {
            Protocol::Grpc => [Protocol::Grpc, Protocol::HttpProtobuf],
            http => [http, Protocol::Grpc],
        };
        for given in self.given_endpoints() {
            for protocol in protocols {
                let endpoint = given.clone().unwrap_or_else(|| Endpoint::localhost(protocol));
                let endpoint = with_path(endpoint, protocol);
                results.push(attempt(self.clone(), protocol, endpoint).await);
            }
            if results.iter().any(|result| result.is_accepted) {
                break;
            }
        }
        Probe { builder: self, results }
    }

    /// The endpoints that are set; `None` is the default one.
    fn given_endpoints(&self) -> Vec<Option<Endpoint>> {
        let further = self.further_endpoints.iter().cloned().map(Some);
        [self.endpoint.clone()].into_iter().chain(further).collect()
    }
}

/// `endpoint` with the path of the protocol, if it has none.
fn with_path(endpoint: Endpoint, protocol: Protocol) -> Endpoint {
    match (protocol, endpoint.path()) {
        (Protocol::HttpProtobuf | Protocol::HttpJson, "/") => {
            endpoint.clone().join_path("/v1/traces").unwrap_or(endpoint)
        }
        _ => endpoint,
    }
}

impl Probe {
    /// The protocol to use: the first that was accepted. `None`: none was.
    pub fn protocol(&self) -> Option<Protocol> {
        self.accepted().map(|result| result.protocol)
    }

    /// The answers, in the order of preference; of several endpoints, those of each in the order in which they
    /// were asked. None with a sink.
    pub fn results(&self) -> &[ProbeResult] {
        &self.results
    }

    /// The builder that was probed, with the protocol that was accepted, and each endpoint with its path;
    /// unchanged if none was.
    pub fn into_builder(self) -> TransportBuilder {
        let Some(ProbeResult { protocol, endpoint, .. }) = self.accepted().cloned() else {
            return self.builder;
        };
        let given = self.builder.given_endpoints().into_iter().flatten();
        let endpoints: Vec<_> = given.map(|given| with_path(given, protocol)).collect();
        let builder = self.builder.with_protocol(protocol);
        match endpoints.is_empty() {
            true => builder.with_endpoint(endpoint),
            false => builder.with_endpoints(endpoints),
        }
    }

    fn accepted(&self) -> Option<&ProbeResult> {
        self.results.iter().find(|result| result.is_accepted)
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(sink) = &self.builder.sink {
            return write!(f, "requests go to {}: no endpoint was asked", sink.name());
        }
        let chosen = self.accepted();
        for (index, result) in self.results.iter().enumerate() {
            let ProbeResult { protocol, endpoint, reason, .. } = result;
            let is_chosen = chosen.is_some_and(|chosen| std::ptr::eq(chosen, result));
            let (line, mark) = match (index, is_chosen) {
                (0, true) => ("", " (chosen)"),
                (0, false) => ("", ""),
                (_, true) => ("\n", " (chosen)"),
                (_, false) => ("\n", ""),
            };
            write!(f, "{line}{protocol}{mark} at {endpoint}: {reason}")?;
        }
        Ok(())
    }
}

/// Makes one attempt with an empty request.
async fn attempt(builder: TransportBuilder, protocol: Protocol, endpoint: Endpoint) -> ProbeResult {
    let failed = Arc::new((Mutex::new(None), Notify::new()));
    let observed = failed.clone();
    let observe = move |failed: &FailedAttempt| {
        let text = match &failed.advice {
            Some(advice) => format!("{}; {advice}", failed.cause),
            None => failed.cause.clone(),
        };
        *observed.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        observed.1.notify_one();
    };
    let timeout = builder.attempt_timeout.min(TIMEOUT);
    let transport = builder
        .with_protocol(protocol)
        .with_endpoints([endpoint.clone()])
        .with_attempt_timeout(timeout)
        .with_request_timeout(timeout)
        .with_attempt_observer(observe)
        .build();
    let (is_accepted, reason) = match transport {
        Ok(transport) => outcome(&transport, &failed).await,
        Err(error) => (false, error.to_string()),
    };
    ProbeResult { protocol, endpoint, is_accepted, reason }
}

type Failed = (Mutex<Option<String>>, Notify);

/// Whether an empty request is accepted, and why.
async fn outcome(transport: &Transport, failed: &Failed) -> (bool, String) {
    // The first failure ends the request.
    let delivery = transport.send_with_cancel(Vec::new(), failed.1.notified()).await;
    if delivery.is_accepted() && !delivery.response_undecodable {
        return (true, "it accepted an empty request".to_owned());
    }
    let observed = failed.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    let reason = observed.unwrap_or_else(|| match delivery.cause.is_empty() {
        true => delivery.outcome.to_string(),
        false => delivery.cause,
    });
    (false, reason)
}

/// The maximum time for one protocol.
const TIMEOUT: Duration = Duration::from_secs(3);
