//! Attributes of the API as the pairs that `spanwise-wire` encodes.

use opentelemetry::{KeyValue, Value};

/// Borrows each attribute.
pub(crate) fn pairs<'a>(
    attributes: impl IntoIterator<Item = &'a KeyValue>,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    attributes.into_iter().map(|pair| (pair.key.as_str(), &pair.value))
}
