//! The attribute keys that policies look for, so that one pass over a span finds all of them.

use std::cell::RefCell;

/// The keys of all policies of a sampler, collected while they are built.
#[derive(Debug, Default)]
pub(crate) struct KeyPool {
    keys: RefCell<Vec<Box<str>>>,
}

/// The place of a key among those of a sampler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyIndex(usize);

impl KeyPool {
    /// The place of `key`, which is added if it is new.
    pub(crate) fn index(&self, key: &str) -> KeyIndex {
        let keys = &mut *self.keys.borrow_mut();
        let known = keys.iter().position(|known| **known == *key);
        KeyIndex(known.unwrap_or_else(|| {
            keys.push(key.into());
            keys.len() - 1
        }))
    }

    pub(crate) fn into_keys(self) -> Vec<Box<str>> {
        self.keys.into_inner()
    }
}

impl KeyIndex {
    pub(crate) fn get(self) -> usize {
        self.0
    }
}
