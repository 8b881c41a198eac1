//! Which sampler: the code's, or `OTEL_TRACES_SAMPLER`.

use super::environment::Environment;
use super::{BuildError, Builder};
use crate::pipeline::Asked;
use spanwise_sampling::{
    JaegerRemote, JaegerSettings, RemoteSettings, Sampler, XrayRemote, XraySettings,
};

/// A sampler, and where it is told what to do, if it is.
type Resolved = (Sampler, Option<Asked>);

impl Builder {
    pub(super) fn resolve_sampler(
        &self,
        environment: &Environment,
    ) -> Result<Resolved, BuildError> {
        match (&self.sampler, self.ratio, &self.remote_sampling) {
            (Some(sampler), None, None) => Ok((sampler.clone(), None)),
            (None, Some(ratio), None) => match Sampler::probability(ratio) {
                Ok(sampler) => Ok((sampler.parent_based(), None)),
                Err(error) => Err(BuildError::setting("with_sampling_ratio", ratio, error)),
            },
            (None, None, Some(settings)) => Ok(parent_based(remote(settings.clone()))),
            (None, None, None) => from_environment(environment),
            (sampler, Some(ratio), _) => Err(BuildError::setting(
                "with_sampling_ratio",
                ratio,
                format!("{} is set too; accepted is one of them", other(sampler.is_some())),
            )),
            (Some(sampler), None, Some(_)) => Err(BuildError::setting(
                "with_sampler",
                sampler,
                "with_remote_sampling is set too; accepted is one of them",
            )),
        }
    }
}

fn other(sampler: bool) -> &'static str {
    if sampler { "with_sampler" } else { "with_remote_sampling" }
}

fn from_environment(environment: &Environment) -> Result<Resolved, BuildError> {
    let Some((_, name)) = environment.text(&[SAMPLER]) else { return Ok(Default::default()) };
    Ok(match &*name {
        "always_on" => (Sampler::always_on(), None),
        "always_off" => (Sampler::always_off(), None),
        "traceidratio" => (ratio(environment), None),
        "parentbased_always_on" => (Sampler::default(), None),
        "parentbased_always_off" => (Sampler::always_off().parent_based(), None),
        "parentbased_traceidratio" => (ratio(environment).parent_based(), None),
        "jaeger_remote" => remote(jaeger(environment)),
        "parentbased_jaeger_remote" => parent_based(remote(jaeger(environment))),
        // X-Ray's rules are for roots, and the name has no other form.
        "xray" => parent_based(remote(xray(environment))),
        _ => {
            environment.ignore(SAMPLER, &name, ACCEPTED);
            Default::default()
        }
    })
}

fn remote(settings: RemoteSettings) -> Resolved {
    match settings {
        RemoteSettings::Xray(settings) => {
            let sampler = XrayRemote::new();
            (sampler.clone().into(), Some(Asked::Xray { settings, sampler }))
        }
        RemoteSettings::Jaeger(settings) => {
            // Settings hold no probability that cannot be.
            let initial = Sampler::probability(settings.initial_probability()).unwrap_or_default();
            let sampler = JaegerRemote::new(initial);
            (sampler.clone().into(), Some(Asked::Jaeger { settings, sampler }))
        }
    }
}

fn parent_based((sampler, asked): Resolved) -> Resolved {
    (sampler.parent_based(), asked)
}

/// `OTEL_TRACES_SAMPLER_ARG` of a ratio; 1 when it is not given or not one.
fn ratio(environment: &Environment) -> Sampler {
    environment
        .parsed(&[ARGUMENT], "0, or 2^-56 (1.4e-17) to 1", |value| {
            Sampler::probability(value.parse().ok()?).ok()
        })
        .unwrap_or_else(Sampler::always_on)
}

/// `OTEL_TRACES_SAMPLER_ARG` of Jaeger's sampling; the defaults when it is not given or wrong.
fn jaeger(environment: &Environment) -> RemoteSettings {
    const ACCEPTED: &str = "endpoint=http://host:port/path,pollingIntervalMs=1 or more,\
                            initialSamplingRate=0 to 1";
    let parse = |value: &str| JaegerSettings::parse(value).ok();
    environment.parsed(&[ARGUMENT], ACCEPTED, parse).unwrap_or_default().into()
}

/// `OTEL_TRACES_SAMPLER_ARG` of X-Ray's sampling; the defaults when it is not given or wrong.
fn xray(environment: &Environment) -> RemoteSettings {
    const ACCEPTED: &str = "endpoint=http://host:port,polling_interval=1 or more (seconds)";
    let parse = |value: &str| XraySettings::parse(value).ok();
    environment.parsed(&[ARGUMENT], ACCEPTED, parse).unwrap_or_default().into()
}

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
const ACCEPTED: &str = "xray, always_on, always_off, traceidratio, jaeger_remote, or one of the last \
                        four with parentbased_ before it";
