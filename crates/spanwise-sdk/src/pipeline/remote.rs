//! Fetches what a sampler is told to do.

use super::account::Account;
use crate::config::BuildError;
use bytes::Bytes;
use spanwise_sampling::{
    JaegerPoller, JaegerRemote, JaegerSettings, XrayPoller, XrayRemote, XraySettings,
};
use spanwise_transport::{Endpoint, FetchError, Fetcher};
use spanwise_worker::{clock, random_seed};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A sampler that is told what to do, and by whom.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Jaeger { settings: JaegerSettings, sampler: JaegerRemote },
    Xray { settings: XraySettings, sampler: XrayRemote },
}

/// Asks when it is time to, by a task of the worker's runtime.
pub(crate) struct RemoteSampling {
    asking: Asking,
    fetcher: Arc<Fetcher>,
    fetch: Option<JoinHandle<Result<Bytes, FetchError>>>,
    started: Instant,
}

/// In which protocol.
enum Asking {
    Jaeger(JaegerPoller),
    Xray(XrayPoller),
}

impl RemoteSampling {
    /// # Errors
    /// Requests cannot be sent to the endpoint, which `setting` holds.
    pub(crate) fn new(
        asked: &Asked,
        service_name: &str,
        setting: &'static str,
    ) -> Result<Self, BuildError> {
        let asking = Asking::new(asked, service_name);
        let endpoint = Endpoint::parse(setting, asking.url())?;
        let fetcher = Arc::new(Fetcher::new(endpoint, TIMEOUT, MOST_BYTES)?);
        Ok(Self { asking, fetcher, fetch: None, started: Instant::now() })
    }

    /// Takes the answer that has come, if any, and asks again if it is time to.
    pub(super) async fn turn(&mut self, now: Instant, account: &mut Account) {
        let nanos = now.saturating_duration_since(self.started).as_nanos() as u64;
        if let Some(fetch) = self.fetch.take_if(|fetch| fetch.is_finished()) {
            let problem = match fetch.await {
                Ok(Ok(body)) => self.asking.answered(nanos, &body),
                Ok(Err(error)) => {
                    self.asking.failed(nanos);
                    Some(error.to_string())
                }
                Err(_) => {
                    self.asking.failed(nanos);
                    Some("the task that asks has panicked".to_owned())
                }
            };
            match problem {
                Some(problem) => account.no_strategy(self.asking.url(), &problem),
                None => account.strategy(self.asking.url()),
            }
        }
        if self.fetch.is_none() && nanos >= self.asking.due() {
            self.fetch = self.asking.ask(nanos, self.fetcher.clone());
        }
    }
}

impl Asking {
    fn new(asked: &Asked, service_name: &str) -> Self {
        // Two processes must not be one client, also when one was forked from the other.
        let seed = random_seed();
        match asked {
            Asked::Jaeger { settings, sampler } => {
                Self::Jaeger(JaegerPoller::new(settings, service_name, sampler.clone(), seed))
            }
            Asked::Xray { settings, sampler } => {
                Self::Xray(XrayPoller::new(settings, service_name, sampler.clone(), seed))
            }
        }
    }

    fn url(&self) -> &str {
        match self {
            Self::Jaeger(poll) => poll.url(),
            Self::Xray(poll) => poll.endpoint(),
        }
    }

    fn due(&self) -> u64 {
        match self {
            Self::Jaeger(poll) => poll.due(),
            Self::Xray(poll) => poll.due(),
        }
    }

    fn ask(
        &mut self,
        now: u64,
        fetcher: Arc<Fetcher>,
    ) -> Option<JoinHandle<Result<Bytes, FetchError>>> {
        match self {
            Self::Jaeger(_) => Some(tokio::spawn(async move { fetcher.get().await })),
            Self::Xray(poll) => poll.request(now, unix_seconds()).map(|request| {
                tokio::spawn(async move { fetcher.post(request.path, request.body.into()).await })
            }),
        }
    }

    /// What is wrong with the answer, if anything is.
    fn answered(&mut self, now: u64, body: &[u8]) -> Option<String> {
        match self {
            Self::Jaeger(poll) => poll.answered(now, body).err().map(|e| e.to_string()),
            Self::Xray(poll) => {
                poll.answered(now, unix_seconds(), body).err().map(|e| e.to_string())
            }
        }
    }

    fn failed(&mut self, now: u64) {
        match self {
            Self::Jaeger(poll) => poll.failed(now),
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

fn unix_seconds() -> u64 {
    clock::unix_nanos() / 1_000_000_000
}

/// For an answer that should come from the same machine.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Two thousand operations or a thousand rules, and room for their names.
const MOST_BYTES: usize = 1 << 20;
