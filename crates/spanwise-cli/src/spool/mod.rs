//! `spanwise spool`: the files that a process stored spans in while no receiver took them.

mod failed;
mod find;
mod ls;
mod options;
mod replay;
mod stats;
mod times;
mod verify;
mod words;

pub use find::COMMAND as FIND;
pub use ls::COMMAND as LS;
pub use options::{Options, is_option};
pub use replay::COMMAND as REPLAY;
pub use stats::COMMAND as STATS;
pub use verify::COMMAND as VERIFY;
