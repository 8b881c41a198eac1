#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod account;
mod answer;
mod attempt;
mod breaker;
pub mod command;
mod endpoint_settings;
mod hold_policy;
mod in_flight;
mod network;
mod otlp;
mod planted;
mod planted_bug;
mod random;
mod report;
mod scenario;
mod seeds;
mod sender;
mod sender_event;
mod simulation;
mod span_list;
mod spool;
mod tail;
mod trace;
mod violation;
mod world;

pub use report::Report;
pub use simulation::{WorldKind, run_seed};
pub use violation::Violation;
