//! The world of the tail sampler: random settings, traffic and faults in virtual time, and a model that follows every span.

mod decider_model;
mod made_span;
mod model;
mod policy_model;
mod recorder;
mod replay;
mod replay_span;
mod rule_model;
mod scenario;
mod traffic;
mod world;

pub(crate) use world::run;
