//! The sampler, from code or from `OTEL_TRACES_SAMPLER`.

use super::builder::SpanwiseBuilder;
use super::environment::Environment;
use super::error::BuildError;
use super::recording_sdk::RecordingSdk;
use super::redaction::{shown_argument, shown_name};
use super::sampler_description::description;
use super::settings::{self, SettingType};
use crate::remote_sampling::{RemoteSampling, RemoteSource};
#[cfg(any(feature = "jaeger", feature = "xray"))]
use spanwise_sampling::RemoteSettings;
use spanwise_sampling::Sampler;
#[cfg(feature = "jaeger")]
use spanwise_sampling::{JaegerRemote, JaegerSettings};
#[cfg(feature = "xray")]
use spanwise_sampling::{XrayRemote, XraySettings};
#[cfg(not(all(feature = "jaeger", feature = "xray")))]
use spanwise_transport::__private::MissingFeature;
use spanwise_transport::BuildError as TransportError;
#[cfg(any(feature = "jaeger", feature = "xray"))]
use spanwise_transport::Endpoint;

/// A sampler, and the endpoint of its strategies if it is a remote one.
type Resolved = (Sampler, Option<Remote>);

/// A remote sampler, and the setting that chose it.
pub(super) struct Remote {
    /// The setting that holds the endpoint.
    setting: &'static str,
    source: RemoteSource,
}

impl Remote {
    /// Reports that no worker fetches a strategy.
    pub(super) fn report_unused(self, environment: &Environment) {
        let setting = if self.setting == ARGUMENT { SAMPLER } else { self.setting };
        let reason = "nothing is exported, so no strategy is fetched and the initial one stays";
        environment.unused(setting, reason);
    }

    /// The collector and the sampler.
    pub(super) fn source(&self) -> &RemoteSource {
        &self.source
    }

    /// # Errors
    /// The transport cannot send to that endpoint.
    pub(super) fn start(self, service_name: &str) -> Result<RemoteSampling, BuildError> {
        let Self { setting, source } = self;
        RemoteSampling::new(&source, service_name, setting).map_err(|error| {
            let BuildError::Transport(error) = error else { return error };
            let error = error.with_crate_name(RecordingSdk::Native.crate_name());
            match (error.missing_feature(), error) {
                (Some(missing), TransportError::NoTls { endpoint, .. }) => {
                    BuildError::no_feature(setting, endpoint, missing)
                }
                (_, error) => error.into(),
            }
        })
    }
}

impl SpanwiseBuilder {
    pub(super) fn resolve_sampler(
        &self,
        environment: &Environment,
    ) -> Result<Resolved, BuildError> {
        let resolved = self.resolve_sampler_of_all(environment)?;
        environment.effective(&settings::SAMPLER, || match environment.text(&settings::SAMPLER) {
            _ if self.has_sampler() => description(&resolved.0),
            Some((_, name)) if is_known(&name) => name.to_ascii_lowercase(),
            _ => settings::SAMPLER.default.to_owned(),
        });
        Ok(resolved)
    }

    /// Whether code or a file has set a sampler.
    pub(super) fn has_sampler(&self) -> bool {
        #[cfg(any(feature = "jaeger", feature = "xray"))]
        let is_remote = self.remote_sampling.is_some();
        #[cfg(not(any(feature = "jaeger", feature = "xray")))]
        let is_remote = false;
        self.sampler.is_some() || self.sampling_ratio.is_some() || is_remote || self.is_production
    }

    fn resolve_sampler_of_all(&self, environment: &Environment) -> Result<Resolved, BuildError> {
        #[cfg(any(feature = "jaeger", feature = "xray"))]
        let remote_sampling = self.remote_sampling.as_ref();
        #[cfg(not(any(feature = "jaeger", feature = "xray")))]
        let remote_sampling: Option<&std::convert::Infallible> = None;
        match (&self.sampler, self.sampling_ratio, remote_sampling) {
            (Some(sampler), None, None) => Ok((sampler.clone(), None)),
            (None, Some(ratio), None) => match Sampler::probability(ratio) {
                Ok(sampler) => Ok((sampler.parent_based(), None)),
                Err(error) => Err(BuildError::setting("with_sampling_ratio", number(ratio), error)),
            },
            #[cfg(any(feature = "jaeger", feature = "xray"))]
            (None, None, Some(settings)) => {
                remote("with_remote_sampling", settings.clone()).map(parent_based)
            }
            #[cfg(not(any(feature = "jaeger", feature = "xray")))]
            (None, None, Some(never)) => match *never {},
            (None, None, None) => match self.production_sampler() {
                Some(sampler) => Ok((sampler, None)),
                None => from_environment(environment),
            },
            (sampler, Some(ratio), _) => Err(BuildError::setting(
                "with_sampling_ratio",
                number(ratio),
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

/// With an exponent where `Display` writes hundreds of digits, which would cut the message off.
fn number(ratio: f64) -> String {
    format!("{ratio:?}")
}

fn other(sampler: bool) -> &'static str {
    if sampler { "with_sampler" } else { "with_remote_sampling" }
}

fn from_environment(environment: &Environment) -> Result<Resolved, BuildError> {
    let Some((_, given)) = environment.text(&settings::SAMPLER) else {
        if environment.is_set(&settings::SAMPLER_ARG) {
            environment.unused(ARGUMENT, format!("{SAMPLER} is not set"));
        }
        return Ok(Default::default());
    };
    let name = given.to_ascii_lowercase();
    if is_known(&name) {
        environment.recorder().used(&settings::SAMPLER, SAMPLER);
    }
    let takes_none = |name: &str| matches!(name, "always_on" | "always_off");
    if takes_none(name.strip_prefix("parentbased_").unwrap_or(&name))
        && environment.is_set(&settings::SAMPLER_ARG)
    {
        environment.unused(ARGUMENT, format!("{SAMPLER}={name} takes no argument"));
    }
    Ok(match &*name {
        "always_on" => (Sampler::always_on(), None),
        "always_off" => (Sampler::always_off(), None),
        "traceidratio" => (ratio(environment), None),
        "parentbased_always_on" => (Sampler::default(), None),
        "parentbased_always_off" => (Sampler::always_off().parent_based(), None),
        "parentbased_traceidratio" => (ratio(environment).parent_based(), None),
        "jaeger_remote" => jaeger_remote(environment)?,
        "parentbased_jaeger_remote" => parent_based(jaeger_remote(environment)?),
        // X-Ray rules decide about roots, and the specification has no `parentbased_` form of the name.
        "xray" => parent_based(xray_remote(environment)?),
        _ => {
            environment.ignore(SAMPLER, &shown_name(&given), &settings::SAMPLER.kind.accepted());
            Default::default()
        }
    })
}

#[cfg(feature = "jaeger")]
fn jaeger_remote(environment: &Environment) -> Result<Resolved, BuildError> {
    remote(ARGUMENT, jaeger(environment))
}

#[cfg(not(feature = "jaeger"))]
fn jaeger_remote(_: &Environment) -> Result<Resolved, BuildError> {
    Err(not_compiled_in(SAMPLER, "jaeger_remote", "jaeger"))
}

#[cfg(feature = "xray")]
fn xray_remote(environment: &Environment) -> Result<Resolved, BuildError> {
    remote(ARGUMENT, xray(environment))
}

#[cfg(not(feature = "xray"))]
fn xray_remote(_: &Environment) -> Result<Resolved, BuildError> {
    Err(not_compiled_in(SAMPLER, "xray", "xray"))
}

/// The error of a sampler that needs `feature`. A warning would be too weak: the default sampler samples
/// more than the operator requested, which costs money.
#[cfg(not(all(feature = "jaeger", feature = "xray")))]
fn not_compiled_in(
    setting: &'static str,
    value: impl ToString,
    feature: &'static str,
) -> BuildError {
    // The native provider alone resolves a sampler.
    let crate_name = RecordingSdk::Native.crate_name();
    let missing = MissingFeature { feature, crate_name, instead: "set another sampler" };
    BuildError::no_feature(setting, value, missing)
}

#[cfg(any(feature = "jaeger", feature = "xray"))]
fn remote(setting: &'static str, settings: RemoteSettings) -> Result<Resolved, BuildError> {
    let (sampler, source) = match settings {
        #[cfg(feature = "xray")]
        RemoteSettings::Xray(settings) => {
            let sampler = XrayRemote::new();
            (Sampler::from(sampler.clone()), RemoteSource::Xray { settings, sampler })
        }
        #[cfg(feature = "jaeger")]
        RemoteSettings::Jaeger(settings) => {
            // `Settings` only holds probabilities in 0..=1.
            let initial = Sampler::probability(settings.initial_probability()).unwrap_or_default();
            let sampler = JaegerRemote::new(initial);
            (Sampler::from(sampler.clone()), RemoteSource::Jaeger { settings, sampler })
        }
        // A feature of another crate enabled this type in `spanwise-sampling`.
        other => {
            let accepted = "JaegerSettings with the feature `jaeger`, XraySettings with `xray`";
            return Err(BuildError::setting(setting, format!("{other:?}"), accepted));
        }
    };
    Ok((sampler, Some(Remote { setting, source })))
}

fn parent_based((sampler, source): Resolved) -> Resolved {
    (sampler.parent_based(), source)
}

/// `OTEL_TRACES_SAMPLER_ARG` as a ratio; 1 if it is unset or invalid.
fn ratio(environment: &Environment) -> Sampler {
    argument(environment, "0, or 2^-56 (1.4e-17) to 1", |value| {
        Sampler::probability(value.parse().ok()?).ok()
    })
    .unwrap_or_else(Sampler::always_on)
}

/// `OTEL_TRACES_SAMPLER_ARG` as settings of Jaeger sampling; the defaults if it is unset or invalid.
#[cfg(feature = "jaeger")]
fn jaeger(environment: &Environment) -> RemoteSettings {
    const ACCEPTED: &str = "endpoint=http://host:port/path,pollingIntervalMs=1 or more,\
                            initialSamplingRate=0 to 1";
    let parse = |value: &str| {
        let settings = JaegerSettings::parse(value).ok()?;
        Endpoint::parse(ARGUMENT, settings.endpoint()).is_ok().then_some(settings)
    };
    argument(environment, ACCEPTED, parse).unwrap_or_default().into()
}

/// `OTEL_TRACES_SAMPLER_ARG` as settings of X-Ray sampling; the defaults if it is unset or invalid.
#[cfg(feature = "xray")]
fn xray(environment: &Environment) -> RemoteSettings {
    const ACCEPTED: &str = "endpoint=http://host:port,polling_interval=1 or more (seconds)";
    let parse = |value: &str| {
        let settings = XraySettings::parse(value).ok()?;
        Endpoint::parse(ARGUMENT, settings.endpoint()).is_ok().then_some(settings)
    };
    argument(environment, ACCEPTED, parse).unwrap_or_default().into()
}

/// Whether `name` is a value of the variable, in any case.
fn is_known(name: &str) -> bool {
    let SettingType::Name(names) = settings::SAMPLER.kind else { return false };
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The sampler's argument, if it is set and `parse` accepts it.
fn argument<T>(
    environment: &Environment,
    accepted: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let setting = &settings::SAMPLER_ARG;
    let parsed = environment.parsed_shown(setting, accepted, shown_argument, parse);
    environment.effective(setting, || match environment.text(setting) {
        Some((_, argument)) if parsed.is_some() => shown_argument(&argument),
        _ => setting.default.to_owned(),
    });
    parsed
}

/// The variables, as errors name them.
const SAMPLER: &str = settings::SAMPLER.variable();
const ARGUMENT: &str = settings::SAMPLER_ARG.variable();
