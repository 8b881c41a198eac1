//! Errors of policies that cannot be built.

use std::fmt;

/// A policy is not valid.
#[derive(Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// The names that lead to the policy, from the outermost.
    names: Vec<String>,
    message: String,
}

impl PolicyError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { names: Vec::new(), message: message.into() }
    }

    /// The same error inside the policy `name`.
    pub(crate) fn inside(mut self, name: &str) -> Self {
        self.names.insert(0, name.to_owned());
        self
    }

    /// The names of the policy and, before it, of the policies around it.
    pub fn policies(&self) -> &[String] {
        &self.names
    }

    /// The mistake, and the values that are accepted.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// `policy "a": policy "b": message`.
impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.names {
            write!(f, "policy {name:?}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// As `Display`: `main` prints the `Debug` of its error.
impl fmt::Debug for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for PolicyError {}
