//! [`Environment`]: reads and parses `OTEL_*` variables, and reports invalid values.

use super::error::BuildError;
use super::redaction::{NOT_TEXT, shown_name};
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

/// The environment as a source of settings.
///
/// It trims white space around a value and treats an empty value as unset (specification, *Parsing empty
/// value*). It reports an invalid number or name once and treats it as unset (*Numeric*, *Enum*). It reports
/// a boolean that is neither `true` nor `false`, and treats it as false (*Boolean*).
pub(crate) struct Environment {
    lookup: Lookup,
    reporter: Reporter,
    /// The variables that were reported; some set several settings.
    reported: RefCell<Vec<&'static str>>,
}

/// A variable is set, to bytes that are not UTF-8.
struct NotText;

impl Environment {
    pub(crate) fn new(lookup: Lookup, reporter: Reporter) -> Self {
        Self { lookup, reporter, reported: RefCell::default() }
    }

    /// Whether `name` is set and not empty, also to bytes that are not UTF-8.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        !matches!(self.get(name), Ok(None))
    }

    /// The first of `names` that is set, with its name. Reports a value that is not UTF-8.
    pub(crate) fn text(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|&name| match self.get(name) {
            Ok(value) => value.map(|value| (name, value)),
            Err(NotText) => {
                self.ignore(name, NOT_TEXT, "UTF-8 text");
                None
            }
        })
    }

    /// As [`text`](Self::text), for variables of the endpoint and of credentials.
    ///
    /// # Errors
    /// The first variable that is set is not UTF-8. The next one is not a replacement: the user set it for
    /// another purpose.
    pub(crate) fn required_text(
        &self,
        names: &[&'static str],
    ) -> Result<Option<(&'static str, String)>, BuildError> {
        for &name in names {
            match self.get(name) {
                Ok(None) => {}
                Ok(Some(value)) => return Ok(Some((name, value))),
                Err(NotText) => {
                    return Err(BuildError::setting(name, NOT_TEXT, "accepted is UTF-8 text"));
                }
            }
        }
        Ok(None)
    }

    /// The first of `names` that is set and that `parse` accepts.
    pub(crate) fn parsed<T>(
        &self,
        names: &[&'static str],
        accepted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.parsed_shown(names, accepted, shown_name, parse)
    }

    /// As [`parsed`](Self::parsed); `shown` removes secrets from a value for the report.
    pub(crate) fn parsed_shown<T>(
        &self,
        names: &[&'static str],
        accepted: &str,
        shown: fn(&str) -> String,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        names.iter().find_map(|&name| {
            let (_, value) = self.text(&[name])?;
            let parsed = parse(&value);
            if parsed.is_none() {
                self.ignore(name, &shown(&value), accepted);
            }
            parsed
        })
    }

    /// The entries of a list separated by commas, without empty ones.
    pub(crate) fn list(&self, name: &'static str) -> Option<Vec<String>> {
        let (_, list) = self.text(&[name])?;
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Some(entries.map(str::to_owned).collect())
    }

    /// The parsed entries of a list of names, which `parse` receives in lower case. Reports and skips unknown
    /// names; a list without a known name counts as unset.
    pub(crate) fn choices<T>(
        &self,
        name: &'static str,
        accepted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for entry in self.list(name)? {
            match parse(&entry.to_ascii_lowercase()) {
                Some(choice) => known.push(choice),
                None => unknown.push(shown_name(&entry)),
            }
        }
        if !unknown.is_empty() {
            self.ignore(name, &unknown.join(","), accepted);
        }
        (!known.is_empty()).then_some(known)
    }

    /// A count.
    pub(crate) fn count(&self, names: &[&'static str]) -> Option<u64> {
        self.parsed(names, "a whole number, 0 or more", |value| value.parse().ok())
    }

    /// A boolean: the first of `names` that is set decides, also with an invalid value.
    pub(crate) fn switch(&self, names: &[&'static str]) -> bool {
        let set = names.iter().find(|name| self.is_set(name));
        let Some((name, value)) = set.and_then(|&name| self.text(&[name])) else { return false };
        let is_true = value.eq_ignore_ascii_case("true");
        if !is_true && !value.eq_ignore_ascii_case("false") {
            self.ignore(name, &shown_name(&value), "true or false; anything else is false");
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

    /// Reports those of `names` that are set and have no effect.
    pub(crate) fn report_unused(&self, names: &[&'static str], reason: &str) {
        for name in names {
            if self.is_set(name) {
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

    fn get(&self, name: &str) -> Result<Option<String>, NotText> {
        let Some(value) = (self.lookup)(name) else { return Ok(None) };
        let value = value.into_string().map_err(|_| NotText)?;
        let value = value.trim();
        Ok((!value.is_empty()).then(|| value.to_owned()))
    }
}
