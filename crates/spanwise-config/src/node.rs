//! A file as a tree, after substitution.

use crate::path::{HIDDEN_KEY, shown_key};
use crate::position::Position;
use crate::scalar::Scalar;
use std::hash::{Hash as _, Hasher};

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub position: Position,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Scalar {
        scalar: Scalar,
        /// The text as the file has it: with its references, which hide the values of variables.
        source: Box<str>,
        /// Whether a variable's value or default took the place of a reference.
        is_substituted: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key of a mapping with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub key: Box<str>,
    pub position: Position,
    pub value: Node,
    /// Whether it may be the rest of a value that a comma splits, as `b` of `{key: a,b}`: perhaps a secret.
    pub may_be_value: bool,
}

impl Entry {
    /// The key for a message.
    pub fn shown_key(&self) -> String {
        if self.may_be_value { HIDDEN_KEY.to_owned() } else { shown_key(&self.key) }
    }
}

impl Node {
    pub fn type_name(&self) -> &'static str {
        match &self.content {
            Content::Scalar { scalar, .. } => scalar.type_name(),
            Content::Sequence(_) => "a sequence",
            Content::Mapping(_) => "a mapping",
        }
    }

    /// Scalars, sequences and mappings, itself included.
    pub fn count(&self) -> usize {
        1 + self.children().map(Self::count).sum::<usize>()
    }

    /// Bytes of keys and scalars.
    pub fn text_bytes(&self) -> usize {
        let own = match &self.content {
            Content::Scalar { scalar: Scalar::String(text), source, .. } => {
                text.len() + source.len()
            }
            Content::Scalar { source, .. } => source.len(),
            Content::Sequence(_) => 0,
            Content::Mapping(entries) => entries.iter().map(|entry| entry.key.len()).sum(),
        };
        own + self.children().map(Self::text_bytes).sum::<usize>()
    }

    /// Adds the content after substitution, without its places.
    pub fn hash_content(&self, state: &mut impl Hasher) {
        std::mem::discriminant(&self.content).hash(state);
        self.children().count().hash(state);
        match &self.content {
            Content::Scalar { scalar, .. } => scalar.hash_value(state),
            Content::Sequence(nodes) => nodes.iter().for_each(|node| node.hash_content(state)),
            Content::Mapping(entries) => {
                for entry in entries {
                    entry.key.hash(state);
                    entry.value.hash_content(state);
                }
            }
        }
    }

    fn children(&self) -> impl Iterator<Item = &Self> {
        let (nodes, entries): (&[Self], &[Entry]) = match &self.content {
            Content::Scalar { .. } => (&[], &[]),
            Content::Sequence(nodes) => (nodes, &[]),
            Content::Mapping(entries) => (&[], entries),
        };
        nodes.iter().chain(entries.iter().map(|entry| &entry.value))
    }
}
