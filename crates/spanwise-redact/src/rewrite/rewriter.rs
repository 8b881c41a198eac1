//! The rules in use, the report of an action, and the list around an attribute.

use super::masking::HashKey;
use super::plan::Plans;
use super::shape::Shape;
use crate::compiled::{CompiledRules, RuleSet};
use crate::rule::Target;
use spanwise_wire::read::Fields;

/// Applies rules to messages.
pub(crate) struct Rewriter<'r> {
    pub(crate) rules: &'r CompiledRules,
    pub(crate) plans: &'r Plans,
    pub(crate) hash_key: Option<&'r HashKey>,
    /// Receives each action.
    pub(crate) applied: &'r mut dyn FnMut(Applied<'_>),
}

/// One action, for counts and explanations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Applied<'a> {
    /// `None` when no rule did it: the bytes could not be read.
    pub(crate) rule: Option<usize>,
    /// `None` if the bytes that could not be read belong to no known part.
    pub(crate) target: Option<Target>,
    pub(crate) key: &'a [u8],
    /// The rule could not run, and the value was deleted.
    pub(crate) failed: bool,
}

/// Buffers for one attribute or text.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// The value after the rules so far.
    pub(super) value: Vec<u8>,
    /// The value after the next rule.
    pub(super) next: Vec<u8>,
    pub(super) path: Vec<u8>,
}

impl Rewriter<'_> {
    /// Reports an action.
    pub(super) fn report(&mut self, rule: usize, target: Target, key: &[u8]) {
        (self.applied)(Applied { rule: Some(rule), target: Some(target), key, failed: false });
    }

    /// Reports that a value cannot be read, and is deleted.
    pub(super) fn fail(&mut self, rule: Option<usize>, target: Target, key: &[u8]) {
        (self.applied)(Applied { rule, target: Some(target), key, failed: true });
    }

    /// Reports a part of a message that cannot be read, and is left out.
    pub(super) fn malformed(&mut self) {
        (self.applied)(Applied { rule: None, target: None, key: b"", failed: true });
    }
}

/// The list of attributes around one of them: its keys that rules rename to.
#[derive(Debug)]
pub(super) struct Siblings<'a> {
    message: &'a [u8],
    number: u32,
    /// The rules whose new key the list has. `None`: not looked for yet.
    present: Option<RuleSet>,
}

impl<'a> Siblings<'a> {
    /// The attributes of a message.
    #[inline]
    pub(super) fn new(message: &'a [u8], shape: &Shape) -> Self {
        Self { message, number: shape.attributes, present: None }
    }

    /// Whether the list has no attribute with this key yet, the new key of a rule. It has one afterwards.
    pub(super) fn claim(&mut self, rules: &CompiledRules, key: &str) -> bool {
        // One pass for all rules and attributes of the list.
        let present = self.present.get_or_insert_with(|| {
            let attributes = Fields::new(self.message).map_while(Result::ok);
            let attributes = attributes.filter(|field| field.number == self.number);
            attributes.filter_map(|field| field.bytes().ok()).fold(RuleSet::default(), |set, it| {
                let parts = Fields::new(it).map_while(Result::ok);
                let keys = parts.filter(|part| part.number == 1).filter_map(|it| it.bytes().ok());
                keys.fold(set, |set, key| set.or(rules.renaming_to(key)))
            })
        });
        let of_key = rules.renaming_to(key.as_bytes());
        let is_free = present.and(of_key).is_empty();
        *present = present.or(of_key);
        is_free
    }
}
