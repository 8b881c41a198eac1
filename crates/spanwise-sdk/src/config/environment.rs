//! [`Environment`]: reads and parses `OTEL_*` variables, and reports invalid values.

use super::error::BuildError;
use super::explain::Recorder;
use super::redaction::{NOT_TEXT, shown_name};
use super::settings::Setting;
use crate::diagnostics::{Diagnostic, Reporter, sanitize};
use std::cell::RefCell;
use std::ffi::OsString;
use std::sync::Arc;

/// Reads a variable: of the process, or of a test.
pub(crate) type Lookup = Arc<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// Reads the variables of the process.
pub(super) fn process_environment() -> Lookup {
    Arc::new(|name| std::env::var_os(name))
}

/// The names of the variables of the process, without those that are not UTF-8. Their values are dropped unread.
pub(super) fn process_names() -> impl Iterator<Item = String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())
}

/// The environment as a source of settings: of the variables of the table's entries alone.
///
/// It trims white space around a value and treats an empty value as unset (specification, *Parsing empty
/// value*). It reports an invalid number or name once and treats it as unset (*Numeric*, *Enum*). It reports
/// a boolean that is neither `true` nor `false`, and treats it as false (*Boolean*).
pub(crate) struct Environment {
    lookup: Lookup,
    reporter: Reporter,
    /// The variables that were reported; some set several settings.
    reported: RefCell<Vec<&'static str>>,
    recorder: Recorder,
}

/// A variable is set, to bytes that are not UTF-8.
struct NotText;

impl Environment {
    pub(crate) fn new(lookup: Lookup, reporter: Reporter) -> Self {
        Self { lookup, reporter, reported: RefCell::default(), recorder: Recorder::off() }
    }

    /// Records the effective settings for an explanation.
    pub(super) fn with_recorder(mut self, recorder: Recorder) -> Self {
        self.recorder = recorder;
        self
    }

    /// The same environment with other variables.
    #[cfg(feature = "config-file")]
    pub(super) fn with_lookup(mut self, lookup: Lookup) -> Self {
        self.lookup = lookup;
        self
    }

    /// Receives the reports about the settings.
    #[cfg(any(feature = "config-file", feature = "redaction", feature = "tail-sampling"))]
    pub(super) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// The record of the effective settings.
    pub(super) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Records the value of `setting` that is in force, without secrets.
    pub(super) fn effective(&self, setting: &Setting, value: impl FnOnce() -> String) {
        self.recorder.effective(setting, value);
    }

    /// The same variables; nothing is reported, and no thread starts for reports.
    pub(crate) fn silent(&self) -> Self {
        let (reporter, _collected) = Reporter::collecting();
        Self::new(self.lookup.clone(), reporter)
    }

    /// Whether a variable of `setting` is set and not empty, also to bytes that are not UTF-8.
    pub(crate) fn is_set(&self, setting: &Setting) -> bool {
        setting.variables.iter().any(|name| self.has(name))
    }

    /// The value of any variable, for references in a file.
    #[cfg(any(feature = "redaction", feature = "tail-sampling"))]
    pub(super) fn referred(&self, name: &str) -> Option<String> {
        (self.lookup)(name)?.into_string().ok()
    }

    /// The first variable of `setting` that is set, with its name. Reports a value that is not UTF-8.
    pub(crate) fn text(&self, setting: &Setting) -> Option<(&'static str, String)> {
        setting.variables.iter().find_map(|&name| Some((name, self.text_of(name)?)))
    }

    fn text_of(&self, name: &'static str) -> Option<String> {
        self.get(name).unwrap_or_else(|NotText| {
            self.ignore(name, NOT_TEXT, "UTF-8 text");
            None
        })
    }

    /// As [`text`](Self::text), for variables of the endpoint and of credentials.
    ///
    /// # Errors
    /// The first variable that is set is not UTF-8. The next one is not a replacement: the user set it for
    /// another purpose.
    pub(crate) fn required_text(
        &self,
        setting: &Setting,
    ) -> Result<Option<(&'static str, String)>, BuildError> {
        for &name in setting.variables {
            match self.get(name) {
                Ok(None) => {}
                Ok(Some(value)) => {
                    self.recorder.used(setting, name);
                    return Ok(Some((name, value)));
                }
                Err(NotText) => {
                    return Err(BuildError::setting(name, NOT_TEXT, "accepted is UTF-8 text"));
                }
            }
        }
        Ok(None)
    }

    /// The first variable of `setting` that is set and that `parse` accepts.
    pub(crate) fn parsed<T>(
        &self,
        setting: &Setting,
        accepted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.parsed_shown(setting, accepted, shown_name, parse)
    }

    /// As [`parsed`](Self::parsed); `shown` removes secrets from a value for the report.
    pub(crate) fn parsed_shown<T>(
        &self,
        setting: &Setting,
        accepted: &str,
        shown: fn(&str) -> String,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        setting.variables.iter().find_map(|&name| {
            let value = self.text_of(name)?;
            let parsed = parse(&value);
            match parsed {
                Some(_) => self.recorder.used(setting, name),
                None => self.ignore(name, &shown(&value), accepted),
            }
            parsed
        })
    }

    /// The entries of a list separated by commas, without empty ones.
    pub(crate) fn list(&self, setting: &Setting) -> Option<Vec<String>> {
        let (_, list) = self.text(setting)?;
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Some(entries.map(str::to_owned).collect())
    }

    /// The parsed entries of a list of names, which `parse` receives in lower case. Reports and skips unknown
    /// names; a list without a known name counts as unset.
    pub(crate) fn choices<T>(
        &self,
        setting: &Setting,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for entry in self.list(setting)? {
            match parse(&entry.to_ascii_lowercase()) {
                Some(choice) => known.push(choice),
                None => unknown.push(shown_name(&entry)),
            }
        }
        if !unknown.is_empty() {
            let accepted = format!("{}; the others are skipped", setting.kind.accepted());
            self.ignore(setting.variable(), &unknown.join(","), &accepted);
        }
        if known.is_empty() {
            return None;
        }
        self.recorder.used(setting, setting.variable());
        Some(known)
    }

    /// A count.
    pub(crate) fn count(&self, setting: &Setting) -> Option<u64> {
        self.parsed(setting, &setting.accepted(), |value| value.parse().ok())
    }

    /// A boolean: the first variable of `setting` that is set decides, also with an invalid value.
    pub(crate) fn switch(&self, setting: &Setting) -> bool {
        let Some(&name) = setting.variables.iter().find(|name| self.has(name)) else {
            return false;
        };
        let Some(value) = self.text_of(name) else { return false };
        self.recorder.used(setting, name);
        let is_true = value.eq_ignore_ascii_case("true");
        if !is_true && !value.eq_ignore_ascii_case("false") {
            self.ignore(name, &shown_name(&value), &setting.kind.accepted());
        }
        is_true
    }

    /// Reports an ignored value. `value` contains no secret.
    pub(crate) fn ignore(&self, setting: &'static str, value: &str, accepted: &str) {
        let mut reported = self.reported.borrow_mut();
        if reported.contains(&setting) {
            return;
        }
        reported.push(setting);
        self.reporter.report(Diagnostic::SettingIgnored {
            setting: setting.to_owned(),
            value: value.to_owned(),
            accepted: accepted.to_owned(),
        });
    }

    /// Reports that a setting has no effect.
    pub(crate) fn unused(&self, setting: &'static str, reason: impl Into<String>) {
        self.reporter.report(Diagnostic::SettingUnused { setting, reason: reason.into() });
    }

    /// Reports the variables of `setting` that are set and have no effect.
    pub(crate) fn report_unused(&self, setting: &Setting, reason: &str) {
        for name in setting.variables {
            if self.has(name) {
                self.unused(name, reason);
            }
        }
    }

    /// Reports that the attribute of the resource could not be detected.
    pub(crate) fn not_detected(&self, attribute: impl Into<String>, problem: String) {
        let (attribute, problem) = (attribute.into(), sanitize(&problem));
        self.reporter.report(Diagnostic::AttributeNotDetected { attribute, problem });
    }

    /// The value of a variable that is no `OTEL_` one. One that is not UTF-8 counts as set to a text that
    /// cannot be used.
    pub(crate) fn optional_text(&self, name: &str) -> Option<String> {
        self.get(name).unwrap_or_else(|NotText| Some(NOT_TEXT.to_owned()))
    }

    /// Whether the variable is set and not empty, also to bytes that are not UTF-8.
    pub(super) fn has(&self, name: &str) -> bool {
        !matches!(self.get(name), Ok(None))
    }

    fn get(&self, name: &str) -> Result<Option<String>, NotText> {
        let Some(value) = (self.lookup)(name) else { return Ok(None) };
        let value = value.into_string().map_err(|_| NotText)?;
        let value = value.trim();
        Ok((!value.is_empty()).then(|| value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_environment_starts_no_thread() {
        let (reporter, reports) = Reporter::collecting();
        let environment = Environment::new(Arc::new(|_| Some("abc".into())), reporter);
        let silent = environment.silent();
        assert_eq!(silent.count(&crate::config::settings::BUDGET_BYTES), None);
        assert_eq!(silent.reported.borrow().len(), 1, "the invalid value was detected");
        assert!(silent.reporter.is_collecting());
        assert!(reports.lock().unwrap().is_empty());
    }
}
