//! The type of a subcommand. A new one is a module with a `COMMAND` and a line in `COMMANDS` of `arguments`.

use std::path::PathBuf;

/// A subcommand.
pub(crate) struct Command {
    /// Its words, such as `config check`.
    pub name: &'static str,
    /// The arguments after the words.
    pub usage: &'static str,
    pub summary: &'static str,
    pub help: &'static str,
    pub file: FileArgument,
    pub run: fn(&Arguments) -> Output,
}

/// The files that a subcommand takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileArgument {
    None,
    Optional,
    Required,
    /// The settings, and the traces that they are about.
    WithTraces,
    /// A file, or the endpoint of a process by `--endpoint`.
    OrEndpoint,
    /// No file: the URL of a process.
    #[cfg_attr(not(feature = "top"), allow(dead_code, reason = "only `top` has it"))]
    Url,
    /// The directory of a spool, and what `spool::Options` has beside.
    Spool,
}

/// The arguments of a subcommand.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub json: bool,
    pub file: Option<PathBuf>,
    pub traces: Option<PathBuf>,
    pub processor: Option<String>,
    pub endpoint: Option<String>,
    #[cfg_attr(not(feature = "top"), allow(dead_code, reason = "only `top` reads it"))]
    pub url: Option<String>,
    #[cfg_attr(not(feature = "top"), allow(dead_code, reason = "only `top` reads it"))]
    pub once: bool,
    pub spool: crate::spool::Options,
}

/// The text of a subcommand, and whether all is well.
pub(crate) struct Output {
    pub text: String,
    pub is_well: bool,
}
