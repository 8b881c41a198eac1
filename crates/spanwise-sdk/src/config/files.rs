//! The files of file exporters: a provider opens them, an explanation does not.

/// Whether the exporters of a declarative file open theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Files {
    #[default]
    Opened,
    /// For an explanation.
    Unopened,
    /// For a doctor, which writes its span to the standard error in place of the standard output.
    OfDoctor,
}
