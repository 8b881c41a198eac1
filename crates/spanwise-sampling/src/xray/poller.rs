//! The poller of rules, without clock and sockets.

use super::limits::Counts;
use super::remote::XrayRemote;
use super::rules::{Definition, Page, RULES, Rule, XrayError};
use super::settings::XraySettings;
use super::targets::{Statistics, Targets, report};
use crate::jitter::Jitter;
use crate::url::Url;
use serde_json::json;
use spanwise_worker::random_bytes;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A sans-I/O poller that keeps an [`XrayRemote`] up to date: it determines what to `POST` when, and
/// takes the responses.
///
/// It requests the rules at once, then at the polling interval, and as soon as X-Ray reports a
/// change. It reports on each used rule one second after receiving it, then every 10 s or at the
/// interval of X-Ray's response, which also holds the rule's quota. All times vary by plus or minus a
/// tenth, so that a fleet does not send requests in step. Rules expire an hour after the last
/// response, quotas at the end of their validity.
///
/// ```
/// # mod spanwise { pub mod sampling { pub use spanwise_sampling::*; } }
/// use spanwise::sampling::{XrayPoller, XrayRemote, XraySettings};
///
/// fn main() -> Result<(), spanwise::sampling::XrayError> {
///     let mut poller = XrayPoller::new(&XraySettings::default(), "shop", XrayRemote::new(), 7);
///     let request = poller.request(0, 1_700_000_000).unwrap(); // POST it below `poller.endpoint()`, then:
///     assert_eq!((request.path, &*request.body), ("/GetSamplingRules", "{}"));
///     poller.answered(1_000, 1_700_000_000, br#"{"SamplingRuleRecords": []}"#)?;
///     assert!(poller.due() > 250_000_000_000);
///     Ok(())
/// }
/// ```
pub struct XrayPoller {
    endpoint: Url,
    service: String,
    client: String,
    sampler: XrayRemote,
    interval: u64,
    jitter: Jitter,
    pending: Option<Pending>,
    rules: Vec<Tracked>,
    /// The number of pages received, their rules, and the token of the next page.
    pages: (usize, Vec<Definition>, Option<String>),
    rules_due: u64,
    /// The time at which the rules expire.
    rules_until: u64,
    failures: u32,
    /// The time of the last known change of the rules, in seconds since 1970.
    modified: f64,
}

/// An HTTP `POST` request: `body`, which is JSON, to `path` below the endpoint. `Debug` shows the
/// length of the body.
#[derive(Clone, PartialEq, Eq)]
pub struct XrayRequest {
    /// The path, with its first `/`.
    pub path: &'static str,
    /// The JSON document.
    pub body: String,
}

/// The request that waits for its response.
enum Pending {
    Rules,
    Targets(Vec<(Arc<Rule>, Counts)>),
}

/// A rule in force, and the times of its next report and of the expiry of its quota.
struct Tracked {
    rule: Arc<Rule>,
    report_at: u64,
    quota_until: u64,
}

impl XrayPoller {
    /// Polls for the rules of `service` and applies them to `sampler`. `seed` seeds the jitter: pass
    /// another seed in each process, also in a forked one. The client id, by which X-Ray distinguishes
    /// processes, comes from the operating system's random generator.
    pub fn new(settings: &XraySettings, service: &str, sampler: XrayRemote, seed: u64) -> Self {
        Self {
            endpoint: Url::new(settings.endpoint()),
            service: service.to_owned(),
            // 24 hexadecimal digits.
            client: random_bytes::<12>().iter().map(|byte| format!("{byte:02x}")).collect(),
            sampler,
            interval: nanos(settings.interval()),
            jitter: Jitter::new(seed),
            pending: None,
            rules: Vec::new(),
            pages: Default::default(),
            rules_due: 0,
            rules_until: u64::MAX,
            failures: 0,
            modified: 0.0,
        }
    }

    /// The endpoint of all requests, without their path.
    pub fn endpoint(&self) -> &str {
        self.endpoint.as_str()
    }

    /// The time of the next call of [`request`](Self::request), in nanoseconds of the caller's clock; 0
    /// is at once.
    pub fn due(&self) -> u64 {
        let times = self.rules.iter().map(|tracked| tracked.report_at.min(tracked.quota_until));
        times.fold(self.rules_due.min(self.rules_until), u64::min)
    }

    /// The request to send at `now`, if any; expired rules and quotas are removed. `unix_seconds` is
    /// the time in seconds since 1970. Call [`answered`](Self::answered) or
    /// [`failed`](Self::failed) before the next request.
    pub fn request(&mut self, now: u64, unix_seconds: u64) -> Option<XrayRequest> {
        if self.pending.is_some() {
            // The caller gave up without calling `failed`.
            self.failed(now);
        }
        self.expire(now);
        if now >= self.rules_due {
            self.pending = Some(Pending::Rules);
            let body = match &self.pages.2 {
                Some(token) => json!({ "NextToken": token }),
                None => json!({}),
            };
            return Some(XrayRequest { path: "/GetSamplingRules", body: body.to_string() });
        }
        let mut reported = Vec::new();
        for tracked in self.rules.iter_mut().filter(|tracked| tracked.report_at <= now) {
            if tracked.rule.limits.matched() == 0 {
                tracked.report_at = now.saturating_add(self.jitter.around(REPORT_EVERY));
            } else if reported.len() < MAX_REPORTS {
                reported.push((tracked.rule.clone(), tracked.rule.limits.take_counts()));
            }
        }
        if reported.is_empty() {
            return None;
        }
        let statistics = reported
            .iter()
            .map(|(rule, counts)| Statistics { rule: &rule.definition.name, counts: *counts });
        let body = report(&self.client, unix_seconds, statistics);
        self.pending = Some(Pending::Targets(reported));
        Some(XrayRequest { path: "/SamplingTargets", body })
    }

    /// Takes the response to the last request, received at `now`; returns whether it changed the
    /// sampler.
    ///
    /// # Errors
    /// The response is malformed: the rules stay, and the next request is due as after a failure.
    pub fn answered(
        &mut self,
        now: u64,
        unix_seconds: u64,
        body: &[u8],
    ) -> Result<bool, XrayError> {
        match &self.pending {
            None => Ok(false),
            Some(Pending::Rules) => {
                let page = Page::parse(body).inspect_err(|_| self.failed(now))?;
                self.pending = None;
                self.take_page(now, unix_seconds, page)
            }
            Some(Pending::Targets(_)) => {
                let targets = Targets::parse(body).inspect_err(|_| self.failed(now))?;
                let unprocessed = targets.unprocessed;
                self.take_targets(now, unix_seconds, targets);
                match unprocessed {
                    0 => Ok(true),
                    reports => Err(XrayError::Unprocessed(reports)),
                }
            }
        }
    }

    /// Records that the last request failed at `now`.
    pub fn failed(&mut self, now: u64) {
        match self.pending.take() {
            Some(Pending::Targets(reported)) => {
                for (rule, counts) in &reported {
                    rule.limits.put_back(*counts);
                }
                self.report_later(now, &reported);
            }
            Some(Pending::Rules) | None => {
                self.pages = Default::default();
                let wait = self.jitter.backoff(self.failures, self.interval);
                self.failures = self.failures.saturating_add(1);
                self.rules_due = now.saturating_add(wait);
            }
        }
    }

    fn expire(&mut self, now: u64) {
        if now >= self.rules_until {
            self.rules_until = u64::MAX;
            self.rules.clear();
            self.sampler.apply(None);
        }
        for tracked in self.rules.iter_mut().filter(|tracked| tracked.quota_until <= now) {
            tracked.quota_until = u64::MAX;
            tracked.rule.limits.set_quota(None);
        }
    }

    fn take_page(&mut self, now: u64, unix: u64, page: Page) -> Result<bool, XrayError> {
        let (pages, rules, next) = &mut self.pages;
        *pages += 1;
        rules.extend(page.rules);
        *next = page.next;
        if rules.len() > RULES || (next.is_some() && *pages >= MAX_PAGES) {
            self.failed(now);
            return Err(XrayError::TooManyRules);
        }
        if next.is_some() {
            // The next page is due at once.
            self.rules_due = now;
            return Ok(false);
        }
        let (_, rules, _) = std::mem::take(&mut self.pages);
        self.failures = 0;
        self.rules_due = now.saturating_add(self.jitter.around(self.interval));
        self.rules_until = now.saturating_add(RULES_TTL);
        self.modified = self.modified.max(unix as f64);
        Ok(self.put_in_force(now, rules))
    }

    /// Replaces the rules. A rule with a known name retains its quota, counts and times, also with a
    /// new definition.
    fn put_in_force(&mut self, now: u64, mut definitions: Vec<Definition>) -> bool {
        definitions.retain(|definition| definition.concerns(&self.service));
        definitions.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
        let mut before = std::mem::take(&mut self.rules);
        let mut changed = before.len() != definitions.len();
        for (place, definition) in definitions.into_iter().enumerate() {
            // Rules arrive in a stable order, so this is mostly the first.
            let named = |tracked: &Tracked| tracked.rule.definition.name == definition.name;
            let known = before.iter().position(named);
            changed |= known != Some(0);
            let tracked = match known.map(|place| before.remove(place)) {
                Some(tracked) if tracked.rule.definition == definition => tracked,
                Some(tracked) => {
                    changed = true;
                    let rule = Arc::new(tracked.rule.redefined(definition));
                    Tracked { rule, ..tracked }
                }
                None => Tracked {
                    rule: Arc::new(Rule::new(definition)),
                    report_at: now.saturating_add(self.jitter.around(FIRST_REPORT)),
                    quota_until: u64::MAX,
                },
            };
            self.rules.insert(place, tracked);
        }
        // Also without a change: the rules may have expired in between.
        let rules = self.rules.iter().map(|tracked| tracked.rule.clone()).collect();
        self.sampler.apply(Some(rules));
        changed
    }

    fn take_targets(&mut self, now: u64, unix: u64, response: Targets) {
        if let Some(Pending::Targets(reported)) = self.pending.take() {
            self.report_later(now, &reported);
        }
        for target in response.targets {
            let mut rules = self.rules.iter_mut();
            let Some(Tracked { rule, report_at, quota_until }) =
                rules.find(|tracked| tracked.rule.definition.name == target.rule)
            else {
                // The rule was removed meanwhile.
                continue;
            };
            if let Some(rate) = target.rate {
                rule.limits.set_rate(rate);
            }
            if let Some((quota, until)) = target.quota {
                let left =
                    nanos(Duration::try_from_secs_f64(until - unix as f64).unwrap_or_default());
                rule.limits.set_quota((left > 0).then_some(quota));
                *quota_until = if left > 0 { now.saturating_add(left) } else { u64::MAX };
            }
            if let Some(seconds) = target.interval {
                let wait = nanos(Duration::try_from_secs_f64(seconds.max(1.0)).unwrap_or_default());
                *report_at = now.saturating_add(self.jitter.around(wait));
            }
        }
        if let Some(modified) = response.modified.filter(|&modified| modified > self.modified) {
            // Stored, so that a server clock ahead of ours causes no request after each report.
            self.modified = modified;
            self.rules_due = self.rules_due.min(now);
        }
    }

    fn report_later(&mut self, now: u64, reported: &[(Arc<Rule>, Counts)]) {
        for (rule, _) in reported {
            let mut rules = self.rules.iter_mut();
            if let Some(tracked) =
                rules.find(|tracked| Arc::ptr_eq(&tracked.rule.limits, &rule.limits))
            {
                tracked.report_at = now.saturating_add(self.jitter.around(REPORT_EVERY));
            }
        }
    }
}

impl fmt::Debug for XrayRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = format_args!("[{} bytes]", self.body.len());
        f.debug_struct("XrayRequest").field("path", &self.path).field("body", &body).finish()
    }
}

impl fmt::Debug for XrayPoller {
    /// Shows endpoint and service, but neither the client id nor X-Ray's tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XrayPoller")
            .field("endpoint", &self.endpoint)
            .field("service", &self.service)
            .field("rules", &self.rules.len())
            .field("due", &self.due())
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}

const SECOND: u64 = 1_000_000_000;
/// The delay of the first report of a rule. It is short, since the rule has no quota before it.
const FIRST_REPORT: u64 = SECOND;
const REPORT_EVERY: u64 = 10 * SECOND;
/// The maximum number of reports in a request (X-Ray's limit of `GetSamplingTargets`).
const MAX_REPORTS: usize = 25;
const MAX_PAGES: usize = 100;
/// The validity of rules after the last response.
const RULES_TTL: u64 = 3600 * SECOND;
