//! [`LogLevel`]: the severity of a diagnostic.

use super::diagnostic::Diagnostic;
use std::fmt;

/// The severity of a [`Diagnostic`], with the short names of the specification's severity numbers
/// (`OTEL_LOG_LEVEL`, `log_level` of the declarative file).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum LogLevel {
    /// Details for a search for a cause. No diagnostic has this level yet.
    Debug,
    /// The normal course: something works again, or was adapted. The default.
    #[default]
    Info,
    /// A setting without effect, or a problem that loses no span yet.
    Warn,
    /// Spans were lost, or an operator has to act.
    Error,
    /// The provider has ended.
    Fatal,
}

impl LogLevel {
    /// The name: `debug`, `info`, `warn`, `error` or `fatal`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// The level with this number.
    pub(super) fn of(number: u8) -> Self {
        let levels = [Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];
        levels.into_iter().find(|level| *level as u8 == number).unwrap_or_default()
    }

    /// The level with this name, in any case; `trace` is [`Debug`](Self::Debug), as no diagnostic is less severe.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let levels = [Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];
        match name {
            name if name.eq_ignore_ascii_case("trace") => Some(Self::Debug),
            name => levels.into_iter().find(|level| name.eq_ignore_ascii_case(level.name())),
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Diagnostic {
    /// The severity. The default handler prints those at or above the level of
    /// [`with_log_level`](crate::SpanwiseBuilder::with_log_level).
    pub fn level(&self) -> LogLevel {
        match self {
            // As for a setting without effect.
            Self::ConfigFileReloaded { reloaded, .. } if !reloaded.needs_restart.is_empty() => {
                LogLevel::Warn
            }
            Self::SpoolRecovered { recovery } if recovery.crash.spans > 0 => LogLevel::Warn,
            Self::ConfigFileReloaded { .. } | Self::SpoolRecovered { .. } | Self::SpoolDrained => {
                LogLevel::Info
            }
            Self::AttributeNotDetected { .. }
            | Self::BudgetReduced { .. }
            | Self::InFlightReduced { .. }
            | Self::EndpointRecovered { .. }
            | Self::CertificatesReloaded { .. }
            | Self::RequestSplit { .. }
            | Self::SamplingStrategyRecovered { .. }
            | Self::LossEnded { .. } => LogLevel::Info,
            Self::SettingIgnored { .. }
            | Self::SettingUnused { .. }
            | Self::VariableMisspelt { .. }
            | Self::ConfigFileWarning { .. }
            | Self::EndpointFailing { retry_in: Some(_), .. }
            | Self::CircuitBreakerOpened { .. }
            | Self::CompressionRefused { .. }
            | Self::ReceiverWarned { .. }
            | Self::AnswerNotOtlp { .. }
            | Self::NoSamplingStrategy { .. }
            | Self::SpoolStoring
            | Self::ReportsLeftOut { .. } => LogLevel::Warn,
            Self::EndpointFailing { retry_in: None, .. }
            | Self::ConfigFileNotReloaded { .. }
            | Self::CertificatesNotReloaded { .. }
            | Self::RequestFailed { .. }
            | Self::SpansRejected { .. }
            | Self::MetricsRejected { .. }
            | Self::SpansLost { .. }
            | Self::DestinationSpansLost { .. }
            | Self::SpoolUnavailable { .. }
            | Self::SpoolFailed { .. }
            | Self::UserCodePanicked { .. }
            | Self::GuardDropped { .. } => LogLevel::Error,
            Self::WorkerDied => LogLevel::Fatal,
        }
    }
}
