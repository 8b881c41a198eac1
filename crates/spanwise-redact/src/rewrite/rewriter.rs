//! The rules in use, and outcomes of attributes.

use super::apply::Applied;
use crate::compiled::CompiledRules;
use crate::rule::Target;
use spanwise_wire::read::Fields;

/// Applies rules to messages.
pub(crate) struct Rewriter<'r> {
    pub(crate) rules: &'r CompiledRules,
    pub(crate) hash_key: Option<&'r [u8]>,
    /// Receives each action.
    pub(crate) applied: &'r mut dyn FnMut(Applied<'_>),
}

impl Rewriter<'_> {
    /// Reports an action.
    pub(super) fn report(&mut self, rule: usize, target: Target, key: &str) {
        (self.applied)(Applied { rule: Some(rule), target, key, failed: false });
    }
}

/// The result for an attribute.
pub(super) enum Outcome {
    Unchanged,
    Deleted,
    /// The changed `KeyValue`.
    Replaced(Vec<u8>),
}

/// The list that an attribute is in.
#[derive(Clone, Copy)]
pub(super) struct Siblings<'a> {
    message: &'a [u8],
    number: u32,
}

impl<'a> Siblings<'a> {
    /// The attributes in the fields `number` of `message`.
    pub(super) fn new(message: &'a [u8], number: u32) -> Self {
        Self { message, number }
    }

    /// Whether an attribute of the list has this key.
    pub(super) fn has(self, key: &str) -> bool {
        let attributes = Fields::new(self.message).map_while(Result::ok);
        let attributes = attributes.filter(|field| field.number == self.number);
        attributes.filter_map(|field| field.bytes().ok()).any(|attribute| {
            let parts = Fields::new(attribute).map_while(Result::ok);
            let keys = parts.filter(|part| part.number == 1).filter_map(|part| part.bytes().ok());
            keys.last() == Some(key.as_bytes())
        })
    }
}
