//! The releases of the Collector whose behaviour differs.

use std::fmt;
use std::str::FromStr;

/// The release of the Collector (`opentelemetry-collector-contrib`) whose decisions are reproduced.
///
/// | release | change |
/// |---|---|
/// | v0.144 | `invert_match` is a plain negation; before, an inverted match vetoed the sampling of other policies |
/// | v0.153 | `rate_limiting` is a token bucket with `burst_capacity`; before, a counter per second |
/// | v0.157 | a trace of exactly `threshold_ms` is not sampled; before, it was |
/// | v0.159 | a sub-policy of `composite` without an entry in `rate_allocation` gets an equal share; before, none |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Compat {
    minor: u16,
}

impl Compat {
    /// v0.161, the release whose behaviour is the default.
    pub const LATEST: Self = Self { minor: 161 };

    /// The release `v0.minor`. A later one than [`LATEST`](Self::LATEST) behaves like it.
    pub const fn v0(minor: u16) -> Self {
        Self { minor }
    }

    pub(crate) fn has_invert_veto(self) -> bool {
        self.minor < 144
    }

    pub(crate) fn limits_by_second(self) -> bool {
        self.minor < 153
    }

    pub(crate) fn has_inclusive_latency(self) -> bool {
        self.minor < 157
    }

    pub(crate) fn has_default_share(self) -> bool {
        self.minor >= 159
    }
}

impl Default for Compat {
    fn default() -> Self {
        Self::LATEST
    }
}

impl fmt::Display for Compat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v0.{}", self.minor)
    }
}

/// A text is not a release of the Collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompatError {
    text: String,
}

impl fmt::Display for CompatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no release of the Collector: accepted is one such as `v0.161` or `v0.150.0`",
            self.text
        )
    }
}

impl std::error::Error for CompatError {}

impl FromStr for Compat {
    type Err = CompatError;

    /// Parses `v0.161`, `0.161` or `v0.161.0`.
    fn from_str(text: &str) -> Result<Self, CompatError> {
        let error = || CompatError { text: text.chars().take(40).collect() };
        let version = text.strip_prefix('v').unwrap_or(text);
        let mut parts = version.split('.');
        let mut next = || parts.next().map(|part| part.parse::<u16>().map_err(|_| error()));
        match (next().transpose()?, next().transpose()?, next().transpose()?, next()) {
            (Some(0), Some(minor), _, None) => Ok(Self { minor }),
            _ => Err(error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_parsed() {
        for (text, minor) in [("v0.157", 157), ("0.156.0", 156), ("v0.161.3", 161)] {
            assert_eq!(text.parse(), Ok(Compat::v0(minor)), "{text}");
        }
        for text in ["", "v1.0", "v0", "0.x", "v0.1.2.3", "latest", "v0.-1"] {
            assert!(text.parse::<Compat>().is_err(), "{text}");
        }
    }
}
