//! The options that change how a file is read.

use crate::settings::Role;
use spanwise_config::Field;
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
    /// Whether certificates and keys are read, as the start of a node does. They may be on another machine than a text.
    pub(super) reads_keys: bool,
    unreadable: Cell<usize>,
}

impl<'o> Context<'o> {
    pub(super) fn new(options: &'o ConfigOptions, reads_keys: bool) -> Self {
        Self { options, reads_keys, unreadable: Cell::new(0) }
    }

    /// Reports a key, a certificate or a token that cannot be read.
    pub(super) fn unreadable(&self, field: &Field<'_>, message: String) {
        self.unreadable.set(self.unreadable.get() + 1);
        field.error(message);
    }

    /// The number of errors about those.
    pub(super) fn unreadable_count(&self) -> usize {
        self.unreadable.get()
    }
}
