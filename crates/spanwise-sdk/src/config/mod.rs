//! Configuration: code > declarative file > signal variable > generic variable > default.
//!
//! `settings` is the table of all settings. `builder` has those in code, `declarative` reads files, `environment` reads
//! variables. `resolution` resolves them and starts nothing, `composition` builds the provider, `explain` shows the
//! values in force, and `reload` replaces those of a running provider.

mod attribute_filter;
mod batching;
mod builder;
mod capacity;
mod composition;
mod container;
#[cfg_attr(not(feature = "config-file"), path = "no_config_file.rs")]
mod declarative;
mod effective_settings;
mod environment;
mod error;
mod explain;
mod exporter;
mod file_parts;
mod files;
mod log_level;
mod misspelt;
mod of_file;
mod otlp;
mod own_stack;
mod production_preset;
mod propagators;
mod ranges;
mod recording_sdk;
mod redaction;
mod redaction_file;
mod reload;
mod resolution;
mod resource;
mod resource_detectors;
mod route;
mod sampler_description;
mod sampling;
mod settings;
mod span_counts;
mod span_limits;
mod span_metrics;
mod span_processors;
mod span_redaction;
mod spool;
mod tail_sampling;
mod tracers;
mod unused;

pub use builder::SpanwiseBuilder;
pub use composition::init_after;
pub(crate) use effective_settings::EffectiveSettings;
pub use error::BuildError;
pub use explain::{EffectiveSetting, Explanation, Origin, explain};
pub use exporter::Exporter;
pub(crate) use redaction::shown;
pub use redaction::shown_address;
pub use reload::reloaded::{ReloadError, Reloaded, SettingChange};
pub(crate) use reload::running::Running;
pub(crate) use route::Routed;
pub(crate) use sampler_description::description;
pub use settings::{Setting, SettingType, Support, settings};

#[cfg(test)]
mod mutated_environments;
