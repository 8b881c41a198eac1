//! The page of diagnostics has the line of each.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
use super::diagnostic::Diagnostic;
use crate::config::Reloaded;
use spanwise_export::{CrashLoss, SpoolRecovery};
use spanwise_ledger::{DropReason, Ledger};
use spanwise_transport::{Compression, Failure, ResponseStatus};
use std::time::Duration;

/// An example of each variant. The match makes a variant without one a compile error.
fn examples() -> Vec<Diagnostic> {
    let text = str::to_owned;
    let ledger = Ledger::new();
    (0..16).for_each(|_| ledger.started());
    ledger.dropped(DropReason::ShutdownDeadline, 16);
    let endpoint = || text("http://localhost:4318/v1/traces");
    let url = || text("http://localhost:5778/sampling");
    let refused = "connection refused";
    let first = Diagnostic::SettingIgnored {
        setting: text("OTEL_BSP_SCHEDULE_DELAY"),
        value: text("soon"),
        accepted: text("milliseconds, 1 to 2592000000 (30 days)"),
    };
    let examples = vec![
        first,
        Diagnostic::SettingUnused {
            setting: "OTEL_PROPAGATORS",
            reason: text(
                "build sets no globals; use init, or \
                 opentelemetry::global::set_text_map_propagator",
            ),
        },
        Diagnostic::VariableMisspelt {
            name: text("OTEL_TRACE_SAMPLER"),
            nearest: "OTEL_TRACES_SAMPLER",
        },
        Diagnostic::ConfigFileWarning {
            warning: text(
                "/etc/shop/otel.yaml:3:1: meter_provider: it has no effect: Spanwise exports traces alone",
            ),
        },
        Diagnostic::BudgetReduced { limit_bytes: 64 << 20, budget_bytes: 2 << 20 },
        Diagnostic::InFlightReduced { cpus: 0.5, requests: 2 },
        Diagnostic::ConfigFileReloaded {
            file: text("/etc/shop/otel.yaml"),
            reloaded: Box::new(Reloaded::example()),
        },
        Diagnostic::ConfigFileNotReloaded {
            file: text("/etc/shop/otel.yaml"),
            error: text(
                "/etc/shop/otel.yaml:10:5: tracer_provider.sampler.always_onn: unknown key; did you mean `always_on`?",
            ),
        },
        Diagnostic::AttributeNotDetected {
            attribute: text("host.id"),
            problem: text("/etc/machine-id: Permission denied (os error 13)"),
        },
        Diagnostic::EndpointFailing {
            endpoint: endpoint(),
            cause: text(refused),
            advice: Some(text(
                "is a collector listening at localhost:4318? OTLP/HTTP is usually on port 4318, \
                 OTLP/gRPC on 4317",
            )),
            attempt: 1,
            retry_in: Some(Duration::from_millis(63)),
        },
        Diagnostic::EndpointFailing {
            endpoint: text("http://localhost:4318/"),
            cause: text("HTTP 404 Not Found"),
            advice: Some(text(
                "the endpoint's path is /; OTLP/HTTP receivers usually take traces at /v1/traces, \
                 on port 4318",
            )),
            attempt: 1,
            retry_in: None,
        },
        Diagnostic::EndpointRecovered {
            endpoint: endpoint(),
            after: Duration::from_millis(12_300),
            attempts: 9,
        },
        Diagnostic::CircuitBreakerOpened {
            endpoint: endpoint(),
            cause: text(refused),
            retry_in: Some(Duration::from_millis(830)),
        },
        Diagnostic::CompressionRefused {
            endpoint: endpoint(),
            compression: Compression::Zstd,
            cause: text("HTTP 415 Unsupported Media Type: only gzip is accepted"),
            advice: Some(text(
                "choose a compression that the receiver accepts, or none, by with_compression or \
                 OTEL_EXPORTER_OTLP_COMPRESSION",
            )),
        },
        Diagnostic::CertificatesNotReloaded {
            error: text(
                "OTEL_EXPORTER_OTLP_CLIENT_KEY=`/etc/otel/client.key`: it is not the key of the client \
                 certificate; accepted is the path of a readable PEM file with the client \
                 certificate's private key, not encrypted, up to 1 MiB",
            ),
        },
        Diagnostic::CertificatesReloaded { after: Duration::from_millis(12_300) },
        Diagnostic::RequestFailed {
            spans: 512,
            failure: Failure::Rejected { status: ResponseStatus::Http(401) },
            detail: text("no such token"),
        },
        Diagnostic::SpansRejected { spans: 3, message: text("trace id is zero") },
        Diagnostic::MetricsRejected { points: 3, message: text("name is too long") },
        Diagnostic::ReceiverWarned { message: text("attribute \"host\" is deprecated") },
        Diagnostic::RequestSplit {
            spans: 512,
            max_bytes: 458_752,
            detail: text("http: request body too large"),
        },
        Diagnostic::AnswerNotOtlp {
            problem: text("HTTP 200 OK, but the answer is not OTLP: its content type is text/html"),
        },
        Diagnostic::NoSamplingStrategy { url: url(), problem: text(refused) },
        Diagnostic::SamplingStrategyRecovered { url: url() },
        Diagnostic::SpansLost {
            lost: Box::new(ledger.snapshot()),
            last_failure: Some(format!("{}: {refused}", endpoint())),
        },
        Diagnostic::DestinationSpansLost {
            destination: text("archive"),
            lost: Box::new(ledger.snapshot()),
            last_failure: Some(text("HTTP 503 Service Unavailable")),
        },
        Diagnostic::LossEnded { spans: 1234, lasted: Duration::from_secs(12) },
        Diagnostic::SpoolRecovered {
            recovery: SpoolRecovery::new(1_200).with_crash(CrashLoss::new(
                7,
                (0, None),
                Some(Duration::from_secs(1)),
            )),
        },
        Diagnostic::SpoolUnavailable {
            error: text("the spool directory /var/lib/shop cannot be used: Permission denied"),
        },
        Diagnostic::SpoolFailed { error: text("the disk has no space for the spool") },
        Diagnostic::SpoolStoring,
        Diagnostic::SpoolDrained,
        Diagnostic::WorkerDied,
        Diagnostic::UserCodePanicked {
            code: "the sampler's tick",
            message: text("panicked: index out of bounds"),
        },
        Diagnostic::GuardDropped { after: Duration::from_micros(85) },
        Diagnostic::ReportsLeftOut { reports: 5 },
    ];
    for example in &examples {
        match example {
            Diagnostic::SettingIgnored { .. }
            | Diagnostic::SettingUnused { .. }
            | Diagnostic::VariableMisspelt { .. }
            | Diagnostic::ConfigFileWarning { .. }
            | Diagnostic::BudgetReduced { .. }
            | Diagnostic::InFlightReduced { .. }
            | Diagnostic::ConfigFileReloaded { .. }
            | Diagnostic::ConfigFileNotReloaded { .. }
            | Diagnostic::AttributeNotDetected { .. }
            | Diagnostic::EndpointFailing { .. }
            | Diagnostic::EndpointRecovered { .. }
            | Diagnostic::CircuitBreakerOpened { .. }
            | Diagnostic::CompressionRefused { .. }
            | Diagnostic::CertificatesNotReloaded { .. }
            | Diagnostic::CertificatesReloaded { .. }
            | Diagnostic::RequestFailed { .. }
            | Diagnostic::SpansRejected { .. }
            | Diagnostic::MetricsRejected { .. }
            | Diagnostic::ReceiverWarned { .. }
            | Diagnostic::RequestSplit { .. }
            | Diagnostic::AnswerNotOtlp { .. }
            | Diagnostic::NoSamplingStrategy { .. }
            | Diagnostic::SamplingStrategyRecovered { .. }
            | Diagnostic::SpansLost { .. }
            | Diagnostic::DestinationSpansLost { .. }
            | Diagnostic::LossEnded { .. }
            | Diagnostic::SpoolRecovered { .. }
            | Diagnostic::SpoolUnavailable { .. }
            | Diagnostic::SpoolFailed { .. }
            | Diagnostic::SpoolStoring
            | Diagnostic::SpoolDrained
            | Diagnostic::WorkerDied
            | Diagnostic::UserCodePanicked { .. }
            | Diagnostic::GuardDropped { .. }
            | Diagnostic::ReportsLeftOut { .. } => {}
        }
    }
    examples
}

#[test]
fn a_loss_for_lack_of_space_has_its_cause_and_remedy_and_nothing_that_is_not_so() {
    let (ledger, lost_by_queue) = (Ledger::new(), "; queue_bytes: spans came faster");
    let line = |ledger: &Ledger| {
        let lost = Box::new(ledger.snapshot());
        Diagnostic::SpansLost { lost, last_failure: None }.to_string()
    };
    ledger.started();
    ledger.dropped(DropReason::TooLarge, 1);
    assert!(!line(&ledger).contains(lost_by_queue), "{}", line(&ledger));
    ledger.started();
    ledger.dropped(DropReason::QueueBytes, 1);
    assert!(line(&ledger).contains(lost_by_queue), "{}", line(&ledger));
    assert!(!line(&ledger).contains("sampled out"), "{}", line(&ledger));
}

#[test]
fn the_page_of_diagnostics_has_the_line_of_each() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/DIAGNOSTICS.md");
    let page = std::fs::read_to_string(path).unwrap();
    let examples = examples();
    for example in &examples {
        // Two backticks, because some lines have one.
        let cell = format!("| `` {example} `` |");
        let row = page.lines().find(|line| line.ends_with(&cell)).unwrap_or_else(|| {
            unreachable!("no row for {example}");
        });
        let level = row.split(" | ").nth(1);
        assert_eq!(level, Some(example.level().name()), "{row}");
        assert_eq!(format!("{example:?}"), example.to_string());
    }
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.ends_with(" `` |"));
    assert_eq!(rows.count(), examples.len(), "a row for each example");
}
