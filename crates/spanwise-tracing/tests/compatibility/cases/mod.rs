//! The cases, by group.

mod errors;
mod events;
mod extension;
mod fields;
mod futures;
mod instrument;
mod lifetime;
mod options;
mod parents;
mod special;
mod start;

use crate::bench::{Bench, Setup};

/// One behaviour: a run returns in a few words the effect that a user sees.
pub struct Case {
    pub behaviour: &'static str,
    pub setup: Setup,
    pub run: fn(&Bench) -> String,
    /// The reason why ours differs; empty if it does not.
    pub reason: &'static str,
}

pub fn all() -> [(&'static str, Vec<Case>); 12] {
    [
        ("Special fields", special::cases()),
        ("Fields of spans", fields::cases()),
        ("Parents and contexts", parents::cases()),
        ("Links", parents::links()),
        ("Events", events::cases()),
        ("Errors", errors::cases()),
        ("Options", options::cases()),
        ("Start, end and threads", lifetime::cases()),
        ("Sampling and limits", start::cases()),
        ("The extension trait", extension::cases()),
        ("`#[instrument]`", instrument::cases()),
        ("Futures", futures::cases()),
    ]
}
