//! The poller of strategies, without clock and sockets.

use super::remote::JaegerRemote;
use super::settings::JaegerSettings;
use super::strategy::{JaegerStrategy, JaegerStrategyError};
use crate::jitter::Jitter;
use crate::url::Url;
use std::fmt::Write as _;

/// A sans-I/O poller that keeps a [`JaegerRemote`] up to date: it determines when to fetch the
/// strategy, and takes the responses.
///
/// It fetches at once, then at the polling interval plus or minus a tenth, so that a fleet does not
/// send requests in step. After failures it retries with exponential backoff up to the interval.
///
/// ```
/// # mod spanwise { pub mod sampling { pub use spanwise_sampling::*; } }
/// use spanwise::sampling::{JaegerRemote, JaegerSettings, JaegerPoller, Sampler};
///
/// fn main() -> Result<(), spanwise::sampling::JaegerStrategyError> {
///     let sampler = JaegerRemote::new(Sampler::always_off());
///     let mut poller = JaegerPoller::new(&JaegerSettings::default(), "shop", sampler, 7);
///     assert_eq!(poller.url(), "http://localhost:5778/sampling?service=shop");
///     assert_eq!(poller.due(), 0); // at once; fetch it, then:
///     let changed = poller.answered(1_000, br#"{"probabilisticSampling":{"samplingRate":0.5}}"#)?;
///     assert!(changed && poller.due() > 50_000_000_000);
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct JaegerPoller {
    url: Url,
    sampler: JaegerRemote,
    interval: u64,
    due: u64,
    failures: u32,
    in_force: Option<JaegerStrategy>,
    jitter: Jitter,
}

impl JaegerPoller {
    /// Polls for `service`, whose name is cut at 1,024 bytes, and applies the strategies to `sampler`.
    /// `seed` seeds the jitter: pass another seed in each process, also in a forked one.
    pub fn new(settings: &JaegerSettings, service: &str, sampler: JaegerRemote, seed: u64) -> Self {
        // 30 days at most.
        let interval = settings.interval().as_nanos() as u64;
        let url = url(settings.endpoint(), service);
        let (due, failures, in_force) = (0, 0, None);
        let jitter = Jitter::new(seed);
        Self { url, sampler, interval, due, failures, in_force, jitter }
    }

    /// The URL to fetch by HTTP `GET`.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The time of the next fetch, in nanoseconds of the caller's clock; 0 is at once.
    pub fn due(&self) -> u64 {
        self.due
    }

    /// The strategy in force; `None` before the first response.
    pub fn strategy(&self) -> Option<&JaegerStrategy> {
        self.in_force.as_ref()
    }

    /// Takes a response received at `now`; returns whether it changed the strategy.
    ///
    /// # Errors
    /// The response is malformed: the strategy stays, and the next fetch is due as after a failure.
    pub fn answered(&mut self, now: u64, body: &[u8]) -> Result<bool, JaegerStrategyError> {
        let strategy = JaegerStrategy::parse(body).inspect_err(|_| self.failed(now))?;
        self.failures = 0;
        self.due = now.saturating_add(self.jitter.around(self.interval));
        if self.in_force.as_ref() == Some(&strategy) {
            return Ok(false);
        }
        self.sampler.apply(&strategy);
        self.in_force = Some(strategy);
        Ok(true)
    }

    /// Records a fetch that failed at `now`.
    pub fn failed(&mut self, now: u64) {
        let wait = self.jitter.backoff(self.failures, self.interval);
        self.failures = self.failures.saturating_add(1);
        self.due = now.saturating_add(wait);
    }
}

/// The endpoint with the service as its query.
fn url(endpoint: &str, service: &str) -> Url {
    let separator = if endpoint.contains('?') { '&' } else { '?' };
    let mut url = format!("{endpoint}{separator}service=");
    let fits = |&(start, char): &(usize, char)| start + char.len_utf8() <= SERVICE_BYTES;
    let end = service.char_indices().take_while(fits).last();
    let end = end.map_or(0, |(start, char)| start + char.len_utf8());
    for byte in service.bytes().take(end) {
        // The unreserved characters of RFC 3986.
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            url.push(char::from(byte));
        } else {
            let _infallible = write!(url, "%{byte:02X}");
        }
    }
    Url::new(url)
}

/// The maximum length of a service's name in the query, in bytes.
const SERVICE_BYTES: usize = 1_024;
