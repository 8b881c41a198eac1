//! Which sampler: the code's, or `OTEL_TRACES_SAMPLER`.

use super::environment::Environment;
use super::{BuildError, Builder};
use crate::sampler::Sampler;

impl Builder {
    pub(super) fn resolve_sampler(&self, environment: &Environment) -> Result<Sampler, BuildError> {
        match (&self.sampler, self.ratio) {
            (Some(sampler), None) => Ok(sampler.clone()),
            (None, Some(ratio)) => Sampler::ratio(ratio)
                .map(Sampler::parent_based)
                .map_err(|error| BuildError::setting("with_sampling_ratio", ratio, error)),
            (Some(_), Some(ratio)) => Err(BuildError::setting(
                "with_sampling_ratio",
                ratio,
                "with_sampler is set too; accepted is one of them",
            )),
            (None, None) => Ok(from_environment(environment).unwrap_or_default()),
        }
    }
}

fn from_environment(environment: &Environment) -> Option<Sampler> {
    let name = environment.parsed(&["OTEL_TRACES_SAMPLER"], ACCEPTED, |value| {
        ACCEPTED.split(", ").find(|name| *name == value)
    })?;
    Some(match name {
        "always_on" => Sampler::always_on(),
        "always_off" => Sampler::always_off(),
        "traceidratio" => ratio(environment),
        "parentbased_always_off" => Sampler::always_off().parent_based(),
        "parentbased_traceidratio" => ratio(environment).parent_based(),
        _ => Sampler::default(),
    })
}

/// `OTEL_TRACES_SAMPLER_ARG`; 1 when it is not given or not a ratio.
fn ratio(environment: &Environment) -> Sampler {
    environment
        .parsed(&["OTEL_TRACES_SAMPLER_ARG"], "0, or 2^-56 (1.4e-17) to 1", |value| {
            Sampler::ratio(value.parse().ok()?).ok()
        })
        .unwrap_or_else(Sampler::always_on)
}

const ACCEPTED: &str = "always_on, always_off, traceidratio, parentbased_always_on, \
                        parentbased_always_off, parentbased_traceidratio";
