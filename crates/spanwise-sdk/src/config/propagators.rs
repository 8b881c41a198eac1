//! The global propagators, from code or from `OTEL_PROPAGATORS`.

use super::environment::Environment;
use super::settings::PROPAGATORS;
use crate::propagation::Propagator;

/// The propagators to set, each once and in the order of the list.
pub(super) fn resolve(code: Option<Vec<Propagator>>, environment: &Environment) -> Vec<Propagator> {
    let chosen = code.or_else(|| from_environment(environment));
    let mut propagators = Vec::new();
    for propagator in chosen.unwrap_or_else(|| Propagator::ALL.to_vec()) {
        if !propagators.contains(&propagator) {
            propagators.push(propagator);
        }
    }
    environment.effective(&PROPAGATORS, || {
        propagators.iter().map(|propagator| propagator.name()).collect::<Vec<_>>().join(",")
    });
    propagators
}

/// Reports propagators that `build` does not set.
pub(super) fn report_unused(given: Option<&'static str>, environment: &Environment) {
    const REASON: &str = "build sets no globals; use init, or \
                          opentelemetry::global::set_text_map_propagator";
    if let Some(setting) = given {
        environment.unused(setting, REASON);
    }
    environment.report_unused(&PROPAGATORS, REASON);
}

fn from_environment(environment: &Environment) -> Option<Vec<Propagator>> {
    let parse = |name: &str| match name {
        "none" => Some(None),
        name => Propagator::ALL.into_iter().find(|known| known.name() == name).map(Some),
    };
    let chosen = environment.choices(&PROPAGATORS, parse)?;
    Some(chosen.into_iter().flatten().collect())
}
