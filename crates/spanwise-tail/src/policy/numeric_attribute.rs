//! `numeric_attribute`

use std::time::Duration;

use spanwise_wire::read::ValueView;

use super::attribute::Matching;
use super::compat::Compat;
use super::decision::PolicyDecision;
use super::evaluate::{Evaluate, EvaluationError};
use crate::keys::{KeyIndex, KeyPool};
use crate::trace_view::TraceView;

/// Samples traces in which a resource or a span has an integer attribute in a range, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct NumericAttributePolicy {
    /// The attribute's key.
    pub key: String,
    /// The lower end; 0 means none, as in the Collector (`min_value`).
    pub min_value: i64,
    /// The upper end; 0 means none, as in the Collector (`max_value`).
    pub max_value: i64,
    /// Samples the traces without such an attribute instead.
    pub invert_match: bool,
}

impl NumericAttributePolicy {
    /// Samples traces with a value of `key` from `min_value` to `max_value`, where 0 means no bound.
    pub fn new(key: impl Into<String>, min_value: i64, max_value: i64) -> Self {
        Self { key: key.into(), min_value, max_value, invert_match: false }
    }

    /// Samples the traces without such a value instead.
    #[must_use]
    pub fn inverted(self) -> Self {
        Self { invert_match: true, ..self }
    }
}

pub(crate) struct NumericAttribute {
    key: KeyIndex,
    min: i64,
    max: i64,
    matching: Matching,
}

impl NumericAttribute {
    pub(crate) fn new(
        policy: &NumericAttributePolicy,
        compat: Compat,
        keys: &KeyPool,
    ) -> Result<Self, String> {
        let &NumericAttributePolicy { min_value, max_value, invert_match, .. } = policy;
        if min_value == 0 && max_value == 0 {
            return Err(
                "`min_value` or `max_value` must be set to another number than 0".to_owned()
            );
        }
        // The Collector accepts a range that no number is in.
        let min = if min_value == 0 { i64::MIN } else { min_value };
        let max = if max_value == 0 { i64::MAX } else { max_value };
        let matching = Matching::new(invert_match, compat);
        Ok(Self { key: keys.index(&policy.key), min, max, matching })
    }
}

impl Evaluate for NumericAttribute {
    fn evaluate(
        &mut self,
        trace: &TraceView<'_>,
        _: Duration,
    ) -> Result<PolicyDecision, EvaluationError> {
        let (min, max) = (self.min, self.max);
        Ok(self.matching.decide(trace, self.key, |_, value| {
            // The Collector reads a value of another type as 0.
            let number = if let ValueView::I64(number) = value { number } else { 0 };
            (min..=max).contains(&number)
        }))
    }
}
