//! The resource detectors, from code or from `OTEL_RUST_RESOURCE_DETECTORS`.

use super::attribute_filter::AttributeFilter;
use super::environment::Environment;
use super::settings::RESOURCE_DETECTORS;
use crate::detectors::{Detector, detect};
use opentelemetry::KeyValue;

/// The attributes of the chosen detectors that the filter accepts. Reports those that a detector could not read.
pub(super) fn detected(
    code: Option<Vec<Detector>>,
    filter: &AttributeFilter,
    environment: &Environment,
) -> Vec<KeyValue> {
    let chosen = code.or_else(|| from_environment(environment)).unwrap_or_default();
    environment.effective(&RESOURCE_DETECTORS, || {
        chosen.iter().map(|detector| detector.name()).collect::<Vec<_>>().join(",")
    });
    let mut detected = detect(&chosen);
    for (attribute, problem) in detected.missing {
        if filter.accepts(attribute) {
            environment.not_detected(attribute, problem);
        }
    }
    detected.attributes.retain(|attribute| filter.accepts(attribute.key.as_str()));
    detected.attributes
}

fn from_environment(environment: &Environment) -> Option<Vec<Detector>> {
    let parse = |name: &str| match name {
        "none" => Some(Vec::new()),
        // A command line may contain secrets, so `all` does not select its detector.
        "all" => {
            Some(Detector::ALL.into_iter().filter(|it| *it != Detector::ProcessCommand).collect())
        }
        name => {
            let known = Detector::ALL.into_iter().find(|known| known.name() == name);
            known.map(|detector| vec![detector])
        }
    };
    Some(environment.choices(&RESOURCE_DETECTORS, parse)?.into_iter().flatten().collect())
}
