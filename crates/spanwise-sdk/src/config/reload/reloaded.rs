//! The result of a reload.

use super::super::error::BuildError;
use std::fmt;

/// The result of [`Spanwise::reload`](crate::Spanwise::reload). `Debug` prints as `Display`.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Reloaded {
    /// The settings that have changed.
    pub changed: Vec<SettingChange>,
    /// The settings that differ, and stay as they are until the program builds another provider.
    pub needs_restart: Vec<SettingChange>,
}

/// A setting in which two configurations differ. `Debug` prints as `Display`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingChange {
    /// The builder's method that sets it, also where a variable or a file does.
    pub setting: &'static str,
    /// The value of the running provider, without secrets.
    pub before: String,
    /// The value of the configuration, without secrets. It may show as `before` does: of headers, certificates and
    /// the code of yours it names no more than that they differ.
    pub after: String,
}

/// The error of [`Spanwise::reload`](crate::Spanwise::reload), which has changed nothing. `Debug` prints as `Display`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The configuration is invalid.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Another reload is in progress: on another thread, or it called the code that called this one.
    #[error("another reload is in progress")]
    InProgress,
    /// The provider has no export that could be changed.
    #[error("the provider cannot be reloaded: {reason}")]
    NotRunning {
        /// The reason.
        reason: &'static str,
    },
}

impl Reloaded {
    /// Whether the configuration is that of the running provider.
    pub fn is_unchanged(&self) -> bool {
        self.changed.is_empty() && self.needs_restart.is_empty()
    }
}

#[cfg(test)]
impl Reloaded {
    /// For the page of diagnostics.
    pub(crate) fn example() -> Self {
        Self {
            changed: vec![SettingChange::new("with_max_in_flight", "4", "8")],
            needs_restart: vec![SettingChange::new("with_budget_bytes", "16777216", "33554432")],
        }
    }
}

impl SettingChange {
    pub(in super::super) fn new(
        setting: &'static str,
        before: impl Into<String>,
        after: impl Into<String>,
    ) -> Self {
        Self { setting, before: before.into(), after: after.into() }
    }
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |changes: &[SettingChange]| {
            let changes: Vec<_> = changes.iter().map(ToString::to_string).collect();
            changes.join(", ")
        };
        match (&*self.changed, &*self.needs_restart) {
            ([], []) => f.write_str("nothing changed"),
            (changed, []) => write!(f, "changed: {}", list(changed)),
            ([], restart) => write!(f, "unchanged until a restart: {}", list(restart)),
            (changed, restart) => {
                write!(
                    f,
                    "changed: {}; unchanged until a restart: {}",
                    list(changed),
                    list(restart)
                )
            }
        }
    }
}

impl fmt::Display for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, before, after } = self;
        match before == after {
            true => write!(f, "{setting} (another {after})"),
            false => write!(f, "{setting} from {before} to {after}"),
        }
    }
}

impl fmt::Debug for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
