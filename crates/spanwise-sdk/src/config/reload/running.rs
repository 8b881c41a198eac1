//! [`Running`]: the configuration of a running provider, for the comparison with the next one.

use super::super::builder::SpanwiseBuilder;
use super::super::environment::Environment;
use super::super::error::BuildError;
use super::super::file_parts::FileParts;
use super::super::redaction::shown;
use super::super::resource::Resource;
use super::destination_changes::DestinationSettings;
use super::reloaded::SettingChange;
use super::reported::Reported;
use crate::metrics::MetricsExport;
use crate::remote_sampling::RemoteSource;
use spanwise_transport::TransportBuilder;
use std::sync::Arc;

/// The configuration of a running provider.
pub(crate) struct Running {
    pub(in super::super) source: TransportSource,
    pub(in super::super) remote: Option<RemoteSource>,
    pub(in super::super) fixed: Vec<FixedSetting>,
    pub(in super::super) destinations: Vec<DestinationSettings>,
    pub(in super::super) parts: FileParts,
    pub(in super::super) reported: Reported,
}

/// The settings of the first destination's transport.
pub(in super::super) enum TransportSource {
    /// The provider's own settings of the network.
    Network(Box<TransportBuilder>),
    /// A sink of `with_sink`: its address, which is its own while the exporter has it, and its name.
    Sink(usize, String),
    /// A transport of `with_transport`: as of a sink.
    Given(usize, String),
    /// The file exporter or the console exporter of a configuration file: its path.
    File(String),
}

/// A setting that stays until the program builds another provider.
pub(in super::super) struct FixedSetting {
    setting: &'static str,
    value: Vec<u8>,
    shown: String,
}

impl TransportSource {
    /// The changes from this one to `next`; `None`: `next` is the same transport.
    pub(in super::super) fn changes(&self, next: &Self) -> Option<Vec<SettingChange>> {
        if let (Self::Network(before), Self::Network(next)) = (self, next) {
            let changes = before.__changes(next);
            let change = |(setting, before, after): (_, String, String)| {
                SettingChange::new(setting, shown(&before), shown(&after))
            };
            return (!changes.is_empty()).then(|| changes.into_iter().map(change).collect());
        }
        if self.identity() == next.identity() {
            return None;
        }
        let setting = match next {
            Self::Sink(..) => "with_sink",
            Self::Given(..) => "with_transport",
            Self::Network(_) | Self::File(_) => "with_endpoint",
        };
        Some(vec![SettingChange::new(setting, self.name(), next.name())])
    }

    /// Whether it is a sink of `with_sink`, whose lifecycle is that of the provider.
    pub(in super::super) fn is_sink(&self) -> bool {
        matches!(self, Self::Sink(..))
    }

    fn identity(&self) -> Option<(u8, usize, &str)> {
        match self {
            Self::Network(_) => None,
            Self::Sink(address, _) => Some((0, *address, "")),
            Self::Given(address, _) => Some((1, *address, "")),
            Self::File(path) => Some((2, 0, path)),
        }
    }

    pub(in super::super) fn name(&self) -> String {
        match self {
            Self::Network(builder) => builder.__destination(),
            Self::Sink(_, name) | Self::Given(_, name) | Self::File(name) => name.clone(),
        }
    }
}

impl FixedSetting {
    pub(in super::super) fn new(
        setting: &'static str,
        value: impl Into<Vec<u8>>,
        text: &str,
    ) -> Self {
        Self { setting, value: value.into(), shown: shown(text) }
    }

    /// The settings in which `next` differs from `before`. Both have the same settings in the same order.
    pub(in super::super) fn changes(before: &[Self], next: &[Self]) -> Vec<SettingChange> {
        let differ = before.iter().zip(next).filter(|(before, next)| before.value != next.value);
        let change = |(before, next): (&Self, &Self)| {
            SettingChange::new(before.setting, before.shown.clone(), next.shown.clone())
        };
        differ.map(change).collect()
    }
}

impl SpanwiseBuilder {
    /// The settings that stay until the program builds another provider.
    pub(in super::super) fn fixed_settings(
        &self,
        environment: &Environment,
        resource: &Resource,
    ) -> Result<Vec<FixedSetting>, BuildError> {
        let text = |setting, text: String| FixedSetting::new(setting, text.as_bytes(), &text);
        let addresses = |addresses: Vec<usize>| {
            addresses.into_iter().flat_map(usize::to_ne_bytes).collect::<Vec<_>>()
        };
        let processors = self.processors.iter().map(|it| Arc::as_ptr(it).cast::<()>().addr());
        let processors = addresses(processors.collect());
        let resource_text =
            format!("that of {}, {} bytes", resource.service_name, resource.encoded.len());
        Ok(vec![
            FixedSetting::new("with_resource", resource.encoded.clone(), &resource_text),
            text("with_budget_bytes", self.budget(environment)?.to_string()),
            text("with_on_full", format!("{:?}", self.on_full)),
            self.fixed_tail_sampling(),
            self.fixed_redaction(),
            self.fixed_spool(environment)?,
            text("with_shutdown_timeout", format!("{:?}", self.shutdown_timeout())),
            FixedSetting::new(
                "with_span_processor",
                processors,
                &format!("list of {}", self.processors.len()),
            ),
            text("with_propagators", format!("{:?}", self.installed)),
            FixedSetting::new(
                "with_metrics_export",
                self.metrics_export.as_ref().map_or_else(String::new, MetricsExport::identity),
                &format!("{:?}", self.metrics_export),
            ),
        ])
    }
}
