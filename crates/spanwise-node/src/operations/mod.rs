//! The operation of a node: its log, its signals, and its admin endpoint.

mod admin;
#[cfg(test)]
mod fakes;
mod file_watch;
mod heap;
mod log;
mod service;
mod signals;
mod state;
mod watch;

pub(crate) use file_watch::FileContent;
pub(crate) use service::{SettingsFile, serve};
