//! [`FileParts`]: the parts of a configuration file that only their text can compare.

/// Hashes of the parts of a file that a provider uses; `None`: the code or a variable precedes the file, or there is none.
///
/// The file's own samplers and functions are new objects in each reading, and their descriptions omit the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FileParts {
    pub(super) sampler: Option<u64>,
    pub(super) tracer_configurator: Option<u64>,
}
