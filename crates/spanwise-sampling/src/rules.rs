//! The rule-based sampler, and the predicates of its rules.

use crate::intent::SamplingIntent;
use crate::parameters::SamplingParameters;
use crate::predicate::SpanPredicate;
use crate::sampler::{ComposableSampler, Sampler, tick_each};
use crate::sampling_rate::SamplingRate;
use crate::tick::Tick;

/// Delegates to the sampler of the first rule whose predicate matches the span (specification,
/// *ComposableRuleBased*). A span that no rule matches is dropped; add a last rule with
/// [`SpanPredicate::any`] to sample such spans.
///
/// ```
/// # mod spanwise { pub mod sampling { pub use spanwise_sampling::*; } }
/// use spanwise::sampling::{SpanPredicate, RuleBased, Sampler};
///
/// fn main() -> Result<(), spanwise::sampling::ProbabilityError> {
///     let sampler = RuleBased::new()
///         .with_rule(SpanPredicate::any().name("GET /health*"), Sampler::always_off())
///         .with_rule(SpanPredicate::any().attribute("tenant", "gold"), Sampler::always_on())
///         .with_rule(SpanPredicate::any(), Sampler::probability(0.05)?);
///     println!("{}", Sampler::from(sampler).parent_based());
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct RuleBased {
    rules: Vec<(SpanPredicate, Sampler)>,
}

impl RuleBased {
    /// No rules: drops every span.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule after the present ones.
    #[must_use]
    pub fn with_rule(mut self, predicate: SpanPredicate, sampler: impl Into<Sampler>) -> Self {
        self.rules.push((predicate, sampler.into()));
        self
    }
}

impl ComposableSampler for RuleBased {
    fn sampling_intent<'s>(&'s self, params: &SamplingParameters<'_>) -> SamplingIntent<'s> {
        match self.rules.iter().find(|(predicate, _)| predicate.matches(params)) {
            Some((_, sampler)) => sampler.sampling_intent(params),
            None => SamplingIntent::DROP,
        }
    }

    /// Those of all rules, one after the other.
    fn rates(&self) -> Vec<SamplingRate> {
        self.rules.iter().flat_map(|(_, sampler)| sampler.rates()).collect()
    }

    fn tick(&self, tick: &Tick) {
        tick_each(self.rules.iter().map(|(_, sampler)| sampler), tick);
    }

    fn description(&self) -> String {
        let samplers: Vec<String> =
            self.rules.iter().map(|(_, sampler)| sampler.to_string()).collect();
        format!("RuleBased{{{}}}", samplers.join(","))
    }
}
