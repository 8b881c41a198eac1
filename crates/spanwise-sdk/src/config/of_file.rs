//! [`OfFile`]: the settings of the configuration file that have no method of the builder.

/// The settings of the configuration file that have no method of the builder.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OfFile {
    /// The file is one of the declarative configuration, which replaces the `OTEL_*` variables.
    pub(super) is_declarative: bool,
    /// `disabled: true`.
    pub(super) is_disabled: bool,
    /// `tls.insecure` of the first exporter.
    pub(super) insecure: bool,
}
