//! [`Exporter`]: `OTEL_TRACES_EXPORTER`.

use super::environment::Environment;
use super::redaction::shown_name;
use super::settings::EXPORTER;

/// The exporter (`OTEL_TRACES_EXPORTER`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Exporter {
    /// `otlp`: requests go to the endpoint, or to the sink.
    #[default]
    Otlp,
    /// `none`: spans have ids, and the sampler decides their flag, so that propagation and log correlation
    /// work. The provider records, sends and counts no span, and starts no worker thread.
    ///
    /// `is_recording` is false also for a sampled span, so that no caller computes attributes for it.
    /// Samplers that follow a collector or the time stay in their initial state.
    None,
}

/// The exporter in code, otherwise that of the environment.
pub(super) fn resolve(code: Option<Exporter>, environment: &Environment) -> Exporter {
    let exporter = code.or_else(|| from_environment(environment)).unwrap_or_default();
    environment.effective(&EXPORTER, || match exporter {
        Exporter::Otlp => "otlp".to_owned(),
        Exporter::None => "none".to_owned(),
    });
    exporter
}

/// `OTEL_TRACES_EXPORTER`: a list of names.
fn from_environment(environment: &Environment) -> Option<Exporter> {
    let (mut otlp, mut none, mut others) = (false, false, Vec::new());
    for name in environment.list(&EXPORTER)? {
        match &*name.to_ascii_lowercase() {
            "otlp" => otlp = true,
            "none" => none = true,
            _ => others.push(name),
        }
    }
    let known = |name: &String| UNSUPPORTED.iter().any(|known| name.eq_ignore_ascii_case(known));
    if !others.is_empty() {
        let mut accepted = EXPORTER.kind.accepted();
        if others.iter().all(known) {
            accepted.push_str("; the others are not supported; with_sink takes the requests");
        }
        let names: Vec<_> = others.iter().map(|name| shown_name(name)).collect();
        environment.ignore(EXPORTER.variable(), &names.join(","), &accepted);
    } else if otlp && none {
        environment.ignore(
            EXPORTER.variable(),
            "none",
            &format!("one of {}", EXPORTER.kind.accepted()),
        );
    }
    if otlp || none {
        environment.recorder().used(&EXPORTER, EXPORTER.variable());
    }
    match (otlp, none) {
        (true, _) => Some(Exporter::Otlp),
        (false, true) => Some(Exporter::None),
        (false, false) => None,
    }
}

/// Exporter names of the present specification and of earlier ones.
const UNSUPPORTED: [&str; 5] = ["console", "logging", "zipkin", "jaeger", "otlp/stdout"];
