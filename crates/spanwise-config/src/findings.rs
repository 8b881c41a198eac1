//! The errors and warnings of one reading.

use std::cell::RefCell;

use crate::position::Position;
use crate::problem::{Problem, Problems};

/// Collects while fields are read, so that one run names every error of a file.
#[derive(Debug)]
pub(crate) struct Findings {
    file: String,
    /// The warnings of the substitution.
    unset: Vec<Problem>,
    errors: RefCell<Bounded>,
    warnings: RefCell<Bounded>,
}

#[derive(Debug, Default)]
struct Bounded {
    list: Vec<Problem>,
    more: usize,
}

impl Findings {
    pub fn new(file: &str, unset: &[Problem]) -> Self {
        let warnings = Bounded { list: unset.to_vec(), more: 0 };
        Self {
            file: file.to_owned(),
            unset: unset.to_vec(),
            errors: RefCell::default(),
            warnings: RefCell::new(warnings),
        }
    }

    /// A variable without a value is named with the error, which it may be the reason of.
    pub fn error(&self, position: Position, path: String, mut message: String) {
        for unset in self.unset.iter().filter(|unset| unset.path == path) {
            message.push_str("; ");
            message.push_str(&unset.message);
        }
        self.errors.borrow_mut().push(self.problem(position, path, message));
    }

    pub fn warning(&self, position: Position, path: String, message: String) {
        self.warnings.borrow_mut().push(self.problem(position, path, message));
    }

    pub fn problem(&self, position: Position, path: String, message: String) -> Problem {
        Problem { file: self.file.clone(), position, path, message }
    }

    /// The warnings in the order of the file, if there was no error.
    pub fn finish(&self) -> Result<Vec<Problem>, Problems> {
        let Bounded { mut list, more } = self.errors.take();
        if list.is_empty() {
            let mut warnings = self.warnings.take().list;
            warnings.sort_by_key(|warning| warning.position);
            return Ok(warnings);
        }
        list.sort_by_key(|problem| problem.position);
        Err(Problems { list, more })
    }
}

impl Bounded {
    /// A value that a schema reads twice is one problem.
    fn push(&mut self, problem: Problem) {
        if self.list.contains(&problem) {
            return;
        }
        match self.list.len() < MAX_FINDINGS {
            true => self.list.push(problem),
            false => self.more += 1,
        }
    }
}

/// The most errors, and the most warnings, of a file that are retained.
pub(crate) const MAX_FINDINGS: usize = 100;
