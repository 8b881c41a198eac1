//! The options that change how a file is read.

use crate::settings::Role;
use std::cell::Cell;

/// Settings of the command line that change how a file is read.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ConfigOptions {
    /// The role, instead of that of the file.
    pub role: Option<Role>,
    /// Whether every listener may be reached from other machines without TLS and without authentication. Default `false`.
    pub insecure_listeners: bool,
}

/// The surroundings of a file: readers of sections take them.
pub(super) struct Context<'o> {
    pub(super) options: &'o ConfigOptions,
    /// The number of errors about files of tokens that cannot be read.
    pub(super) unreadable: Cell<usize>,
}
