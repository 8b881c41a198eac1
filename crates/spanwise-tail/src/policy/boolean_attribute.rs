//! `boolean_attribute`

use std::time::Duration;

use spanwise_wire::read::ValueView;

use super::attribute::Matching;
use super::compat::Compat;
use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError};
use crate::keys::{KeyIndex, KeyPool};
use crate::trace_view::TraceView;

/// Samples traces in which a resource or a span has a boolean attribute with a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BooleanAttributePolicy {
    /// The attribute's key.
    pub key: String,
    /// The value that is sampled.
    pub value: bool,
    /// Samples the traces without such an attribute instead.
    pub invert_match: bool,
}

impl BooleanAttributePolicy {
    /// Samples traces in which `key` is `value`.
    pub fn new(key: impl Into<String>, value: bool) -> Self {
        Self { key: key.into(), value, invert_match: false }
    }

    /// Samples the traces without such a value instead.
    #[must_use]
    pub fn inverted(self) -> Self {
        Self { invert_match: true, ..self }
    }
}

pub(crate) struct BooleanAttribute {
    key: KeyIndex,
    value: bool,
    matching: Matching,
}

impl BooleanAttribute {
    pub(crate) fn new(policy: &BooleanAttributePolicy, compat: Compat, keys: &KeyPool) -> Self {
        let matching = Matching::new(policy.invert_match, compat);
        Self { key: keys.index(&policy.key), value: policy.value, matching }
    }
}

impl Evaluate for BooleanAttribute {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        _: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        let wanted = self.value;
        Ok(self.matching.decide(trace, self.key, |_, value| {
            // The Collector reads a value of another type as false.
            matches!(value, ValueView::Bool(true)) == wanted
        }))
    }
}
