//! The settings: their values and origins, and whether spans are sent at all.

use super::check::{CheckStatus, DoctorCheck};
use super::run::Progress;
use super::sampling;
use crate::config::{BuildError, Explanation, Origin, Routed, SpanwiseBuilder};
use crate::diagnostics::LogLevel;
use crate::span_route::SpanRoute;

/// Adds the checks of the settings of `builder`. Returns the route of the spans, if there is one.
pub(super) fn check(builder: SpanwiseBuilder, progress: &Progress) -> Option<SpanRoute> {
    let explained = builder.explain();
    let check = |status, finding: String| {
        let check = DoctorCheck::both(CONFIGURATION, status, finding);
        explained.iter().flat_map(details).fold(check, DoctorCheck::with_detail)
    };
    match builder.route() {
        Err(error) => progress.add(failed(&error)),
        Ok(Routed::Disabled) => {
            progress.add(check(CheckStatus::Failed, DISABLED.to_owned()).with_fix(ENABLE));
        }
        Ok(Routed::NotExported) => {
            progress.add(check(CheckStatus::Failed, NOT_EXPORTED.to_owned()).with_fix(EXPORT));
        }
        Ok(Routed::Sent(route, sampler)) => {
            let has_warnings = explained.iter().any(|it| warnings(it).next().is_some());
            let status = if has_warnings { CheckStatus::Warning } else { CheckStatus::Passed };
            progress.add(check(status, destination(&route)));
            progress.add(sampling::check(&sampler));
            return Some(*route);
        }
    }
    None
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

/// The settings that are no defaults, and the warnings of a build.
fn details(explanation: &Explanation) -> impl Iterator<Item = String> {
    let set = explanation.iter().filter(|setting| setting.origin != Origin::Default);
    set.map(ToString::to_string).chain(warnings(explanation))
}

fn warnings(explanation: &Explanation) -> impl Iterator<Item = String> {
    let reports = explanation.reports().iter();
    reports.filter(|report| report.level() >= LogLevel::Warn).map(ToString::to_string)
}

pub(super) fn destination(route: &SpanRoute) -> String {
    let (destination, protocol) = (route.transport.destination(), route.transport.protocol());
    match destination == route.transport.endpoint().to_string() {
        true => format!("spans go to {destination} over {protocol}"),
        false => format!("spans go to {destination}"),
    }
}

pub(super) const CONFIGURATION: &str = "configuration";
#[cfg(feature = "config-file")]
const UNUSABLE_FILE: &str = "the configuration file cannot be used";
#[cfg(feature = "config-file")]
const MEND_FILE: &str =
    "mend the places above; `spanwise config check FILE` names them, too, and sends nothing";
/// Mistakes of a file that are listed.
#[cfg(feature = "config-file")]
const MAX_PROBLEMS: usize = 32;
const DISABLED: &str = "the SDK is disabled and makes no spans";
const ENABLE: &str = "unset OTEL_SDK_DISABLED, or `disabled` in the configuration file";
const NOT_EXPORTED: &str = "the exporter is none: spans have ids and are not exported";
const EXPORT: &str = "unset OTEL_TRACES_EXPORTER, or set it to otlp; in code it is with_exporter, and a configuration file \
                      needs a processor with an exporter";
