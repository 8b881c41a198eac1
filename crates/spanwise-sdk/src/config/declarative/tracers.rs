//! `tracer_provider.tracer_configurator/development`.

use super::patterns;
use crate::start::{TracerConfig, TracerConfigurator};
use spanwise_config::Field;

/// The configurator, `None` if the file has none.
pub(super) fn read(field: &Field<'_>) -> Option<TracerConfigurator> {
    if !field.has_value() {
        return None;
    }
    let fields = field.mapping(&["default_config", "tracers"]);
    let default = config(&fields.get("default_config")).unwrap_or_default();
    let tracers = fields.get("tracers").sequence();
    let tracers: Vec<_> = tracers
        .iter()
        .filter_map(|tracer| {
            let tracer = tracer.mapping(&["name", "config"]);
            let config = config(&tracer.get("config").required());
            Some((patterns::one(&tracer.get("name").required())?, config?))
        })
        .collect();
    // The first entry that matches counts, as in the rules of a sampler.
    Some(TracerConfigurator::new(move |scope| {
        let named = tracers.iter().find(|(name, _)| name.matches(scope.name()));
        named.map_or(default, |(_, config)| *config)
    }))
}

/// `enabled`, or `disabled` in files of earlier versions.
fn config(field: &Field<'_>) -> Option<TracerConfig> {
    if !field.has_value() {
        return None;
    }
    let fields = field.mapping(&["enabled", "disabled"]);
    let (enabled, disabled) = (fields.get("enabled"), fields.get("disabled"));
    if enabled.has_value() && disabled.has_value() {
        disabled.error("`enabled` is set too; accepted is one of them");
    }
    let is_enabled = match disabled.boolean() {
        Some(is_disabled) => !is_disabled,
        None => enabled.boolean().unwrap_or(true),
    };
    Some(if is_enabled { TracerConfig::ENABLED } else { TracerConfig::DISABLED })
}
