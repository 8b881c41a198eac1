//! OTLP/HTTP with protobuf or JSON bodies, over HTTP/1.1, or HTTP/2 by the module for it.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request};
use tokio::time::Instant;

use crate::address::address;
use crate::body::{self, FullBody};
use crate::classify::{self, AttemptOutcome, BodyFault, Reply};
use crate::connector::Connector;
use crate::exchange::exchange;
use crate::explain::ConnectionContext;
use crate::fetch_error::FetchError;
#[cfg(feature = "http2")]
use crate::http2::SharedConnection;
use crate::payload::Payload;
use crate::per_runtime::PerRuntime;
use crate::sent::Sent;
use crate::target::Target;
use crate::tls_settings::ConnectionSettings;
use crate::{BuildError, Endpoint, HttpVersion, IdleConnections, Protocol, text};

mod client;
mod connection;
mod head_limit;
mod pool;

#[cfg(feature = "http2")]
pub(crate) use client::ConnectionError;
use client::{Client, Exchange};
pub(crate) use head_limit::HeadTooLarge;
use pool::ConnectionPool;

/// An HTTP/1.1 client with a connection pool, and the headers of its requests.
pub(crate) struct HttpBackend {
    protocol: Protocol,
    endpoint: Endpoint,
    headers: HeaderMap,
    context: ConnectionContext,
    client: Client,
    idle: IdleConnections,
    connections: PerRuntime<Arc<ConnectionPool>>,
    /// `None`: requests are sent over HTTP/1.1.
    #[cfg(feature = "http2")]
    http2: Option<PerRuntime<Arc<SharedConnection>>>,
}

impl HttpBackend {
    pub(crate) fn new(
        protocol: Protocol,
        endpoint: Endpoint,
        mut headers: HeaderMap,
        user_agent: HeaderValue,
        settings: &ConnectionSettings,
    ) -> Result<Self, BuildError> {
        headers.entry(USER_AGENT).or_insert(user_agent);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(protocol.content_type()));
        let is_http2 = settings.http_version == HttpVersion::Http2;
        let context = ConnectionContext::new(protocol, &endpoint).with_http2(is_http2);
        let alpn: Option<&'static [u8]> = if is_http2 { Some(b"h2") } else { None };
        let client = Client { connector: Connector::new(&endpoint, settings, alpn, &context)? };
        let (idle, connections) = (IdleConnections::default(), PerRuntime::new());
        #[cfg(feature = "http2")]
        let http2 = is_http2.then(PerRuntime::new);
        Ok(Self {
            protocol,
            endpoint,
            headers,
            context,
            client,
            idle,
            connections,
            #[cfg(feature = "http2")]
            http2,
        })
    }

    pub(crate) fn with_idle_connections(mut self, idle: IdleConnections) -> Self {
        self.idle = idle;
        self
    }

    pub(crate) fn context(&self) -> &ConnectionContext {
        &self.context
    }

    pub(crate) fn target(&self) -> &Target {
        self.client.connector.target()
    }

    pub(crate) async fn attempt(
        &self,
        payload: &Payload,
        sent: Sent,
        max: usize,
        deadline: Instant,
    ) -> AttemptOutcome {
        #[cfg(feature = "http2")]
        if let Some(http2) = &self.http2 {
            let timeout = self.idle.timeout();
            let connection = match http2.client(|| Arc::new(SharedConnection::new(timeout))) {
                Ok(connection) => connection,
                Err(outcome) => return outcome,
            };
            let mut request = self.request(payload, &sent);
            crate::http2::address(&mut request, self.endpoint.uri());
            let mut in_flight = None;
            let call = async {
                let sending = connection.send(&self.client.connector, request);
                let (response, answered) = sending.await?;
                in_flight = Some(answered);
                Ok::<_, ConnectionError>(response)
            };
            let reply = exchange(call, &sent, &self.context, max, deadline).await;
            drop(in_flight);
            return self.classified(reply);
        }
        let pool = match self.connections.client(|| self.connection_pool()) {
            Ok(pool) => pool,
            Err(outcome) => return outcome,
        };
        let addressed = || {
            let mut request = self.request(payload, &sent);
            address(&mut request, self.endpoint.uri(), self.client.connector.target());
            request
        };
        let mut exchanging = Exchange::new(pool.clone());
        let call = exchanging.send(&self.client, addressed());
        let mut reply = exchange(call, &sent, &self.context, max, deadline).await;
        // The end of an idle connection, which crossed the request: RFC 9110, 15.5.9 allows to repeat it.
        if exchanging.is_reused() && reply.as_ref().is_ok_and(Reply::is_request_timeout) {
            exchanging = Exchange::on_new_connection(pool);
            let call = exchanging.send(&self.client, addressed());
            reply = exchange(call, &sent, &self.context, max, deadline).await;
        }
        exchanging.end();
        self.classified(reply)
    }

    /// A request without an address.
    fn request(&self, payload: &Payload, sent: &Sent) -> Request<FullBody> {
        let mut request = Request::new(FullBody::new(payload.bytes.clone(), sent.clone()));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = self.headers.clone();
        if let Some(encoding) = payload.encoding() {
            request.headers_mut().insert(CONTENT_ENCODING, encoding);
        }
        request
    }

    fn classified(&self, reply: Result<Reply, AttemptOutcome>) -> AttemptOutcome {
        let outcome = match reply {
            Ok(reply) => classify::http(&reply, self.protocol, SystemTime::now()),
            Err(outcome) => return outcome,
        };
        #[cfg(feature = "proxy")]
        if let Some(proxy) = self.client.connector.target().forwarding_proxy() {
            return outcome.through_proxy(proxy);
        }
        outcome
    }

    /// Fetches a document of at most `max_bytes` bytes, with the transport's headers: by `GET`, or
    /// by `POST` of JSON to a path that is appended to the endpoint's.
    pub(crate) async fn document(
        &self,
        posted: Option<(&str, Bytes)>,
        max_bytes: usize,
        deadline: Instant,
    ) -> Result<Bytes, FetchError> {
        let unreachable =
            |message: String| FetchError::Unreachable { message: text::sanitize(&message) };
        let connections = self.connections.client(|| self.connection_pool());
        let mut exchanging = Exchange::new(connections.map_err(|_| FetchError::NoRuntime)?);
        let request = self.document_request(posted)?;
        let sent = request.body().sent();
        let before = self.context.observations.state();
        let allowed = deadline.saturating_duration_since(Instant::now());
        let call = exchanging.send(&self.client, request);
        let response = match tokio::time::timeout_at(deadline, call).await {
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
        let body = body::read(response.into_body(), max_bytes, deadline).await.0;
        exchanging.end();
        match body {
            Ok(document) => Ok(document),
            Err(BodyFault::TooLarge) => Err(FetchError::TooLarge { max_bytes }),
            Err(BodyFault::Lost(message)) => Err(unreachable(message)),
        }
    }

    fn connection_pool(&self) -> Arc<ConnectionPool> {
        Arc::new(ConnectionPool::new(self.idle.clone()))
    }

    fn document_request(
        &self,
        posted: Option<(&str, Bytes)>,
    ) -> Result<Request<FullBody>, FetchError> {
        let mut headers = self.headers.clone();
        let (method, endpoint, body) = match posted {
            None => {
                headers.remove(CONTENT_TYPE);
                (Method::GET, self.endpoint.clone(), Bytes::new())
            }
            Some((path, json)) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                let target = self.endpoint.clone().join_path(path);
                (Method::POST, target.map_err(|_| FetchError::NoPath)?, json)
            }
        };
        let mut request = Request::new(FullBody::new(body, Sent::default()));
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        address(&mut request, endpoint.uri(), self.client.connector.target());
        Ok(request)
    }
}

impl fmt::Debug for HttpBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBackend").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
