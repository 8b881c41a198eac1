//! When to ask for the strategy. No clock and no socket here.

use super::remote::JaegerRemote;
use super::settings::JaegerSettings;
use super::strategy::{JaegerStrategy, JaegerStrategyError};
use crate::spread::Spread;
use crate::url::Url;
use std::fmt::Write as _;

/// Keeps a [`JaegerRemote`] up to date: says when to fetch what, and takes the answers.
///
/// At once, then at the polling interval give or take a tenth, so that a fleet does not ask in
/// step. After a failure sooner, in growing steps up to the interval.
///
/// ```
/// # mod spanwise { pub mod sampling { pub use spanwise_sampling::*; } }
/// use spanwise::sampling::{JaegerRemote, JaegerSettings, JaegerPoller, Sampler};
///
/// fn main() -> Result<(), spanwise::sampling::JaegerStrategyError> {
///     let sampler = JaegerRemote::new(Sampler::always_off());
///     let mut poll = JaegerPoller::new(&JaegerSettings::default(), "shop", sampler, 7);
///     assert_eq!(poll.url(), "http://localhost:5778/sampling?service=shop");
///     assert_eq!(poll.due(), 0); // at once; fetch it, then:
///     let changed = poll.answered(1_000, br#"{"probabilisticSampling":{"samplingRate":0.5}}"#)?;
///     assert!(changed && poll.due() > 50_000_000_000);
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
    spread: Spread,
}

impl JaegerPoller {
    /// Asks for `service`, of which the first 1,024 bytes count, and gives what comes to `sampler`.
    /// `seed` spreads the times of asking: take another in each process, also a forked one.
    pub fn new(settings: &JaegerSettings, service: &str, sampler: JaegerRemote, seed: u64) -> Self {
        // 30 days at most.
        let interval = settings.interval().as_nanos() as u64;
        let url = url(settings.endpoint(), service);
        let (due, failures, in_force) = (0, 0, None);
        let spread = Spread::new(seed);
        Self { url, sampler, interval, due, failures, in_force, spread }
    }

    /// What to `GET`.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// When to fetch next, in the host's nanoseconds; 0 is at once.
    pub fn due(&self) -> u64 {
        self.due
    }

    /// The strategy in force, once one has come.
    pub fn strategy(&self) -> Option<&JaegerStrategy> {
        self.in_force.as_ref()
    }

    /// An answer came at `now`. Whether it changed the strategy.
    ///
    /// # Errors
    /// It cannot be used: the strategy stays, and it is asked again as after a failure.
    pub fn answered(&mut self, now: u64, body: &[u8]) -> Result<bool, JaegerStrategyError> {
        let strategy = JaegerStrategy::parse(body).inspect_err(|_| self.failed(now))?;
        self.failures = 0;
        self.due = now.saturating_add(self.spread.around(self.interval));
        if self.in_force.as_ref() == Some(&strategy) {
            return Ok(false);
        }
        self.sampler.apply(&strategy);
        self.in_force = Some(strategy);
        Ok(true)
    }

    /// No answer came by `now`.
    pub fn failed(&mut self, now: u64) {
        let wait = self.spread.after(self.failures, self.interval);
        self.failures = self.failures.saturating_add(1);
        self.due = now.saturating_add(wait);
    }
}

/// The endpoint with the service as its query.
fn url(endpoint: &str, service: &str) -> Url {
    let separator = if endpoint.contains('?') { '&' } else { '?' };
    let mut url = format!("{endpoint}{separator}service=");
    let fits = |&(start, char): &(usize, char)| start + char.len_utf8() <= SERVICE_BYTES;
    let kept = service.char_indices().take_while(fits).last();
    let kept = kept.map_or(0, |(start, char)| start + char.len_utf8());
    for byte in service.bytes().take(kept) {
        // The unreserved characters of RFC 3986.
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            url.push(char::from(byte));
        } else {
            let _infallible = write!(url, "%{byte:02X}");
        }
    }
    Url::new(url)
}

/// Bytes of a service's name that a collector is asked for.
const SERVICE_BYTES: usize = 1_024;
