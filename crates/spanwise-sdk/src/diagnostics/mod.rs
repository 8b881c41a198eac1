//! Reports to the operator: lost spans, failing endpoints, ignored settings.

mod certificate_health;
mod counted;
mod destination_losses;
mod diagnostic;
#[cfg(test)]
mod diagnostic_tests;
mod endpoint_health;
mod handler;
mod interval;
mod level;
mod losses;
mod recent;
mod reporter;
mod text;
mod throttle;

pub(crate) use certificate_health::CertificateHealth;
pub(crate) use counted::Counted;
pub(crate) use destination_losses::DestinationLosses;
pub use diagnostic::Diagnostic;
pub(crate) use endpoint_health::EndpointHealth;
pub(crate) use handler::{Handler, to_stderr};
pub use level::LogLevel;
pub use recent::LiveDiagnostic;
pub(crate) use reporter::{Collected, Reporter};
pub(crate) use text::sanitize;
pub(crate) use throttle::Diagnostics;
