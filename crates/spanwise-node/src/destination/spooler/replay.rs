//! The record of a spool that is sent again.

use crate::destination::batch::Batch;
use crate::memory::CopyCharge;

/// The record that is sent again.
pub(super) enum Replay {
    None,
    Reading(CopyCharge),
    Sending,
    /// The rest of it is stored anew.
    StoringRest,
    /// The disk did not store the rest, which is sent again.
    Rest(Batch),
}
