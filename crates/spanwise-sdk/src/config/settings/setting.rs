//! [`Setting`]: one row of the table of settings.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A setting: the places that can set it, its type, its default and its effect.
///
/// Code precedes the declarative file, which precedes the variables; of these the first one that is set and valid
/// counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The environment variables, that of the signal before the generic one; none for a setting of the code alone.
    pub variables: &'static [&'static str],
    /// The methods of the builder.
    pub methods: &'static [&'static str],
    /// The paths in the declarative file, the one that precedes first: `*` stands for the one key of a kind, `[0]`
    /// for the first element.
    pub paths: &'static [&'static str],
    /// The type of the value.
    pub kind: SettingType,
    /// The accepted values in words, beyond those of the type; empty if the type has them all.
    pub remark: &'static str,
    /// The value without any setting, in the form of the variable; `none` if there is none.
    pub default: &'static str,
    /// The first version of this crate that knows the setting.
    pub since: &'static str,
    /// Whether the setting has an effect here.
    pub support: Support,
    /// Whether the value may be a secret, which no report and no error shows.
    pub is_secret: bool,
    /// The purpose, in one sentence.
    pub purpose: &'static str,
}

/// The effect of a [`Setting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Support {
    /// It has the effect that its purpose states.
    Supported,
    /// It has no effect, which is reported once if it is set: the reason, and the setting to use instead.
    WithoutEffect(&'static str),
    /// It has the effect that its purpose states if the code calls this method of the builder. Otherwise it concerns another
    /// signal, such as the metrics of the program: it has no effect, and is not reported.
    OptIn(&'static str),
    /// It concerns another signal than traces. It has no effect, and is not reported.
    OtherSignal,
}

/// The type of a [`Setting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingType {
    /// `true` or `false`, in any case.
    Boolean,
    /// A whole number.
    Integer {
        /// The smallest accepted number.
        min: u64,
        /// The largest accepted number.
        max: u64,
        /// The things that are counted.
        unit: &'static str,
    },
    /// A duration in milliseconds; 0 is no limit.
    Timeout,
    /// A duration in milliseconds.
    Milliseconds {
        /// The shortest accepted duration.
        min: u64,
        /// The longest accepted duration.
        max: u64,
    },
    /// One of these names, in any case.
    Name(&'static [&'static str]),
    /// A list of these names, with commas between them.
    Names(&'static [&'static str]),
    /// `name=value` pairs with commas between them, percent-encoded.
    Pairs,
    /// A URL.
    Url,
    /// The path of a file.
    Path,
    /// Text.
    Text,
    /// A value that only code can have.
    Code,
}

impl SettingType {
    /// The name of the type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer { .. } => "whole number",
            Self::Timeout | Self::Milliseconds { .. } => "milliseconds",
            Self::Name(_) => "name",
            Self::Names(_) => "list of names",
            Self::Pairs => "list of name=value",
            Self::Url => "URL",
            Self::Path => "path",
            Self::Text => "text",
            Self::Code => "value in code",
        }
    }

    /// The unit of a number, such as `bytes` or `ms`; empty for other types.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Integer { unit, .. } => unit,
            Self::Timeout | Self::Milliseconds { .. } => "ms",
            _ => "",
        }
    }

    /// The accepted values in words; empty if the type alone does not limit them.
    pub fn accepted(&self) -> String {
        match self {
            Self::Boolean => "true or false; anything else is false".to_owned(),
            Self::Integer { min, max: u64::MAX, .. } => format!("a whole number, {min} or more"),
            Self::Integer { min: 0, max, unit: "bytes" } => {
                format!("0 to {max} ({}) bytes", size(*max))
            }
            Self::Integer { min, max, unit: "bytes" } => {
                format!("{min} ({}) to {max} ({}) bytes", size(*min), size(*max))
            }
            Self::Integer { min, max, unit } => format!("{min} to {max} {unit}"),
            Self::Timeout => "milliseconds, 0 for no limit".to_owned(),
            Self::Milliseconds { min, max: u64::MAX } => format!("milliseconds, {min} or more"),
            Self::Milliseconds { min, max } => match max % DAY {
                0 => format!("milliseconds, {min} to {max} ({} days)", max / DAY),
                _ => format!("milliseconds, {min} to {max}"),
            },
            Self::Name(names) | Self::Names(names) => names.join(", "),
            Self::Pairs | Self::Url | Self::Path | Self::Text | Self::Code => String::new(),
        }
    }

    /// The accepted durations of code in words, which has them with their units; empty for other types.
    pub(crate) fn accepted_durations(&self) -> String {
        match self {
            Self::Timeout => "1 ms or longer, or 0 for no limit".to_owned(),
            Self::Milliseconds { min, max: u64::MAX } => format!("{} or longer", time(*min)),
            Self::Milliseconds { min, max } => format!("{} to {}", time(*min), time(*max)),
            _ => String::new(),
        }
    }
}

impl Setting {
    pub(super) const fn new(
        variables: &'static [&'static str],
        kind: SettingType,
        default: &'static str,
        purpose: &'static str,
    ) -> Self {
        Self {
            variables,
            methods: &[],
            paths: &[],
            kind,
            remark: "",
            default,
            since: "0.1.0",
            support: Support::Supported,
            is_secret: false,
            purpose,
        }
    }

    pub(super) const fn in_code(mut self, methods: &'static [&'static str]) -> Self {
        self.methods = methods;
        self
    }

    pub(super) const fn in_file(mut self, paths: &'static [&'static str]) -> Self {
        self.paths = paths;
        self
    }

    pub(super) const fn remark(mut self, remark: &'static str) -> Self {
        self.remark = remark;
        self
    }

    pub(super) const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// A setting of the export of metrics, which code has to ask for.
    pub(super) const fn opt_in(
        variables: &'static [&'static str],
        kind: SettingType,
        default: &'static str,
        purpose: &'static str,
    ) -> Self {
        let mut setting = Self::new(variables, kind, default, purpose);
        setting.support = Support::OptIn("with_metrics_export");
        setting
    }

    /// A setting that has no effect, which is reported.
    pub(super) const fn without_effect(
        variables: &'static [&'static str],
        reason: &'static str,
        purpose: &'static str,
    ) -> Self {
        let mut setting = Self::new(variables, SettingType::Text, "none", purpose);
        setting.support = Support::WithoutEffect(reason);
        setting
    }

    pub(super) const fn of_another_signal(
        variables: &'static [&'static str],
        purpose: &'static str,
    ) -> Self {
        let mut setting = Self::new(variables, SettingType::Text, "none", purpose);
        setting.support = Support::OtherSignal;
        setting
    }

    /// The name of the setting: its first variable, otherwise its first method, otherwise its path in the file.
    pub const fn name(&self) -> &'static str {
        match (self.variables, self.methods, self.paths) {
            ([first, ..], ..) | ([], [first, ..], _) | ([], [], [first, ..]) => first,
            ([], [], []) => "",
        }
    }

    /// The accepted values in words: those of the type, then the remark.
    pub fn accepted(&self) -> String {
        match (self.kind.accepted(), self.remark) {
            (accepted, "") => accepted,
            (accepted, remark) if accepted.is_empty() => remark.to_owned(),
            (accepted, remark) => format!("{accepted}; {remark}"),
        }
    }

    /// The accepted numbers: of a count, or of milliseconds; all numbers for a type without a range.
    pub(crate) const fn range(&self) -> RangeInclusive<u64> {
        match self.kind {
            SettingType::Integer { min, max, .. } | SettingType::Milliseconds { min, max } => {
                min..=max
            }
            _ => 0..=u64::MAX,
        }
    }

    /// The number that is the default; 0 if the default is no number.
    pub(crate) const fn default_number(&self) -> u64 {
        match u64::from_str_radix(self.default, 10) {
            Ok(number) => number,
            Err(_) => 0,
        }
    }

    /// The default of milliseconds as a duration.
    pub(crate) const fn default_duration(&self) -> Duration {
        Duration::from_millis(self.default_number())
    }

    /// The first variable, that of the signal; empty for a setting of the code alone.
    pub(crate) const fn variable(&self) -> &'static str {
        match self.variables {
            [first, ..] => first,
            [] => "",
        }
    }

    /// The last variable, that of all signals; empty for a setting of the code alone.
    pub(crate) const fn generic_variable(&self) -> &'static str {
        match self.variables {
            [.., last] => last,
            [] => "",
        }
    }

    /// The first method of the builder; empty without one.
    pub(crate) const fn method(&self) -> &'static str {
        match self.methods {
            [first, ..] => first,
            [] => "",
        }
    }
}

/// A duration in the form of a variable, in milliseconds; 0 for no limit.
pub(in super::super) fn millis(time: Duration) -> String {
    match time {
        Duration::MAX => "0".to_owned(),
        time if time.subsec_nanos().is_multiple_of(1_000_000) => time.as_millis().to_string(),
        time => (time.as_secs_f64() * 1_000.0).to_string(),
    }
}

/// Milliseconds in the largest unit of which they are a multiple.
fn time(millis: u64) -> String {
    let units = [(DAY, "days"), (1_000, "s")];
    match units.into_iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", millis / unit),
        None => format!("{millis} ms"),
    }
}

/// `bytes` in the largest unit that is not greater.
fn size(bytes: u64) -> String {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} B"),
    }
}

/// Milliseconds of a day.
const DAY: u64 = 24 * 3_600_000;
