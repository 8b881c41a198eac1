//! Points with one number.

use spanwise_wire::Attribute;

use super::exemplar::Exemplar;
use super::number::Number;

/// A point of a sum or a gauge: OTLP's `NumberDataPoint`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NumberPoint {
    /// Attributes, unique in the metric; each key once.
    pub attributes: Vec<Attribute>,
    /// The value.
    pub value: Number,
    /// Observations with their spans.
    pub exemplars: Vec<Exemplar>,
}

impl NumberPoint {
    /// A point without attributes.
    pub fn new(value: impl Into<Number>) -> Self {
        Self { attributes: Vec::new(), value: value.into(), exemplars: Vec::new() }
    }

    /// The same with these attributes in place of those it had.
    #[must_use]
    pub fn with_attributes(mut self, attributes: impl Into<Vec<Attribute>>) -> Self {
        self.attributes = attributes.into();
        self
    }

    /// The same with one more exemplar.
    #[must_use]
    pub fn with_exemplar(mut self, exemplar: Exemplar) -> Self {
        self.exemplars.push(exemplar);
        self
    }
}
