//! [`EffectiveSetting`]: a setting that is in force.

use super::super::settings::Setting;
use super::origin::Origin;
use std::fmt;

/// A setting that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EffectiveSetting {
    /// The row of the table of settings.
    pub setting: Setting,
    /// The value without secrets, in the form of the variable: durations in milliseconds, `none` for no value.
    pub value: String,
    /// The place that set it.
    pub origin: Origin,
}

impl EffectiveSetting {
    /// The value, with the unit of a number.
    pub(super) fn value_with_unit(&self) -> String {
        let is_number = self.value.starts_with(|c: char| c.is_ascii_digit());
        match self.setting.kind.unit() {
            unit if is_number && !unit.is_empty() => format!("{} {unit}", self.value),
            _ => self.value.clone(),
        }
    }
}

/// `name=value (origin)`, on one line.
impl fmt::Display for EffectiveSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={} ({})", self.setting.name(), self.value_with_unit(), self.origin)
    }
}
