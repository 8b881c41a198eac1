//! `OTEL_*` variables: read by name, parsed, and complained about.

use super::BuildError;
use super::shown::{NOT_TEXT, shown_name};
use crate::diagnostics::{Diagnostic, Reporter};
use std::cell::RefCell;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

/// Where variables come from: the process, or a test's own.
pub(crate) type Lookup = Arc<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// The environment as a source of settings.
///
/// White space around a value is dropped, and empty means unset (specification, *Parsing empty
/// value*). A number or name that cannot be used is reported once and treated as unset (*Numeric*,
/// *Enum*); a boolean that is neither `true` nor `false` is reported and false (*Boolean*).
pub(crate) struct Environment {
    lookup: Lookup,
    reporter: Reporter,
    /// Variables whose value was reported: some are read for several settings.
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

    /// The first of `names` that is set, with its name; one that is not UTF-8 is reported.
    pub(crate) fn text(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|&name| match self.get(name) {
            Ok(value) => value.map(|value| (name, value)),
            Err(NotText) => {
                self.ignore(name, NOT_TEXT, "UTF-8 text");
                None
            }
        })
    }

    /// As [`text`](Self::text), of variables that say where data goes and with which credentials.
    ///
    /// # Errors
    /// The first that is set is not UTF-8: the next one is not what was meant.
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
        names.iter().find_map(|&name| {
            let (_, value) = self.text(&[name])?;
            let parsed = parse(&value);
            if parsed.is_none() {
                self.ignore(name, &shown_name(&value), accepted);
            }
            parsed
        })
    }

    /// As [`parsed`](Self::parsed), of a name: upper and lower case are the same.
    pub(crate) fn name<T>(
        &self,
        names: &[&'static str],
        accepted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.parsed(names, accepted, |value| parse(&value.to_ascii_lowercase()))
    }

    /// A count.
    pub(crate) fn count(&self, names: &[&'static str]) -> Option<u64> {
        self.parsed(names, "a whole number, 0 or more", |value| value.parse().ok())
    }

    /// A duration, given in milliseconds.
    pub(crate) fn millis(&self, names: &[&'static str]) -> Option<Duration> {
        self.parsed(names, "milliseconds, 1 or more", |value| {
            value.parse().ok().filter(|&millis| millis > 0).map(Duration::from_millis)
        })
    }

    /// A timeout, given in milliseconds; 0 is no limit (specification, *Timeout*).
    pub(crate) fn timeout(&self, names: &[&'static str]) -> Option<Duration> {
        self.parsed(names, "milliseconds, 0 for no limit", |value| {
            value.parse().ok().map(Duration::from_millis)
        })
    }

    /// A boolean: the first of `names` that is set decides, whatever it holds.
    pub(crate) fn switch(&self, names: &[&'static str]) -> bool {
        let set = names.iter().find(|name| self.is_set(name));
        let Some((name, value)) = set.and_then(|&name| self.text(&[name])) else { return false };
        let is_true = value.eq_ignore_ascii_case("true");
        if !is_true && !value.eq_ignore_ascii_case("false") {
            self.ignore(name, &shown_name(&value), "true or false; anything else is false");
        }
        is_true
    }

    /// Says that a value is not used. `value` is fit to be shown.
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

    /// Says that a setting has no effect.
    pub(crate) fn unused(&self, setting: &'static str, reason: impl Into<String>) {
        self.reporter.report(Diagnostic::SettingUnused { setting, reason: reason.into() });
    }

    fn get(&self, name: &str) -> Result<Option<String>, NotText> {
        let Some(value) = (self.lookup)(name) else { return Ok(None) };
        let value = value.into_string().map_err(|_| NotText)?;
        let value = value.trim();
        Ok((!value.is_empty()).then(|| value.to_owned()))
    }
}
