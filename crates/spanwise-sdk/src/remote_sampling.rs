//! Remote sampling: fetches the strategy of a sampler from a collector.

use crate::config::BuildError;
use crate::diagnostics::Diagnostics;
use bytes::Bytes;
#[cfg(feature = "jaeger")]
use spanwise_sampling::{JaegerPoller, JaegerRemote, JaegerSettings};
#[cfg(feature = "xray")]
use spanwise_sampling::{XrayPoller, XrayRemote, XraySettings};
use spanwise_transport::{Endpoint, FetchError, Fetcher};
#[cfg(feature = "xray")]
use spanwise_worker::clock;
use spanwise_worker::random_seed;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinHandle};

/// The collector of a sampler's strategy, and the sampler.
#[derive(Debug, Clone)]
pub(crate) enum RemoteSource {
    #[cfg(feature = "jaeger")]
    Jaeger { settings: JaegerSettings, sampler: JaegerRemote },
    #[cfg(feature = "xray")]
    Xray { settings: XraySettings, sampler: XrayRemote },
}

impl RemoteSource {
    /// The feature of the protocol.
    pub(crate) fn feature(&self) -> &'static str {
        match self {
            #[cfg(feature = "jaeger")]
            Self::Jaeger { .. } => "jaeger",
            #[cfg(feature = "xray")]
            Self::Xray { .. } => "xray",
        }
    }

    /// Whether both poll the same collector by the same settings.
    pub(crate) fn has_same_settings(&self, other: &Self) -> bool {
        match (self, other) {
            #[cfg(feature = "jaeger")]
            (Self::Jaeger { settings, .. }, Self::Jaeger { settings: other, .. }) => {
                settings == other
            }
            #[cfg(feature = "xray")]
            (Self::Xray { settings, .. }, Self::Xray { settings: other, .. }) => settings == other,
            #[cfg(all(feature = "jaeger", feature = "xray"))]
            _ => false,
        }
    }
}

/// Polls the collector when a poll is due, by a task of the worker's runtime.
pub(crate) struct RemoteSampling {
    poller: Poller,
    fetcher: Arc<Fetcher>,
    fetch: Option<JoinHandle<Result<Bytes, FetchError>>>,
    started: Instant,
}

/// The poller of a protocol.
enum Poller {
    #[cfg(feature = "jaeger")]
    Jaeger(JaegerPoller),
    #[cfg(feature = "xray")]
    Xray(XrayPoller),
}

impl RemoteSampling {
    /// # Errors
    /// The transport cannot send to the endpoint of `setting`.
    pub(crate) fn new(
        source: &RemoteSource,
        service_name: &str,
        setting: &'static str,
    ) -> Result<Self, BuildError> {
        let poller = Poller::new(source, service_name);
        let endpoint = Endpoint::parse(setting, poller.url())?;
        let fetcher = Arc::new(Fetcher::new(endpoint, TIMEOUT, MOST_BYTES)?);
        Ok(Self { poller, fetcher, fetch: None, started: Instant::now() })
    }

    /// Handles the response of the last poll if it has arrived, and polls again if that is due.
    pub(crate) fn turn(&mut self, now: Instant, diagnostics: &mut Diagnostics) {
        let nanos = now.saturating_duration_since(self.started).as_nanos() as u64;
        if let Some(mut fetch) = self.fetch.take_if(|fetch| fetch.is_finished()) {
            let mut context = Context::from_waker(Waker::noop());
            let Poll::Ready(fetched) = Pin::new(&mut fetch).poll(&mut context) else {
                // The runtime wants another task to run first.
                self.fetch = Some(fetch);
                return;
            };
            self.fetched(nanos, fetched, diagnostics);
        }
        if self.fetch.is_none() && nanos >= self.poller.due() {
            self.fetch = self.poller.poll(nanos, self.fetcher.clone());
        }
    }

    fn fetched(
        &mut self,
        nanos: u64,
        fetched: Result<Result<Bytes, FetchError>, JoinError>,
        diagnostics: &mut Diagnostics,
    ) {
        let problem = match fetched {
            Ok(Ok(body)) => self.poller.answered(nanos, &body),
            Ok(Err(error)) => {
                self.poller.failed(nanos);
                Some(error.to_string())
            }
            Err(_) => {
                self.poller.failed(nanos);
                Some("the task that asks has panicked".to_owned())
            }
        };
        match problem {
            Some(problem) => diagnostics.no_strategy(self.poller.url(), &problem),
            None => diagnostics.strategy(self.poller.url()),
        }
    }
}

impl Poller {
    fn new(source: &RemoteSource, service_name: &str) -> Self {
        // Each process is a client of its own, also a forked child.
        let seed = random_seed();
        match source {
            #[cfg(feature = "jaeger")]
            RemoteSource::Jaeger { settings, sampler } => {
                Self::Jaeger(JaegerPoller::new(settings, service_name, sampler.clone(), seed))
            }
            #[cfg(feature = "xray")]
            RemoteSource::Xray { settings, sampler } => {
                Self::Xray(XrayPoller::new(settings, service_name, sampler.clone(), seed))
            }
        }
    }

    fn url(&self) -> &str {
        match self {
            #[cfg(feature = "jaeger")]
            Self::Jaeger(poll) => poll.url(),
            #[cfg(feature = "xray")]
            Self::Xray(poll) => poll.endpoint(),
        }
    }

    fn due(&self) -> u64 {
        match self {
            #[cfg(feature = "jaeger")]
            Self::Jaeger(poll) => poll.due(),
            #[cfg(feature = "xray")]
            Self::Xray(poll) => poll.due(),
        }
    }

    fn poll(
        &mut self,
        #[cfg_attr(
            not(feature = "xray"),
            expect(unused_variables, reason = "asks by `due` alone")
        )]
        now: u64,
        fetcher: Arc<Fetcher>,
    ) -> Option<JoinHandle<Result<Bytes, FetchError>>> {
        match self {
            #[cfg(feature = "jaeger")]
            Self::Jaeger(_) => Some(tokio::spawn(async move { fetcher.get().await })),
            #[cfg(feature = "xray")]
            Self::Xray(poll) => poll.request(now, unix_seconds()).map(|request| {
                tokio::spawn(async move { fetcher.post(request.path, request.body.into()).await })
            }),
        }
    }

    /// Applies the response. Returns its problem if it is invalid.
    fn answered(&mut self, now: u64, body: &[u8]) -> Option<String> {
        match self {
            #[cfg(feature = "jaeger")]
            Self::Jaeger(poll) => poll.answered(now, body).err().map(|e| e.to_string()),
            #[cfg(feature = "xray")]
            Self::Xray(poll) => {
                poll.answered(now, unix_seconds(), body).err().map(|e| e.to_string())
            }
        }
    }

    fn failed(&mut self, now: u64) {
        match self {
            #[cfg(feature = "jaeger")]
            Self::Jaeger(poll) => poll.failed(now),
            #[cfg(feature = "xray")]
            Self::Xray(poll) => poll.failed(now),
        }
    }
}

impl Drop for RemoteSampling {
    fn drop(&mut self) {
        if let Some(fetch) = &self.fetch {
            fetch.abort();
        }
    }
}

#[cfg(feature = "xray")]
fn unix_seconds() -> u64 {
    clock::unix_nanos() / 1_000_000_000
}

/// The timeout of a poll; the collector is usually on the same machine.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Space for two thousand operations or a thousand rules, with their names.
const MOST_BYTES: usize = 1 << 20;
