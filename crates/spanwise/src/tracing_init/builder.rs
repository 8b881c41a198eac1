//! [`TracingBuilder`]: the choices of `tracing::init`.

use super::InitError;
use super::filter::{Directives, Reported, parse};
use super::subscriber::{Logs, Parts, has_subscriber, install};
use crate::{Diagnostic, Guard, Spanwise, SpanwiseBuilder};
use spanwise_sdk::__private::{attach, init_after};
use spanwise_tracing::SpanwiseLayer;
use std::env::{self, VarError};
use std::fmt;
use tracing_subscriber::{Layer, Registry};

/// The parts that [`init`](super::init) starts: the settings of the filter, the logs, the layer and the provider.
#[must_use = "a builder starts nothing before `init`"]
#[derive(Default)]
pub struct TracingBuilder {
    provider: Option<SpanwiseBuilder>,
    filter: Option<String>,
    default_filter: Option<String>,
    span_filter: Option<String>,
    logs: Logs,
    layer: Option<Box<dyn FnOnce(SpanwiseLayer) -> SpanwiseLayer + Send>>,
}

impl TracingBuilder {
    /// The settings of the provider. Default [`Spanwise::builder`], which reads `OTEL_*`.
    pub fn with_provider(mut self, provider: SpanwiseBuilder) -> Self {
        self.provider = Some(provider);
        self
    }

    /// The filter of logs and spans, instead of `RUST_LOG`: directives of `tracing_subscriber::EnvFilter`, such as
    /// `info,shop=debug,hyper=off`.
    pub fn with_filter(mut self, directives: impl Into<String>) -> Self {
        self.filter = Some(directives.into());
        self
    }

    /// The filter of logs and spans while `RUST_LOG` is not set, or empty. Default `info`.
    pub fn with_default_filter(mut self, directives: impl Into<String>) -> Self {
        self.default_filter = Some(directives.into());
        self
    }

    /// A filter for the spans and events that OpenTelemetry gets; the common filter, `RUST_LOG`, then is for the logs alone. Default: the
    /// common filter.
    ///
    /// # Cost
    /// Filters of layers: where one of them disables a span or an event, both are asked each time.
    pub fn with_span_filter(mut self, directives: impl Into<String>) -> Self {
        self.span_filter = Some(directives.into());
        self
    }

    /// Logs by another layer, for example `tracing_subscriber::fmt::layer().json()`. It needs the version of `tracing-subscriber` that
    /// Spanwise has, 0.3.
    pub fn with_logs(mut self, logs: impl Layer<Registry> + Send + Sync + 'static) -> Self {
        self.logs = Logs::Layer(logs.boxed());
        self
    }

    /// Logs nothing: spans and events go to OpenTelemetry alone.
    pub fn without_logs(mut self) -> Self {
        self.logs = Logs::None;
        self
    }

    /// Adds `trace_id`, `span_id` and `trace_flags` to each line on the standard output that is logged inside of a span. Default
    /// off. A layer of [`with_logs`](Self::with_logs) adds them by [`TraceIds`](spanwise_tracing::TraceIds).
    pub fn with_trace_ids(mut self, trace_ids: bool) -> Self {
        if let Logs::Text { trace_ids: current } = &mut self.logs {
            *current = trace_ids;
        }
        self
    }

    /// Changes the options of the layer, such as [`with_location`](SpanwiseLayer::with_location).
    pub fn with_layer(
        mut self,
        change: impl FnOnce(SpanwiseLayer) -> SpanwiseLayer + Send + 'static,
    ) -> Self {
        self.layer = Some(Box::new(change));
        self
    }

    /// Starts the provider and sets the subscriber, the global provider and the global propagators.
    ///
    /// # Errors
    /// [`InitError`]. No global has changed then, and no provider runs.
    pub fn init(mut self) -> Result<Guard, InitError> {
        if has_subscriber()? {
            return Err(InitError::SubscriberIsSet);
        }
        let (filters, mut reported) = self.filters()?;
        let provider = self.provider.take().unwrap_or_else(Spanwise::builder);
        let guard =
            init_after(provider, |spanwise| install(self.parts(spanwise, filters), &mut reported))?;
        let mut guard = crate::init::with_admin_endpoint(guard);
        report(&mut guard, reported);
        Ok(guard)
    }

    /// Sets the subscriber alone, with the spans in `provider`, which the caller shuts down: for tests, and for a provider that
    /// exists. [`with_provider`](Self::with_provider) has no effect, and no global of OpenTelemetry changes.
    ///
    /// # Errors
    /// [`InitError`]: the program has a subscriber, or a directive is invalid, also one of `RUST_LOG`.
    pub fn set_subscriber(mut self, provider: &Spanwise) -> Result<(), InitError> {
        let (filters, mut reported) = self.filters()?;
        if let Some(Reported::Directive { setting, directive }) = reported.first() {
            return Err(InitError::filter(setting, directive));
        }
        install(self.parts(provider, filters), &mut reported)
    }

    fn parts(&mut self, spanwise: &Spanwise, filters: Filters) -> Parts {
        let layer = spanwise_tracing::layer(spanwise);
        let layer = match self.layer.take() {
            Some(change) => change(layer),
            None => layer,
        };
        let logs = std::mem::take(&mut self.logs);
        Parts { logs, layer, filter: filters.common, span_filter: filters.spans }
    }

    /// The filters, and what the environment has that is invalid.
    fn filters(&self) -> Result<(Filters, Vec<Reported>), InitError> {
        let in_code = |setting: &'static str, directives: &str| match parse(directives) {
            (parsed, rejected) if rejected.is_empty() => Ok(parsed),
            (_, rejected) => Err(InitError::filter(setting, &rejected.join(","))),
        };
        let default = self.default_filter.as_deref().unwrap_or(DEFAULT_FILTER);
        let default = in_code("with_default_filter", default)?.unwrap_or_default();
        let mut reported = Vec::new();
        let common = match &self.filter {
            Some(filter) => in_code("with_filter", filter)?,
            None => {
                let (parsed, rejected) = parse(&variable());
                reported.extend(
                    rejected
                        .into_iter()
                        .map(|directive| Reported::Directive { setting: VARIABLE, directive }),
                );
                parsed
            }
        };
        let spans = match &self.span_filter {
            Some(filter) => in_code("with_span_filter", filter)?,
            None => None,
        };
        Ok((Filters { common: common.unwrap_or(default), spans }, reported))
    }
}

/// Prints no directives and no settings.
impl fmt::Debug for TracingBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracingBuilder").finish_non_exhaustive()
    }
}

struct Filters {
    common: Directives,
    spans: Option<Directives>,
}

/// The value of `RUST_LOG`. One that is no Unicode has directives that are invalid.
fn variable() -> String {
    match env::var(VARIABLE) {
        Ok(value) => value,
        Err(VarError::NotPresent) => String::new(),
        Err(VarError::NotUnicode(value)) => value.to_string_lossy().into_owned(),
    }
}

fn report(guard: &mut Guard, reported: Vec<Reported>) {
    for reported in reported {
        let diagnostic = match reported {
            Reported::Directive { setting, directive } => Diagnostic::SettingIgnored {
                setting: setting.to_owned(),
                value: directive,
                accepted: super::filter::ACCEPTED.to_owned(),
            },
            Reported::Logger => Diagnostic::SettingUnused {
                setting: "spanwise::tracing::init",
                reason: "records of the crate `log` go to the logger that the program has set"
                    .to_owned(),
            },
        };
        attach(guard, |_| Err::<(), _>(diagnostic));
    }
}

const VARIABLE: &str = "RUST_LOG";
const DEFAULT_FILTER: &str = "info";
