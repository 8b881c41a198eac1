//! The errors of a file with their places.

use std::error::Error;
use std::fmt;

use crate::position::Position;

/// One finding about a file: an error or a warning.
///
/// It never shows a value that came from an environment variable, nor one that was read by
/// [`Field::secret`](crate::Field::secret).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub(crate) file: String,
    pub(crate) position: Position,
    pub(crate) path: String,
    pub(crate) message: String,
}

impl Problem {
    /// The same place with another message.
    #[must_use]
    pub fn with_message(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// The name of the file, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The place of the key or the value.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The keys that lead to the value, such as `tracer_provider.processors[0].batch`; empty for the whole file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The mistake, and the values that are accepted.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// `file:line:column: path: message`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, position, path, message } = self;
        write!(f, "{file}:{position}: ")?;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(message)
    }
}

impl Error for Problem {}

/// Every error of a file, in its order; at least one. Nothing of such a file is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// Not empty.
    pub(crate) list: Vec<Problem>,
    /// Those beyond the bound of the list.
    pub(crate) more: usize,
}

impl Problems {
    pub(crate) fn one(problem: Problem) -> Self {
        Self { list: vec![problem], more: 0 }
    }

    /// The errors, the first 100 of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Problem> {
        self.list.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self::one(problem)
    }
}

/// One line for each error.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl Error for Problems {}
