//! The settings: their values and origins, and whether spans are sent at all.

use super::attempt::Stage;
use super::check::{CheckStatus, DoctorCheck};
use super::run::Progress;
use super::sampling::{self, By};
use crate::config::{BuildError, EffectiveSettings, Routed, SpanwiseBuilder};
use crate::core::Phase;
use crate::lifecycle::Handle;
use crate::span_route::{EndedRoute, SpanRoute};

/// Adds the checks of the settings of `builder`. Returns the route of the spans, if there is one.
pub(super) fn check(builder: SpanwiseBuilder, progress: &Progress) -> Option<SpanRoute> {
    let effective = builder.explain().map(|it| EffectiveSettings::new(&it)).unwrap_or_default();
    let check = |status, finding: &str| configuration(&effective, status, finding);
    match builder.route() {
        Err(error) => progress.add(failed(&error)),
        Ok(Routed::Disabled) => {
            progress.add(
                check(CheckStatus::Failed, DISABLED)
                    .with_fix(effective.fix(ENABLE_IN_FILE, ENABLE)),
            );
        }
        Ok(Routed::NotExported) => {
            progress.add(
                check(CheckStatus::Failed, NOT_EXPORTED)
                    .with_fix(effective.fix(EXPORT_IN_FILE, EXPORT)),
            );
        }
        Ok(Routed::Sent(route, sampler)) => {
            progress.add(check(CheckStatus::Passed, &destination(&route)));
            progress.add(sampling::check(&sampler, by(&effective)));
            return Some(*route);
        }
    }
    None
}

/// The places that decide about spans.
fn by(effective: &EffectiveSettings) -> By<'_> {
    match effective.has_tail_sampling() {
        true => By::TailSampling,
        false => By::of(effective.sampler_key()),
    }
}

/// Adds the checks of the settings of `provider`: those of its build or its last reload. Returns the route of its spans, if
/// there is one.
pub(super) fn of_provider(provider: &Handle, progress: &Progress) -> Option<SpanRoute> {
    let effective = provider.effective_settings().with_misspelt_variables();
    let check = |status, finding: &str| configuration(&effective, status, finding);
    match provider.core.phase() {
        Phase::Disabled => {
            progress.add(
                check(CheckStatus::Failed, DISABLED)
                    .with_fix(effective.fix(ENABLE_IN_FILE, ENABLE)),
            );
            return None;
        }
        Phase::NotExporting => {
            progress.add(
                check(CheckStatus::Failed, NOT_EXPORTED)
                    .with_fix(effective.fix(EXPORT_IN_FILE, EXPORT)),
            );
            return None;
        }
        Phase::Running | Phase::ShutDown | Phase::WorkerTerminated => {}
    }
    // The connections of a forked provider belong to its parent.
    if let Some(route) = provider.route().filter(|_| !provider.core.is_forked()) {
        progress.add(check(CheckStatus::Passed, &destination(&route)));
        let sampler = provider.core.sampler.load();
        progress.add(sampling::check(&sampler, by(&effective)));
        return Some(route);
    }
    match provider.ended_route() {
        Ok(EndedRoute::Network(route)) => {
            progress.add(check(CheckStatus::Passed, &destination(&route)));
            return Some(route);
        }
        Ok(EndedRoute::Sink(name)) => {
            progress.add(check(CheckStatus::Passed, &format!("spans went to {name}")));
            progress.add(DoctorCheck::skipped(Stage::Span.name(), ENDED_SINK));
        }
        Ok(EndedRoute::Unknown) => {
            progress.add(check(CheckStatus::Skipped, "the endpoint of the provider is unknown"));
        }
        Err(error) => progress.add(check(CheckStatus::Failed, &error.to_string())),
    }
    None
}

/// The check of the settings, with a line for each that is no default, and the warnings of a build.
fn configuration(effective: &EffectiveSettings, status: CheckStatus, finding: &str) -> DoctorCheck {
    let status = match status {
        CheckStatus::Passed if effective.has_warnings() => CheckStatus::Warning,
        status => status,
    };
    let check = DoctorCheck::both(CONFIGURATION, status, finding);
    effective.lines().fold(check, DoctorCheck::with_detail)
}

/// The check of settings that `build` refuses. The mistakes of a file have a line each, as there may be many.
fn failed(error: &BuildError) -> DoctorCheck {
    #[cfg(feature = "config-file")]
    if let BuildError::ConfigFile(problems) = error {
        let check = DoctorCheck::both(CONFIGURATION, CheckStatus::Failed, UNUSABLE_FILE);
        let listed = problems.iter().take(MAX_PROBLEMS).map(ToString::to_string);
        let more = problems.iter().len().saturating_sub(MAX_PROBLEMS);
        let more = (more > 0).then(|| format!("{more} more"));
        let check = listed.chain(more).fold(check, DoctorCheck::with_detail);
        return check.with_fix(MEND_FILE);
    }
    DoctorCheck::both(CONFIGURATION, CheckStatus::Failed, error.to_string())
}

fn destination(route: &SpanRoute) -> String {
    let (destination, protocol) = (route.transport.destination(), route.transport.protocol());
    match destination == route.transport.endpoint().to_string() {
        true => format!("spans go to {destination} over {protocol}"),
        false => format!("spans go to {destination}"),
    }
}

const CONFIGURATION: &str = "configuration";
#[cfg(feature = "config-file")]
const UNUSABLE_FILE: &str = "the configuration file cannot be used";
#[cfg(feature = "config-file")]
const MEND_FILE: &str =
    "mend the places above; `spanwise config check FILE` names them, too, and sends nothing";
/// Mistakes of a file that are listed.
#[cfg(feature = "config-file")]
const MAX_PROBLEMS: usize = 32;
const ENDED_SINK: &str = "the sink ended with the provider";
const DISABLED: &str = "the SDK is disabled and makes no spans";
const ENABLE: &str = "unset OTEL_SDK_DISABLED";
const ENABLE_IN_FILE: &str = "set `disabled` in the configuration file to false, or remove it";
const NOT_EXPORTED: &str = "the exporter is none: spans have ids and are not exported";
const EXPORT: &str = "unset OTEL_TRACES_EXPORTER, or set it to otlp; in code it is with_exporter";
const EXPORT_IN_FILE: &str = "give `tracer_provider.processors` of the configuration file a processor with an exporter; in \
                              code it is with_exporter";
