//! A value with the name of its setting.

/// A value, and the setting that holds it.
pub(super) struct Named<T> {
    pub(super) setting: &'static str,
    pub(super) value: T,
}
