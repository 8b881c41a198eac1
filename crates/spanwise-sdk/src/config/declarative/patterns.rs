//! Patterns with the wildcards `*` and `?`.

use spanwise_config::Field;
use spanwise_sampling::__private::Pattern;

/// The pattern of a string.
pub(super) fn one(field: &Field<'_>) -> Option<Pattern> {
    field.string().map(Pattern::new)
}

/// The patterns of a sequence; `None` if there is no value.
pub(super) fn several(field: &Field<'_>) -> Option<Vec<Pattern>> {
    if !field.has_value() {
        return None;
    }
    let elements = field.sequence();
    if elements.is_empty() {
        field.error("at least one pattern is required, such as `process.*`");
    }
    Some(elements.iter().filter_map(one).collect())
}
