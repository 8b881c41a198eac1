//! Systems without control groups.

use super::Limits;

/// No limits.
pub(super) fn limits() -> Limits {
    Limits::default()
}
