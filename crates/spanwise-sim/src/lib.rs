#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod answer;
mod breaker;
pub mod command;
mod hold_policy;
mod network;
mod otlp;
mod planted;
mod random;
mod scenario;
mod seeds;
mod sender;
mod sender_event;
mod simulation;
mod span_list;
mod trace;
mod violation;
mod world;

pub use simulation::{Report, run_seed};
pub use violation::Violation;
