//! The sampler that does as the rules say.

use super::limits::Limits;
use super::rules::Rule;
use crate::intent::SamplingIntent;
use crate::parameters::SamplingParameters;
use crate::parent::follow_local;
use crate::sampler::ComposableSampler;
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// Samples by the rules that [`XrayPoller`](super::XrayPoller) fetched last. Clones share them.
///
/// The first rule that matches decides. Up to its quota, traces of each second are kept for
/// certain; one a second while no quota is known and the rule has a reservoir; of the others a
/// share by a consistent threshold. Without rules, and where none matches, one trace a second and
/// 5 % of the rest. What the reservoir adds has no known probability, so its `th` is erased.
///
/// A rule's patterns (`*` for anything, `?` for one character, ASCII letters in either case) are
/// compared with the service's name, `http.request.method` or `http.method`, `url.path` or the path
/// of `http.target`, `server.address`, `http.host` or `net.host.name`, and with the attributes it
/// names, strings and booleans. What is not there, and the type of service and the resource, which
/// are not known here, is matched by `*` alone.
///
/// Children of a parent of this process go with it. Put it below a
/// [`ParentBased`](crate::ParentBased) to go with parents of other processes too: rules are for
/// roots.
///
/// # Cost
/// Every root is counted, by a shared atomic write; no lock, no allocation.
#[derive(Debug, Clone)]
pub struct XrayRemote {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// By priority; `None` as long as there are none, or after they have grown old.
    rules: ArcSwapOption<Vec<Arc<Rule>>>,
    fallback: Limits,
}

impl XrayRemote {
    /// Samples as without rules until they come.
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

/// Of what is beyond one a second, without rules.
const FALLBACK_RATE: f64 = 0.05;
