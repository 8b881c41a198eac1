//! The cases, by group.

mod data;
mod lifecycle;
mod start;
mod text;

use crate::bench::{Bench, Setup};

/// One behaviour: a run returns in a few words the effect that a user sees.
pub struct Case {
    pub behaviour: &'static str,
    pub setup: Setup,
    pub run: fn(&mut Bench) -> String,
    /// The reason why a column differs from the stock SDK; empty if none does.
    pub reason: &'static str,
}

pub fn all() -> [(&'static str, Vec<Case>); 4] {
    [
        ("Start and context", start::cases()),
        ("Data of a span", data::cases()),
        ("End", lifecycle::end()),
        ("Provider and processor", lifecycle::provider()),
    ]
}
