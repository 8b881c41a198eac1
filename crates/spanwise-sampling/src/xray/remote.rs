//! The sampler that applies rules.

use super::limits::Limits;
use super::rules::Rule;
use crate::intent::SamplingIntent;
use crate::parameters::SamplingParameters;
use crate::parent::follow_local;
use crate::sampler::ComposableSampler;
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// Samples by the rules that the [`XrayPoller`](super::XrayPoller) received last (X-Ray,
/// *centralized sampling*). Clones share them.
///
/// The first rule that matches decides. It samples traces up to its quota in each second, or one
/// trace per second while it has no quota and has a reservoir, and others with its rate, by a
/// consistent threshold. Without rules, and where no rule matches, the sampler samples one trace per
/// second and 5 % of the others. Traces that only the reservoir samples have no known probability:
/// the sampler erases their `th`.
///
/// A rule's patterns (`*` for any characters, `?` for one character, ASCII letters in either case)
/// are compared with the service's name, `http.request.method` or `http.method`, `url.path` or the
/// path of `http.target`, `server.address`, `http.host` or `net.host.name`, and with the attributes
/// that the rule names, strings and booleans. Only `*` matches an absent attribute, and the type of
/// service and the resource, which the sampler does not know.
///
/// Children of a parent of this process follow it. Wrap the sampler with a
/// [`ParentBased`](crate::ParentBased) to follow parents of other processes too: rules are for roots.
///
/// # Cost
/// A shared atomic write that counts the root; no lock, no allocation.
#[derive(Debug, Clone)]
pub struct XrayRemote {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The rules by priority; `None` before the first response and after they expired.
    rules: ArcSwapOption<Vec<Arc<Rule>>>,
    fallback: Limits,
}

impl XrayRemote {
    /// Samples without rules until the poller receives them.
    pub fn new() -> Self {
        let fallback = Limits::new(FALLBACK_RATE, true);
        Self { shared: Arc::new(Shared { rules: ArcSwapOption::empty(), fallback }) }
    }

    pub(super) fn apply(&self, rules: Option<Vec<Arc<Rule>>>) {
        self.shared.rules.store(rules.map(Arc::new));
    }
}

impl Default for XrayRemote {
    fn default() -> Self {
        Self::new()
    }
}

impl ComposableSampler for XrayRemote {
    fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        if let Some(followed) = follow_local(params) {
            return followed;
        }
        let rules = self.shared.rules.load();
        let rules = rules.as_ref().map_or(&[][..], |rules| rules);
        match rules.iter().find(|rule| rule.matches(params)) {
            Some(rule) => rule.limits.sampling_intent(params),
            None => self.shared.fallback.sampling_intent(params),
        }
    }

    fn description(&self) -> String {
        match &*self.shared.rules.load() {
            Some(rules) => format!("XrayRemoteSampler{{{} rules}}", rules.len()),
            None => "XrayRemoteSampler{no rules}".to_owned(),
        }
    }
}

/// The sampling rate beyond one trace per second, without rules.
const FALLBACK_RATE: f64 = 0.05;
