//! `OTEL_*` variables: read by name, parsed, and complained about.

use crate::diagnostics::{Diagnostic, Reporter, sanitize};
use std::sync::Arc;
use std::time::Duration;

/// Where variables come from: the process, or a test's own.
pub(crate) type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The environment as a source of settings.
///
/// Empty means unset. A number, switch or name that cannot be parsed is told once and ignored
/// (specification, *Parsing empty value*, *Numeric value*, *Enum value*).
pub(crate) struct Environment {
    lookup: Lookup,
    reporter: Reporter,
}

impl Environment {
    pub(crate) fn new(lookup: Lookup, reporter: Reporter) -> Self {
        Self { lookup, reporter }
    }

    /// The first of `names` that is set, with its name.
    pub(crate) fn text(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|&name| {
            let value = (self.lookup)(name)?;
            let value = value.trim();
            (!value.is_empty()).then(|| (name, value.to_owned()))
        })
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
                self.ignore(name, &value, accepted);
            }
            parsed
        })
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

    /// A switch.
    pub(crate) fn switch(&self, names: &[&'static str]) -> Option<bool> {
        self.parsed(names, "true or false", |value| match value.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    }

    /// Says that a value is not used.
    pub(crate) fn ignore(&self, setting: &str, value: &str, accepted: &str) {
        self.reporter.report(Diagnostic::SettingIgnored {
            setting: setting.to_owned(),
            value: sanitize(&without_credentials(value)),
            accepted: accepted.to_owned(),
        });
    }
}

/// `value` without what stands between a URL's scheme and its host, and without a query: both may
/// hold a secret.
fn without_credentials(value: &str) -> String {
    if !value.contains("://") {
        return value.to_owned();
    }
    let shown = value.split_once('?').map_or(value, |(before, _)| before);
    match (shown.find("://"), shown.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            let (before, after) = (shown.get(..scheme + 3), shown.get(at + 1..));
            format!("{}…@{}", before.unwrap_or_default(), after.unwrap_or_default())
        }
        _ => shown.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_show() {
        for (value, shown) in [
            ("plain @ text?", "plain @ text?"),
            ("endpoint=http://u:p@h/x,interval=0", "endpoint=http://…@h/x,interval=0"),
            ("endpoint=http://u:p,q@h/?key=secret,interval=0", "endpoint=http://…@h/"),
            ("http://h/?key=a@b", "http://h/"),
        ] {
            assert_eq!(without_credentials(value), shown);
        }
    }
}
