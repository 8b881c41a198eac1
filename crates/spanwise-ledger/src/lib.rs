#![doc = include_str!("../README.md")]
#![doc(test(attr(deny(warnings))))]
#![forbid(unsafe_code)]

mod ledger;
mod lines;
mod note;
mod reason;
mod snapshot;
mod tickets;

pub use ledger::Ledger;
pub use note::Note;
pub use reason::DropReason;
pub use snapshot::{Imbalance, Snapshot};
pub use tickets::Tickets;
