//! The spool of a destination, as its queue sees it.

use crate::account::{SpoolAccount, SpoolState};
use spanwise_export::SpoolUsage;
use spanwise_worker::Notifier;

/// The spool of a destination, as its queue sees it.
pub(super) struct SpoolLink {
    /// Notifies the task of the spool.
    pub(super) notifier: Notifier,
    pub(super) usage: Option<SpoolUsage>,
    pub(super) state: SpoolState,
    pub(super) problem: Option<String>,
}

impl SpoolLink {
    pub(super) fn account(&self) -> SpoolAccount {
        let usage = self.usage.as_ref();
        SpoolAccount {
            state: self.state,
            bytes: usage.map_or(0, SpoolUsage::bytes),
            limit_bytes: usage.map_or(0, SpoolUsage::limit_bytes),
            problem: self.problem.clone(),
        }
    }
}
