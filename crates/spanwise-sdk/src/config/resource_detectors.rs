//! The resource detectors: of the code, or of `OTEL_RUST_RESOURCE_DETECTORS`.

use super::environment::Environment;
use crate::detectors::{Detector, detect};
use opentelemetry::KeyValue;

/// The attributes that the chosen detectors find; those that cannot be read are reported.
pub(super) fn detected(code: Option<Vec<Detector>>, environment: &Environment) -> Vec<KeyValue> {
    let chosen = code.or_else(|| from_environment(environment)).unwrap_or_default();
    let detected = detect(&chosen);
    for (attribute, problem) in detected.missing {
        environment.not_detected(attribute, problem);
    }
    detected.attributes
}

fn from_environment(environment: &Environment) -> Option<Vec<Detector>> {
    let parse = |name: &str| match name {
        "none" => Some(Vec::new()),
        // A command line may hold secrets: it is used only where it is named.
        "all" => {
            Some(Detector::ALL.into_iter().filter(|it| *it != Detector::ProcessCommand).collect())
        }
        name => {
            let known = Detector::ALL.into_iter().find(|known| known.name() == name);
            known.map(|detector| vec![detector])
        }
    };
    Some(environment.choices(DETECTORS, ACCEPTED, parse)?.into_iter().flatten().collect())
}

/// The specification defines no variable, but how one of a language is named.
const DETECTORS: &str = "OTEL_RUST_RESOURCE_DETECTORS";
const ACCEPTED: &str = "process, processcommand, host, os, container, serviceinstance, all or none; \
                        the others are skipped";
