//! A component that a pipeline names.

use spanwise_config::Field;

/// A component of a pipeline.
pub(super) struct Component<'d> {
    /// `otlp` of `otlp/name`.
    pub(super) kind: &'d str,
    /// `otlp/name`.
    pub(super) name: &'d str,
    /// The name in the pipeline.
    pub(super) reference: Field<'d>,
    /// The settings.
    pub(super) field: Field<'d>,
}

impl<'d> Component<'d> {
    pub(super) fn new(name: &'d str, reference: Field<'d>, field: Field<'d>) -> Self {
        Self { kind: kind(name), name, reference, field }
    }
}

/// The type of a component with a name.
pub(super) fn kind(name: &str) -> &str {
    name.split_once('/').map_or(name, |(kind, _)| kind).trim()
}
