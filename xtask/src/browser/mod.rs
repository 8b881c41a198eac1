//! Headless Chromium: found or unpacked, started, and driven by its DevTools protocol.

mod devtools;
mod program;
mod tab;

pub(crate) use devtools::Browser;
pub(crate) use program::Program;
pub(crate) use tab::{Scheme, Tab};
