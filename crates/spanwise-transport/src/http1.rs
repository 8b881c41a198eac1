//! OTLP/HTTP with protobuf bodies, over HTTP/1.1.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;

use crate::body::{self, OnePiece, Sent};
use crate::classify::{self, AttemptOutcome, BodyFault};
use crate::explain::ConnectionContext;
use crate::fetch::FetchError;
use crate::wire::{Payload, PerRuntime, exchange};
use crate::{Endpoint, Protocol, tcp, text};

#[cfg(feature = "tls")]
type Connector = hyper_rustls::HttpsConnector<tcp::Connector>;
#[cfg(not(feature = "tls"))]
type Connector = tcp::Connector;

/// A pooled HTTP/1.1 client and the request it repeats.
pub(crate) struct HttpWire {
    endpoint: Endpoint,
    headers: HeaderMap,
    context: ConnectionContext,
    connector: Connector,
    client: PerRuntime<Client<Connector, OnePiece>>,
}

impl HttpWire {
    pub(crate) fn new(
        endpoint: Endpoint,
        mut headers: HeaderMap,
        user_agent: HeaderValue,
        #[cfg(feature = "tls")] tls: std::sync::Arc<rustls::ClientConfig>,
    ) -> Self {
        headers.entry(USER_AGENT).or_insert(user_agent);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let context = ConnectionContext::new(Protocol::HttpProtobuf, &endpoint);
        let connector = tcp::Connector::new(context.observations.clone());
        #[cfg(feature = "tls")]
        let connector = {
            let mut connector = Connector::from((connector, tls));
            if endpoint.is_https() {
                connector.enforce_https();
            }
            connector
        };
        Self { endpoint, headers, context, connector, client: PerRuntime::new() }
    }

    pub(crate) async fn attempt(
        &self,
        payload: &Payload,
        sent: Sent,
        max: usize,
        deadline: Instant,
    ) -> AttemptOutcome {
        let client = match self.client.client(|| self.connect()) {
            Ok(client) => client,
            Err(verdict) => return verdict,
        };
        let mut request = Request::new(OnePiece::new(payload.bytes.clone(), sent.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.uri().clone();
        *request.headers_mut() = self.headers.clone();
        if payload.gzip {
            request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        match exchange(client.request(request), &sent, &self.context, max, deadline).await {
            Ok(reply) => classify::http(&reply, SystemTime::now()),
            Err(verdict) => verdict,
        }
    }

    /// Asks for a document of at most `most` bytes, with the transport's headers: by `GET`, or by
    /// `POST` of some JSON to a path below the endpoint.
    pub(crate) async fn document(
        &self,
        posted: Option<(&str, Bytes)>,
        most: usize,
        deadline: Instant,
    ) -> Result<Bytes, FetchError> {
        let unreachable = |said: String| FetchError::Unreachable { said: text::sanitize(&said) };
        let client = self.client.client(|| self.connect()).map_err(|_| FetchError::NoRuntime)?;
        let request = self.question(posted)?;
        let sent = request.body().sent();
        let before = self.context.observations.state();
        let allowed = deadline.saturating_duration_since(Instant::now());
        let response = match tokio::time::timeout_at(deadline, client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                return Err(unreachable(self.context.broken(&error, sent.is_set()).cause));
            }
            Err(_) => {
                let explanation = self.context.out_of_time(sent.is_set(), before, allowed);
                return Err(unreachable(explanation.cause));
            }
        };
        if !response.status().is_success() {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        match body::read(response.into_body(), most, deadline).await.0 {
            Ok(document) => Ok(document),
            Err(BodyFault::TooLarge) => Err(FetchError::TooLarge { most }),
            Err(BodyFault::Lost(said)) => Err(unreachable(said)),
        }
    }

    fn question(&self, posted: Option<(&str, Bytes)>) -> Result<Request<OnePiece>, FetchError> {
        let mut headers = self.headers.clone();
        let (method, endpoint, body) = match posted {
            None => {
                headers.remove(CONTENT_TYPE);
                (Method::GET, self.endpoint.clone(), Bytes::new())
            }
            Some((path, json)) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                let below = self.endpoint.clone().below(path);
                (Method::POST, below.map_err(|_| FetchError::NoPath)?, json)
            }
        };
        let mut request = Request::new(OnePiece::new(body, Sent::default()));
        *request.method_mut() = method;
        *request.uri_mut() = endpoint.uri().clone();
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn connect(&self) -> Client<Connector, OnePiece> {
        Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE)
            .http1_max_buf_size(MAX_HEAD)
            .build(self.connector.clone())
    }
}

impl fmt::Debug for HttpWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpWire").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Largest head of an answer.
const MAX_HEAD: usize = 64 << 10;
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests are few and large: more idle connections only wait to be closed.
const MAX_IDLE: usize = 2;
