//! A process with its page, and a browser.

use super::process::Process;
use crate::browser::Browser;
use std::cell::RefCell;
use std::time::Duration;

pub(super) struct Setup {
    pub(super) browser: RefCell<Browser>,
    /// `None` once the last case has ended it.
    pub(super) process: RefCell<Option<Process>>,
}

impl Setup {
    /// The URL of the page.
    ///
    /// # Errors
    /// The process has ended.
    pub(super) fn url(&self) -> Result<String, String> {
        let process = self.process.borrow();
        Ok(process.as_ref().ok_or("the process has ended")?.url().to_owned())
    }
}

/// The size of a window on a desk.
pub(super) const WIDE: (u32, u32) = (1280, 800);
/// The time for a page to show what it is expected to show.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
