//! Values of Collector files that the reader of configurations does not know.

use std::ops::RangeInclusive;

use spanwise_config::{Field, Mapping, Scalar};

/// A whole number; YAML 1.1, which the Collector reads, accepts `_` between its digits.
pub(crate) fn integer(field: &Field<'_>, range: RangeInclusive<i64>) -> Option<i64> {
    if field.has_value()
        && let Some(Scalar::String(text)) = field.any_scalar()
        && text.contains('_')
        && let Ok(number) = text.replace('_', "").parse::<i64>()
        && range.contains(&number)
    {
        return Some(number);
    }
    field.integer(range)
}

/// A list of strings.
pub(crate) fn strings(field: &Field<'_>) -> Vec<String> {
    let elements = field.sequence();
    elements.iter().filter_map(|element| element.string()).map(str::to_owned).collect()
}

pub(crate) fn text(field: &Field<'_>) -> String {
    field.string().unwrap_or_default().to_owned()
}

/// A boolean, or its default.
pub(crate) fn flag(mapping: &Mapping<'_>, key: &str, default: bool) -> bool {
    let field = mapping.get(key);
    if field.has_value() { field.boolean().unwrap_or(default) } else { default }
}
