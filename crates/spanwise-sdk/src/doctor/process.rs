//! The checks that only the process itself can make: the global provider, its spans so far, and the `tracing` filter.

use super::check::{CheckStatus, DoctorCheck, VisibleFrom};
use super::marker;
use crate::core::Phase;
use crate::lifecycle::Handle;
use opentelemetry::global;
use spanwise_ledger::Snapshot;
use std::sync::Arc;

/// The provider that the API's global one is, if it is ours.
pub(super) fn global_provider() -> Option<Arc<Handle>> {
    marker::reached_by(|| {
        use opentelemetry::trace::TracerProvider as _;
        let _reaches_us = global::tracer_provider().tracer(super::MARKER);
    })
}

/// The checks of the provider that the program uses.
pub(super) fn check(provider: Option<&Handle>) -> Vec<DoctorCheck> {
    let mut checks = vec![match provider {
        Some(provider) => state(provider),
        None => {
            let finding = format!(
                "no provider of Spanwise is the global one of opentelemetry {API}: its spans go nowhere, or to another SDK"
            );
            failed(PROVIDER, finding, INSTALL)
        }
    }];
    if let Some(provider) = provider.filter(|provider| provider.core.is_running()) {
        let created = provider.core.ledger.snapshot().created > 0;
        checks.push(spans(provider));
        checks.extend(tracing(created));
    }
    checks
}

/// Whether the provider records spans.
fn state(provider: &Handle) -> DoctorCheck {
    let created = provider.core.ledger.snapshot().created;
    if provider.core.is_forked() {
        return failed(PROVIDER, FORKED, AFTER_FORK);
    }
    match provider.core.phase() {
        Phase::Running => DoctorCheck::new(
            PROVIDER,
            CheckStatus::Passed,
            VisibleFrom::Process,
            format!("the provider of Spanwise is the global one of opentelemetry {API}, and runs"),
        ),
        Phase::ShutDown if created == 0 => {
            let after = provider.ended_after();
            let finding =
                format!("the provider was shut down {after:.1?} after its start, before any span");
            failed(PROVIDER, finding, KEEP_GUARD)
        }
        Phase::ShutDown => {
            let after = provider.ended_after();
            let finding = format!("the provider was shut down {after:.1?} after its start");
            failed(PROVIDER, finding, KEEP_GUARD)
        }
        Phase::WorkerTerminated => failed(
            PROVIDER,
            "the worker thread of the provider has died: all spans are lost",
            "this is a bug: report it with the diagnostics of the program",
        ),
        // The check of the settings has the reason.
        Phase::Disabled => failed(PROVIDER, "the provider is disabled", ELSEWHERE),
        Phase::NotExporting => failed(PROVIDER, "the provider exports nothing", ELSEWHERE),
    }
}

/// The account of the spans so far.
fn spans(provider: &Handle) -> DoctorCheck {
    let account = provider.core.ledger.snapshot();
    let check =
        |status, finding: String| DoctorCheck::new(SPANS, status, VisibleFrom::Process, finding);
    let Snapshot { created, sampled_out, exported, .. } = account;
    if created == 0 {
        let finding = format!(
            "no span was started through opentelemetry {API} since the start of the provider, {:.1?} ago",
            provider.age()
        );
        return check(CheckStatus::Warning, finding).with_fix(NOT_CONNECTED);
    }
    let lost: u64 = account.drops().map(|(_, spans)| spans).sum();
    let mut finding = format!(
        "spans so far: {created} created, {sampled_out} sampled out, {exported} exported, {lost} lost"
    );
    let by_tail = account.tail_not_sampled + account.tail_dropped;
    if by_tail > 0 {
        finding += &format!(", {by_tail} left out by tail sampling");
    }
    if account.spooled > 0 {
        finding += &format!(", {} on disk", account.spooled);
    }
    if lost > 0 {
        let check = check(CheckStatus::Warning, finding);
        return match provider.last_failure() {
            Some(cause) => check.with_detail(format!("the last failure: {cause}")),
            None => check,
        };
    }
    match created == sampled_out {
        true => check(CheckStatus::Warning, finding).with_fix(
            "the sampler sampled none of them: with_sampler, `tracer_provider.sampler` of a configuration file, or without \
             one OTEL_TRACES_SAMPLER sets another",
        ),
        false => check(CheckStatus::Passed, finding),
    }
}

/// The filter of the `tracing` subscribers. `has_spans`: spans arrive by another way, too.
#[cfg(feature = "tracing")]
fn tracing(has_spans: bool) -> Option<DoctorCheck> {
    let level = spanwise_worker::__private::max_tracing_level()?;
    let check =
        |status, finding: String| DoctorCheck::new(TRACING, status, VisibleFrom::Process, finding);
    Some(match level {
        "OFF" => {
            let status = if has_spans { CheckStatus::Warning } else { CheckStatus::Failed };
            let finding = "the filter of the `tracing` subscriber lets nothing through".to_owned();
            check(status, finding).with_fix(FILTER)
        }
        "ERROR" | "WARN" => {
            let finding = format!(
                "the filter of the `tracing` subscriber lets only {level} through, and `#[instrument]` makes spans of INFO"
            );
            check(CheckStatus::Warning, finding).with_fix(FILTER)
        }
        level => {
            let finding = format!("the filter of the `tracing` subscriber lets {level} through");
            check(CheckStatus::Passed, finding)
        }
    })
}

#[cfg(not(feature = "tracing"))]
fn tracing(_: bool) -> Option<DoctorCheck> {
    None
}

fn failed(name: &'static str, finding: impl AsRef<str>, fix: &str) -> DoctorCheck {
    DoctorCheck::new(name, CheckStatus::Failed, VisibleFrom::Process, finding).with_fix(fix)
}

const PROVIDER: &str = "provider";
const SPANS: &str = "spans";
#[cfg(feature = "tracing")]
const TRACING: &str = "tracing";
/// The version of the API that this crate implements.
const API: &str = "0.33";

const INSTALL: &str = "call spanwise::init() at the start of main and keep its guard, or pass the provider to \
                       opentelemetry::global::set_tracer_provider";
const FORKED: &str = "this process was forked after the provider had been started: the worker thread is in the parent";
const AFTER_FORK: &str = "call spanwise::init() in the child, after the fork";
const ELSEWHERE: &str =
    "the check `configuration` has the setting that causes it, unless code does";
const KEEP_GUARD: &str = "keep the guard (`let _guard = …`, not `let _ = …`) while spans are made";
const NOT_CONNECTED: &str = "if the program makes spans by `tracing`, its subscriber needs the layer of Spanwise, which \
                             spanwise::tracing::init() adds; if by opentelemetry, its crates use another version of it: \
                             `cargo tree -i opentelemetry` shows it; depend on spanwise::opentelemetry";
#[cfg(feature = "tracing")]
const FILTER: &str =
    "let the spans through: RUST_LOG=info, or another EnvFilter or LevelFilter for the layer";
