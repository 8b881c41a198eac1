//! Compression of request bodies: the settings, and their names.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::{BuildError, range, text};

/// The compression of request bodies, named as in `OTEL_EXPORTER_OTLP_COMPRESSION`.
///
/// A body is compressed once per request, whatever the number of attempts, at the level of
/// [`with_compression_level`](crate::TransportBuilder::with_compression_level). Bodies below the
/// [threshold](crate::TransportBuilder::with_compression_threshold), and those that do not become a
/// quarter smaller, are sent uncompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Bodies are sent uncompressed.
    #[default]
    None,
    /// gzip, which every OTLP receiver accepts.
    Gzip,
    /// Zstandard (RFC 8878), with a window of at most 8 MiB (RFC 9659): smaller bodies than gzip in
    /// less time. Needs the feature `zstd`. OTLP does not require receivers to accept it; the Collector does.
    Zstd,
}

impl Compression {
    /// The value of `OTEL_EXPORTER_OTLP_COMPRESSION` for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The accepted levels.
    fn levels(self) -> RangeInclusive<i32> {
        match self {
            Self::None => i32::MIN..=i32::MAX,
            Self::Gzip => 1..=9,
            Self::Zstd => -7..=9,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(name: &str) -> Result<Self, UnknownCompression> {
        // "Environment Variable Specification", Enum: in any case.
        match &*name.trim().to_ascii_lowercase() {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            _ => Err(UnknownCompression { name: text::unknown_name(name.trim()) }),
        }
    }
}

/// A compression that is neither `none` nor `gzip` nor `zstd`.
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownCompression {
    name: String,
}

impl fmt::Display for UnknownCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown compression `{}`; accepted are `none`, `gzip` and `zstd`", self.name)
    }
}

impl std::error::Error for UnknownCompression {}

debug_as_display!(UnknownCompression);

/// The settings of compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CompressionSettings {
    pub(crate) compression: Compression,
    /// `None`: the fastest level of its name, 1.
    pub(crate) level: Option<i32>,
    /// Bodies with fewer bytes are sent uncompressed.
    pub(crate) threshold: usize,
}

impl Default for CompressionSettings {
    fn default() -> Self {
        Self { compression: Compression::None, level: None, threshold: 1024 }
    }
}

impl CompressionSettings {
    pub(crate) fn level(self) -> i32 {
        self.level.unwrap_or(1)
    }

    /// Checks the level, and that the compression is compiled in.
    pub(crate) fn check(self, crate_name: &'static str) -> Result<(), BuildError> {
        if self.compression == Compression::Zstd && cfg!(not(feature = "zstd")) {
            return Err(BuildError::NoZstd { crate_name });
        }
        let field = match self.compression {
            Compression::None | Compression::Gzip => "with_compression_level (of gzip)",
            Compression::Zstd => "with_compression_level (of zstd)",
        };
        range::number(field, self.level(), self.compression.levels())?;
        range::number("with_compression_threshold", self.threshold, 0..=64 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_parses_to_its_compression() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            assert_eq!(compression.name().parse(), Ok(compression));
            assert_eq!(compression.name().to_ascii_uppercase().parse(), Ok(compression));
        }
        let error = "deflate".parse::<Compression>().unwrap_err().to_string();
        assert!(error.contains("`deflate`") && error.contains("`zstd`"), "{error}");
    }

    #[test]
    fn a_level_is_checked_against_the_range_of_its_compression() {
        let check = |compression, level| {
            let level = Some(level);
            CompressionSettings { compression, level, ..CompressionSettings::default() }.check("c")
        };
        let zstd = cfg!(feature = "zstd");
        let cases = [
            (Compression::None, i32::MAX, true),
            (Compression::Gzip, 0, false),
            (Compression::Gzip, 1, true),
            (Compression::Gzip, 9, true),
            (Compression::Gzip, 10, false),
            (Compression::Zstd, -8, false),
            (Compression::Zstd, -7, zstd),
            (Compression::Zstd, 9, zstd),
            (Compression::Zstd, 10, false),
        ];
        for (compression, level, accepted) in cases {
            assert_eq!(check(compression, level).is_ok(), accepted, "{compression} {level}");
        }
        let error = check(Compression::Gzip, 12).unwrap_err().to_string();
        assert_eq!(error, "with_compression_level (of gzip) is 12; accepted is 1 to 9");
    }
}
