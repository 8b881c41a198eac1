//! Fetches what a sampler is told to do.

use super::account::Account;
use crate::config::BuildError;
use bytes::Bytes;
use spanwise_sampling::{JaegerRemote, JaegerSettings, Poll};
use spanwise_transport::{Endpoint, FetchError, Fetcher};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A sampler that is told what to do, and by whom.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) settings: JaegerSettings,
    pub(crate) sampler: JaegerRemote,
}

/// Asks when it is time to, by a task of the worker's runtime.
pub(crate) struct RemoteSampling {
    poll: Poll,
    fetcher: Arc<Fetcher>,
    fetch: Option<JoinHandle<Result<Bytes, FetchError>>>,
    started: Instant,
}

impl RemoteSampling {
    pub(crate) fn new(asked: &Asked, service_name: &str) -> Result<Self, BuildError> {
        let Asked { settings, sampler } = asked;
        let seed = RandomState::new().hash_one(service_name);
        let poll = Poll::new(settings, service_name, sampler.clone(), seed);
        let endpoint = Endpoint::parse("endpoint of OTEL_TRACES_SAMPLER_ARG", poll.url())?;
        let fetcher = Arc::new(Fetcher::new(endpoint, TIMEOUT, MOST_BYTES)?);
        Ok(Self { poll, fetcher, fetch: None, started: Instant::now() })
    }

    /// Takes the answer that has come, if any, and asks again if it is time to.
    pub(super) async fn turn(&mut self, now: Instant, account: &mut Account) {
        let nanos = now.saturating_duration_since(self.started).as_nanos() as u64;
        if let Some(fetch) = self.fetch.take_if(|fetch| fetch.is_finished()) {
            let problem = match fetch.await {
                Ok(Ok(body)) => self.poll.answered(nanos, &body).err().map(|e| e.to_string()),
                Ok(Err(error)) => {
                    self.poll.failed(nanos);
                    Some(error.to_string())
                }
                Err(_) => {
                    self.poll.failed(nanos);
                    Some("the task that asks has panicked".to_owned())
                }
            };
            if let Some(problem) = problem {
                account.no_strategy(self.poll.url(), &problem);
            }
        }
        if self.fetch.is_none() && nanos >= self.poll.due() {
            let fetcher = self.fetcher.clone();
            self.fetch = Some(tokio::spawn(async move { fetcher.get().await }));
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

/// For an answer that should come from the same machine.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Two thousand operations, and room for their names.
const MOST_BYTES: usize = 1 << 20;
