//! [`Source`]: where the names of the peers come from.

/// A source of the names of the peers.
pub(crate) trait Source: Send {
    /// The present names, in any order.
    ///
    /// # Errors
    /// The reason why they are not known, in words: the last ones stay.
    fn names(&mut self) -> Result<Vec<String>, String>;
}
