//! [`EffectiveSettings`]: the settings of a provider with their origins, for the doctor.

use super::explain::{EffectiveSetting, Explanation, Origin};
use super::misspelt;
use super::reload::reloaded::SettingChange;
use super::settings::{SAMPLER, Setting, TAIL_SAMPLING};
use crate::diagnostics::LogLevel;

/// The settings of a provider that are no defaults, and the warnings of its build or of its last reload.
///
/// Both have a bound: a builder takes any number of headers and destinations.
#[derive(Default, Clone)]
pub(crate) struct EffectiveSettings {
    settings: Vec<EffectiveSetting>,
    warnings: Vec<String>,
    /// A declarative file replaces the `OTEL_*` variables.
    is_declarative: bool,
}

impl EffectiveSettings {
    pub(crate) fn new(explanation: &Explanation) -> Self {
        let is_set = |setting: &&EffectiveSetting| setting.origin != Origin::Default;
        let is_warning =
            |report: &&_| crate::diagnostics::Diagnostic::level(report) >= LogLevel::Warn;
        let warnings = explanation.reports().iter().filter(is_warning);
        Self {
            settings: explanation.iter().filter(is_set).take(MAX_SETTINGS).cloned().collect(),
            warnings: warnings.take(MAX_WARNINGS).map(ToString::to_string).collect(),
            is_declarative: explanation.is_declarative,
        }
    }

    /// The settings after a reload to `next`, which has left those of `fixed` as they were.
    pub(super) fn replace(&mut self, mut next: Self, fixed: &[SettingChange]) {
        let is_fixed = |setting: &Setting| {
            let is_named = |change: &SettingChange| {
                setting.methods.contains(&change.setting)
                    || setting.variables.contains(&change.setting)
            };
            fixed.iter().any(is_named)
        };
        next.settings.retain(|row| !is_fixed(&row.setting));
        let before = std::mem::take(&mut self.settings);
        next.settings.extend(before.into_iter().filter(|row| is_fixed(&row.setting)));
        *self = next;
    }

    /// With the variables of the process that are misspelt, which a build does not report.
    pub(crate) fn with_misspelt_variables(mut self) -> Self {
        if !self.is_declarative {
            self.warnings.extend(misspelt::of_process().iter().map(ToString::to_string));
        }
        self
    }

    /// The program has replaced the sampler of the configuration.
    pub(crate) fn without_sampler(mut self) -> Self {
        self.settings.retain(|row| row.setting != SAMPLER);
        self
    }

    /// The fix by the key of a declarative file, if there is one, or by a variable.
    pub(crate) fn fix<'f>(&self, in_file: &'f str, by_variable: &'f str) -> &'f str {
        if self.is_declarative { in_file } else { by_variable }
    }

    /// The key of the configuration file that sets the sampler, or can.
    pub(crate) fn sampler_key(&self) -> Option<&str> {
        let row = self.settings.iter().find(|row| row.setting == SAMPLER);
        match row.map(|row| &row.origin) {
            Some(Origin::File { field, .. }) => Some(field),
            _ => self.is_declarative.then_some("tracer_provider.sampler"),
        }
    }

    /// Tail sampling decides about all spans, sampled or not.
    pub(crate) fn has_tail_sampling(&self) -> bool {
        self.settings.iter().any(|row| row.setting == TAIL_SAMPLING)
    }

    pub(crate) fn has_warnings(&self) -> bool {
        !self.warnings.is_empty()
    }

    /// A line for each setting with its origin, then the warnings.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.settings.iter().map(ToString::to_string).chain(self.warnings.iter().cloned())
    }
}

const MAX_SETTINGS: usize = 128;
const MAX_WARNINGS: usize = 32;
