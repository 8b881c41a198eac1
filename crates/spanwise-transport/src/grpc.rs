//! OTLP/gRPC, through tonic's channel with our own message frames.

mod go_away;
mod ping_interval;
mod pool;
mod while_open;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use tokio::time::Instant;
use tonic::transport::Channel;
use tower_service::Service as _;

use crate::body::FullBody;
use crate::classify::{self, AttemptOutcome};
use crate::connector::Connector;
use crate::exchange::exchange;
use crate::explain::ConnectionContext;
use crate::payload::Payload;
use crate::per_runtime::PerRuntime;
use crate::sent::Sent;
use crate::target::Target;
use crate::tls_settings::ConnectionSettings;
use crate::{BuildError, Channels, Endpoint, Protocol, Signal, tcp};
use go_away::ObservedConnector;
use ping_interval::PingInterval;
use pool::ChannelPool;
use while_open::{EndingConnector, WhileOpen};

/// Lazily connected gRPC channels, and the headers of their calls.
pub(crate) struct GrpcBackend {
    endpoint: Endpoint,
    uri: Uri,
    headers: HeaderMap,
    context: ConnectionContext,
    target: tonic::transport::Endpoint,
    connector: Connector,
    channels: Channels,
    interval: Arc<PingInterval>,
    pool: PerRuntime<Arc<ChannelPool>>,
}

impl GrpcBackend {
    pub(crate) fn new(
        endpoint: Endpoint,
        mut headers: HeaderMap,
        user_agent: HeaderValue,
        settings: &ConnectionSettings,
    ) -> Result<Self, BuildError> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip"));
        let uri = endpoint.with_fixed_path(Signal::default().method());
        let context = ConnectionContext::new(Protocol::Grpc, &endpoint);
        let connector = Connector::new(&endpoint, settings, Some(b"h2"), &context)?;
        // The connector speaks TLS, so that tonic must not: it reads the scheme of the first URL, and
        // requests carry that of the second.
        let target = tonic::transport::Endpoint::from(Uri::from_static("http://endpoint"))
            .origin(endpoint.with_fixed_path("/"))
            .user_agent(user_agent)
            .map_err(|_| BuildError::UserAgent)?
            .connect_timeout(tcp::CONNECT_TIMEOUT)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(2 * WINDOW)
            .http2_max_header_list_size(MAX_HEADERS);
        let channels = Channels::default();
        let interval = Arc::new(PingInterval::new(channels.keep_alive.interval));
        let pool = PerRuntime::new();
        Ok(Self { endpoint, uri, headers, context, target, connector, channels, interval, pool })
    }

    pub(crate) fn with_signal(mut self, signal: Signal) -> Self {
        self.uri = self.endpoint.with_fixed_path(signal.method());
        self
    }

    pub(crate) fn with_channels(mut self, channels: Channels) -> Self {
        self.interval = Arc::new(PingInterval::new(channels.keep_alive.interval));
        self.channels = channels;
        self
    }

    pub(crate) fn context(&self) -> &ConnectionContext {
        &self.context
    }

    pub(crate) fn target(&self) -> &Target {
        self.connector.target()
    }

    pub(crate) async fn attempt(
        &self,
        payload: &Payload,
        sent: Sent,
        max: usize,
        deadline: Instant,
    ) -> AttemptOutcome {
        let pool = match self.pool.client(|| self.channel_pool()) {
            Ok(pool) => pool,
            Err(outcome) => return outcome,
        };
        let open = pool.while_open();
        let selected = pool.select(|interval| self.connect(interval, open));
        let body = FullBody::new(payload.bytes.clone(), sent.clone());
        let mut request = Request::new(tonic::body::Body::new(body));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(encoding) = payload.encoding() {
            request.headers_mut().insert(GRPC_ENCODING, encoding);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        request.headers_mut().insert(GRPC_TIMEOUT, grpc_timeout(left));
        let mut channel = selected.channel.clone();
        let call = async move {
            poll_fn(|cx| channel.poll_ready(cx)).await?;
            channel.call(request).await
        };
        let reply = exchange(call, &sent, &self.context, max, deadline).await;
        drop(selected);
        match reply {
            Ok(reply) => classify::grpc(&reply, SystemTime::now()),
            Err(outcome) => outcome,
        }
    }
}

impl GrpcBackend {
    fn channel_pool(&self) -> Arc<ChannelPool> {
        let Channels { count, selection, .. } = self.channels;
        Arc::new(ChannelPool::new(count, selection, self.interval.clone()))
    }

    /// A channel with pings at `interval`, which connects while its pool is `open`.
    fn connect(&self, interval: Duration, open: WhileOpen) -> Channel {
        let connector = self.connector.clone();
        let connector = ObservedConnector::new(connector, self.interval.clone(), interval);
        let keep_alive = self.channels.keep_alive;
        let target = self
            .target
            .clone()
            .http2_keep_alive_interval(interval)
            .keep_alive_timeout(keep_alive.timeout)
            .keep_alive_while_idle(keep_alive.while_idle);
        target.connect_with_connector_lazy(EndingConnector::new(connector, open))
    }
}

impl fmt::Debug for GrpcBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcBackend").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Formats `left` as `grpc-timeout`: at most eight digits, here of milliseconds or seconds.
fn grpc_timeout(left: Duration) -> HeaderValue {
    let text = match left.as_millis() {
        millis @ 0..=99_999_999 => format!("{}m", millis.max(1)),
        _ => format!("{}S", left.as_secs().min(99_999_999)),
    };
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("10S"))
}

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The window of responses, which are small: a server cannot make the client buffer more.
const WINDOW: u32 = 65_535;
const MAX_HEADERS: u32 = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_fit_eight_digits() {
        let cases = [
            (Duration::ZERO, "1m"),
            (Duration::from_millis(10_000), "10000m"),
            (Duration::from_millis(99_999_999), "99999999m"),
            (Duration::from_millis(100_000_000), "100000S"),
            (Duration::MAX, "99999999S"),
        ];
        for (left, expected) in cases {
            assert_eq!(grpc_timeout(left), expected);
        }
    }
}
