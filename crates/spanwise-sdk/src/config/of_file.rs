//! [`OfFile`]: the settings of the configuration file that have no method of the builder.

/// The settings of the configuration file that have no method of the builder.
#[derive(Debug, Clone, Default)]
pub(super) struct OfFile {
    /// The file is one of the declarative configuration, which replaces the `OTEL_*` variables.
    pub(super) is_declarative: bool,
    /// `disabled: true`.
    pub(super) is_disabled: bool,
    /// `tls.insecure` of the first exporter.
    pub(super) insecure: bool,
    /// The settings of each further destination, which an explanation shows.
    pub(super) further: Vec<Vec<FurtherSetting>>,
}

/// A setting of a further destination of the file.
#[derive(Debug, Clone)]
pub(super) struct FurtherSetting {
    /// Its key.
    pub(super) key: &'static str,
    /// The paths below the processor that can set it.
    pub(super) paths: &'static [&'static str],
    /// The value in force, without secrets.
    pub(super) value: String,
}
