//! The rule-based sampler, and the predicates of its rules.

use crate::intent::SamplingIntent;
use crate::parameters::SamplingParameters;
use crate::sampler::{ComposableSampler, Sampler, tick_each};
use crate::tick::Tick;
use spanwise_wire::{SpanKind, Value};

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

    fn tick(&self, tick: &Tick) {
        tick_each(self.rules.iter().map(|(_, sampler)| sampler), tick);
    }

    fn description(&self) -> String {
        let samplers: Vec<String> =
            self.rules.iter().map(|(_, sampler)| sampler.to_string()).collect();
        format!("RuleBased{{{}}}", samplers.join(","))
    }
}

/// A predicate over spans (specification, *Predicate* of *ComposableRuleBased*): every condition
/// that is set must hold. Without conditions it matches every span.
///
/// In patterns `*` matches any number of characters, also none.
#[derive(Debug, Clone, Default)]
pub struct SpanPredicate {
    name: Option<Pattern>,
    scope: Option<Pattern>,
    kind: Option<SpanKind>,
    root: Option<bool>,
    attributes: Vec<(String, Pattern)>,
}

impl SpanPredicate {
    /// Matches every span.
    pub fn any() -> Self {
        Self::default()
    }

    /// The name of the span matches `pattern`.
    #[must_use]
    pub fn name(mut self, pattern: &str) -> Self {
        self.name = Some(Pattern::new(pattern));
        self
    }

    /// The name of the instrumentation scope matches `pattern`.
    #[must_use]
    pub fn scope(mut self, pattern: &str) -> Self {
        self.scope = Some(Pattern::new(pattern));
        self
    }

    /// The kind of the span is `kind`.
    #[must_use]
    pub fn kind(mut self, kind: SpanKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// The span has no parent (`true`), or has one (`false`).
    #[must_use]
    pub fn root(mut self, root: bool) -> Self {
        self.root = Some(root);
        self
    }

    /// The initial attributes of the span include `key`, and its value matches `pattern`: a string,
    /// or the text of a number or boolean. Lists match no pattern.
    #[must_use]
    pub fn attribute(mut self, key: impl Into<String>, pattern: &str) -> Self {
        self.attributes.push((key.into(), Pattern::new(pattern)));
        self
    }

    /// Whether every condition holds for `params`.
    pub fn matches(&self, params: &SamplingParameters<'_>) -> bool {
        self.kind.is_none_or(|kind| kind == params.kind)
            && self.root.is_none_or(|root| root == params.parent.is_none())
            && self.name.as_ref().is_none_or(|pattern| pattern.matches(params.name))
            && self.scope.as_ref().is_none_or(|pattern| pattern.matches(params.scope))
            && self.attributes.iter().all(|(key, pattern)| {
                params.attributes.get(key).is_some_and(|value| pattern.matches_value(value))
            })
    }
}

/// A pattern with `*` as its wildcard.
#[derive(Debug, Clone)]
struct Pattern {
    /// The texts between the stars; a single piece must equal the whole text.
    pieces: Vec<String>,
}

impl Pattern {
    fn new(pattern: &str) -> Self {
        Self { pieces: pattern.split('*').map(str::to_owned).collect() }
    }

    fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = &*self.pieces else {
            return self.pieces.first().is_some_and(|whole| whole == text);
        };
        let Some(mut rest) = text.strip_prefix(&**first) else { return false };
        for piece in middle {
            // The first occurrence suffices: the stars around it match all other characters.
            let Some(at) = rest.find(&**piece) else { return false };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(&**last)
    }

    fn matches_value(&self, value: Value<'_>) -> bool {
        match value {
            Value::Str(text) => self.matches(text),
            Value::Bool(bool) => self.matches(if bool { "true" } else { "false" }),
            Value::I64(number) => self.matches(&number.to_string()),
            Value::F64(number) => self.matches(&number.to_string()),
            _ => false,
        }
    }
}
