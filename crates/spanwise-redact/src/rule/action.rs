//! Actions of rules.

/// The effect of a rule on a value that it matches.
///
/// A rule with a value pattern masks and hashes the matches alone, and deletes an attribute that has one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Retains attributes with these keys, and deletes all others of the rule's targets.
    Allow,
    /// Leaves the attribute, name or message as the rules before have it: no rule behind this one applies to it, but for
    /// [`Allow`](Self::Allow), which precedes all others.
    Ignore,
    /// Deletes the attribute; a name or message becomes the mask.
    Delete,
    /// Replaces the value, or the matches in it, by the mask: `****`, as the Collector's processor `redaction` does.
    Mask,
    /// Replaces the value, or the matches in it, by the first 16 bytes of their HMAC-SHA-256 in hexadecimal digits: equal values stay
    /// equal, and without the key no one can try values.
    Hash,
    /// Shortens strings to this number of characters.
    Truncate(usize),
    /// Gives the attribute this key. If the list of attributes has the key, the attribute is deleted.
    Rename(String),
}

impl Action {
    /// The name in configuration files and explanations.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ignore => "ignore",
            Self::Delete => "delete",
            Self::Mask => "mask",
            Self::Hash => "hash",
            Self::Truncate(_) => "truncate",
            Self::Rename(_) => "rename",
        }
    }
}
