//! [`Recent`]: the last lines, for the live page.

use super::line::Line;
use std::collections::VecDeque;

/// The last lines, at most [`MAX`].
#[derive(Debug, Default)]
pub(crate) struct Recent {
    lines: VecDeque<Line>,
}

impl Recent {
    pub(crate) fn push(&mut self, line: Line) {
        if self.lines.len() == MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.iter().cloned().collect()
    }
}

/// A line has at most some 5 KiB.
const MAX: usize = 32;
