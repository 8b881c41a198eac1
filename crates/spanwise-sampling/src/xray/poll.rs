//! What to ask when, and what the answers change. No clock and no socket here.

use super::limits::Counts;
use super::remote::XrayRemote;
use super::rules::{Definition, Page, RULES, Rule, XrayError};
use super::settings::XraySettings;
use super::targets::{Statistics, Targets, report};
use crate::spread::Spread;
use crate::url::Url;
use serde_json::json;
use spanwise_worker::random_bytes;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Keeps an [`XrayRemote`] up to date: says what to `POST` when, and takes the answers.
///
/// Rules at once, then at the polling interval, and as soon as X-Ray says that they have changed.
/// A report on each rule that was used a second after it came, then every 10 s or as X-Ray says;
/// its answer is the rule's quota. Each give or take a tenth, so that a fleet does not ask in step.
/// Rules are let go when none came for an hour, quotas when their time is over.
///
/// ```
/// # mod spanwise { pub mod sampling { pub use spanwise_sampling::*; } }
/// use spanwise::sampling::{XrayPoller, XrayRemote, XraySettings};
///
/// fn main() -> Result<(), spanwise::sampling::XrayError> {
///     let mut poll = XrayPoller::new(&XraySettings::default(), "shop", XrayRemote::new(), 7);
///     let asked = poll.request(0, 1_700_000_000).unwrap(); // POST it below `poll.endpoint()`, then:
///     assert_eq!((asked.path, &*asked.body), ("/GetSamplingRules", "{}"));
///     poll.answered(1_000, 1_700_000_000, br#"{"SamplingRuleRecords": []}"#)?;
///     assert!(poll.due() > 250_000_000_000);
///     Ok(())
/// }
/// ```
pub struct XrayPoller {
    endpoint: Url,
    service: String,
    client: String,
    sampler: XrayRemote,
    interval: u64,
    spread: Spread,
    asked: Option<Asked>,
    rules: Vec<Tracked>,
    /// Rules of the pages that have come so far, and what to ask the next one with.
    pages: (usize, Vec<Definition>, Option<String>),
    rules_due: u64,
    /// When the rules are too old to go by.
    rules_until: u64,
    failures: u32,
    /// When rules changed last as far as is known, in seconds since 1970.
    modified: f64,
}

/// A request: `body`, which is JSON, to `path` below the endpoint. `Debug` shows how long it is.
#[derive(Clone, PartialEq, Eq)]
pub struct XrayRequest {
    /// Beginning with `/`.
    pub path: &'static str,
    /// The document to post.
    pub body: String,
}

/// What an answer is waited for.
enum Asked {
    Rules,
    Targets(Vec<(Arc<Rule>, Counts)>),
}

/// A rule in force, and its times.
struct Tracked {
    rule: Arc<Rule>,
    report_at: u64,
    quota_until: u64,
}

impl XrayPoller {
    /// Asks for the rules of `service` and gives them to `sampler`. `seed` spreads the times of
    /// asking: take another in each process, also a forked one. What X-Ray tells processes apart by
    /// comes from the operating system.
    pub fn new(settings: &XraySettings, service: &str, sampler: XrayRemote, seed: u64) -> Self {
        Self {
            endpoint: Url::new(settings.endpoint()),
            service: service.to_owned(),
            // 24 hexadecimal digits.
            client: random_bytes::<12>().iter().map(|byte| format!("{byte:02x}")).collect(),
            sampler,
            interval: nanos(settings.interval()),
            spread: Spread::new(seed),
            asked: None,
            rules: Vec::new(),
            pages: Default::default(),
            rules_due: 0,
            rules_until: u64::MAX,
            failures: 0,
            modified: 0.0,
        }
    }

    /// What requests go to, without their path.
    pub fn endpoint(&self) -> &str {
        self.endpoint.as_str()
    }

    /// When to call [`request`](Self::request) next, in the host's nanoseconds; 0 is at once.
    pub fn due(&self) -> u64 {
        let times = self.rules.iter().map(|tracked| tracked.report_at.min(tracked.quota_until));
        times.fold(self.rules_due.min(self.rules_until), u64::min)
    }

    /// What to post at `now`, if anything, and lets go what is too old. `unix_seconds` are those
    /// since 1970. Then call [`answered`](Self::answered) or [`failed`](Self::failed) before the
    /// next.
    pub fn request(&mut self, now: u64, unix_seconds: u64) -> Option<XrayRequest> {
        if self.asked.is_some() {
            // Somebody gave up without saying so.
            self.failed(now);
        }
        self.expire(now);
        if now >= self.rules_due {
            self.asked = Some(Asked::Rules);
            let body = match &self.pages.2 {
                Some(token) => json!({ "NextToken": token }),
                None => json!({}),
            };
            return Some(XrayRequest { path: "/GetSamplingRules", body: body.to_string() });
        }
        let mut reported = Vec::new();
        for tracked in self.rules.iter_mut().filter(|tracked| tracked.report_at <= now) {
            if tracked.rule.limits.matched() == 0 {
                tracked.report_at = now.saturating_add(self.spread.around(REPORT_EVERY));
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
        self.asked = Some(Asked::Targets(reported));
        Some(XrayRequest { path: "/SamplingTargets", body })
    }

    /// The answer to the last request came at `now`. Whether it changed anything.
    ///
    /// # Errors
    /// It cannot be used: what is in force stays, and it is asked again as after a failure.
    pub fn answered(
        &mut self,
        now: u64,
        unix_seconds: u64,
        body: &[u8],
    ) -> Result<bool, XrayError> {
        match &self.asked {
            None => Ok(false),
            Some(Asked::Rules) => {
                let page = Page::parse(body).inspect_err(|_| self.failed(now))?;
                self.asked = None;
                self.take_page(now, unix_seconds, page)
            }
            Some(Asked::Targets(_)) => {
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

    /// No answer came by `now`.
    pub fn failed(&mut self, now: u64) {
        match self.asked.take() {
            Some(Asked::Targets(reported)) => {
                for (rule, counts) in &reported {
                    rule.limits.put_back(*counts);
                }
                self.report_later(now, &reported);
            }
            Some(Asked::Rules) | None => {
                self.pages = Default::default();
                let wait = self.spread.after(self.failures, self.interval);
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
            // The next page at once.
            self.rules_due = now;
            return Ok(false);
        }
        let (_, rules, _) = std::mem::take(&mut self.pages);
        self.failures = 0;
        self.rules_due = now.saturating_add(self.spread.around(self.interval));
        self.rules_until = now.saturating_add(OLD);
        self.modified = self.modified.max(unix as f64);
        Ok(self.put_in_force(now, rules))
    }

    /// Rules that there were go on with their quotas, counts and times, also where they are defined
    /// anew.
    fn put_in_force(&mut self, now: u64, mut definitions: Vec<Definition>) -> bool {
        definitions.retain(|definition| definition.concerns(&self.service));
        definitions.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
        let mut before = std::mem::take(&mut self.rules);
        let mut changed = before.len() != definitions.len();
        for (place, definition) in definitions.into_iter().enumerate() {
            // They come in the same order, so that this is mostly the first.
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
                    report_at: now.saturating_add(self.spread.around(FIRST_REPORT)),
                    quota_until: u64::MAX,
                },
            };
            self.rules.insert(place, tracked);
        }
        // Also when nothing changed: they may have been let go in between.
        let rules = self.rules.iter().map(|tracked| tracked.rule.clone()).collect();
        self.sampler.apply(Some(rules));
        changed
    }

    fn take_targets(&mut self, now: u64, unix: u64, answer: Targets) {
        if let Some(Asked::Targets(reported)) = self.asked.take() {
            self.report_later(now, &reported);
        }
        for target in answer.targets {
            let mut rules = self.rules.iter_mut();
            let Some(Tracked { rule, report_at, quota_until }) =
                rules.find(|tracked| tracked.rule.definition.name == target.rule)
            else {
                // A rule that was taken away meanwhile.
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
                *report_at = now.saturating_add(self.spread.around(wait));
            }
        }
        if let Some(modified) = answer.modified.filter(|&modified| modified > self.modified) {
            // Kept, so that a clock ahead of ours does not make us ask after each report.
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
                tracked.report_at = now.saturating_add(self.spread.around(REPORT_EVERY));
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
    /// Whom it asks and for what; not what it is known by, nor X-Ray's tokens.
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
/// A rule has no quota before its first report: that one is soon.
const FIRST_REPORT: u64 = SECOND;
const REPORT_EVERY: u64 = 10 * SECOND;
/// Reports in a request (X-Ray's bound for `GetSamplingTargets`).
const MAX_REPORTS: usize = 25;
const MAX_PAGES: usize = 100;
/// Rules that were not confirmed for so long are let go.
const OLD: u64 = 3600 * SECOND;
