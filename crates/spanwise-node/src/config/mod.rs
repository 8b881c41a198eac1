//! Settings from files: our own YAML, and files of the Collector.

mod collector;
mod context;
mod destinations;
mod exposed;
mod gateway;
mod memory;
mod otlp;
mod own;
mod receivers;
mod source;
mod token;
mod values;

pub use context::ConfigOptions;
pub use source::{ConfigError, ConfigSource};
