//! The export of the provider's own metrics, from code and from `OTEL_EXPORTER_OTLP_METRICS_*`.

use super::super::builder::SpanwiseBuilder;
use super::super::environment::Environment;
use super::super::error::BuildError;
use super::super::ranges::{METRIC_EXPORT_INTERVAL, METRIC_EXPORT_TIMEOUT, METRICS_TIMEOUT};
use super::super::redaction::{shown, shown_name};
use super::super::settings::{self, Setting};
use super::certificate::CertificateSettings;
use super::headers::merge_headers;
use super::named::Named;
use super::{named, record};
use crate::diagnostics::{EndpointHealth, Reporter};
use crate::metrics::{MetricsExport, OtlpMetrics};
use spanwise_transport::{
    Compression, Endpoint, FailedAttempt, Protocol, Signal, Transport, TransportBuilder,
};
use std::borrow::Cow;

impl SpanwiseBuilder {
    /// Exports the provider's [metrics](crate::Spanwise::metrics) about itself over OTLP, with the resource of its spans: at
    /// each interval, and at the shutdown within its deadline. Default off, and no variable switches it on: the variables of
    /// metrics may be there for the metrics of the program. `OTEL_METRICS_EXPORTER=none` switches it off.
    ///
    /// The worker thread sends one request at a time, beside those of spans, which do not wait for it. A request
    /// that failed is not repeated later: the values are cumulative, and in the next one. A failure is reported, and counted as
    /// `metric_export_failed`. A provider that is dropped without a shutdown sends no last request.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::{MetricsExport, Spanwise};
    /// use std::time::Duration;
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     let every_10s = MetricsExport::new().with_interval(Duration::from_secs(10));
    ///     let _spanwise = Spanwise::builder().with_metrics_export(every_10s).build()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn with_metrics_export(mut self, export: MetricsExport) -> Self {
        self.metrics_export = Some(export);
        self
    }

    /// # Errors
    /// A setting in use is invalid.
    pub(in super::super) fn resolve_metrics_export(
        &self,
        environment: &Environment,
        reporter: &Reporter,
    ) -> Result<Option<OtlpMetrics>, BuildError> {
        let Some(export) = &self.metrics_export else { return Ok(None) };
        let is_exported = is_exported(environment);
        environment.effective(&settings::METRICS_EXPORTER, || {
            if is_exported { "otlp" } else { "none" }.to_owned()
        });
        if !is_exported {
            return Ok(None);
        }
        for setting in [&settings::METRICS_TEMPORALITY, &settings::METRICS_HISTOGRAMS] {
            // This reports any other value.
            let is_default = |name: &str| name.eq_ignore_ascii_case(setting.default).then_some(());
            let _ignored = environment.parsed(setting, &setting.kind.accepted(), is_default);
            environment.effective(setting, || setting.default.to_owned());
        }
        let interval = METRIC_EXPORT_INTERVAL.resolve(export.interval, environment)?;
        let interval = interval.unwrap_or(settings::METRIC_EXPORT_INTERVAL.default_duration());
        environment.effective(&settings::METRIC_EXPORT_INTERVAL, || settings::millis(interval));
        let transport = match &export.transport {
            Some(transport) => {
                let destination = transport.destination();
                for (setting, _) in export.network().into_iter().filter(|(_, given)| *given) {
                    environment.unused(setting, format!("metrics go to {destination}"));
                }
                transport.clone()
            }
            None => self.metrics_transport(export, environment)?,
        };
        environment.effective(&settings::METRICS_ENDPOINT, || transport.destination());
        let health = EndpointHealth::of_destination(reporter.clone(), "metrics", false);
        health.set_endpoint(transport.destination());
        let observer = health.clone();
        let observe = move |failed: &FailedAttempt| observer.attempt_failed(failed);
        Ok(Some(OtlpMetrics::new(transport.with_attempt_observer(observe), interval, health)))
    }

    fn metrics_transport(
        &self,
        export: &MetricsExport,
        environment: &Environment,
    ) -> Result<Transport, BuildError> {
        // A setting of the builder comes after the variable of metrics.
        let of_builder = |setting: &Setting| !environment.has(setting.variable());
        let protocol = self.metrics_protocol(export, environment)?;
        let endpoint = self.metrics_endpoint(export, environment, protocol.value)?;
        let compression = match export.compression {
            Some(value) => Named { setting: "MetricsExport::with_compression", value },
            None => match self.compression.filter(|_| of_builder(&settings::METRICS_COMPRESSION)) {
                Some(value) => Named { setting: "with_compression", value },
                None => name(environment, &settings::METRICS_COMPRESSION, Compression::None)?,
            },
        };
        let of_builder = of_builder(&settings::METRICS_TIMEOUT);
        let attempt = self.attempt_timeout.filter(|_| of_builder);
        let attempt = METRICS_TIMEOUT.resolve(export.attempt_timeout.or(attempt), environment)?;
        let attempt = attempt.unwrap_or(record::ATTEMPT_TIMEOUT);
        let timeout = METRIC_EXPORT_TIMEOUT.resolve(export.timeout, environment)?;
        let timeout = timeout.unwrap_or(settings::METRIC_EXPORT_TIMEOUT.default_duration());
        let is_of_spans = endpoint.as_ref().is_some_and(|it| it.setting == OF_SPANS);
        let inherited = self.headers.iter().filter(|_| is_of_spans);
        let headers: Vec<_> = inherited.chain(&export.headers).cloned().collect();
        let method = "MetricsExport::with_header";
        let headers = merge_headers(environment, &settings::METRICS_HEADERS, method, &headers)?;
        let transport = Transport::builder()
            .with_signal(Signal::Metrics)
            .with_crate_name(self.recording_sdk.crate_name())
            .with_settings_in_file(self.of_file.is_declarative)
            .with_attempt_timeout(attempt)
            .with_request_timeout(timeout)
            .with_protocol(protocol.value)
            .with_headers(headers)
            .with_compression(compression.value)
            .with_compression_level(self.compression_level.unwrap_or(record::COMPRESSION_LEVEL))
            .with_crypto_provider(self.crypto_provider.unwrap_or_default());
        environment.effective(&settings::METRIC_EXPORT_TIMEOUT, || settings::millis(timeout));
        environment.effective(&settings::METRICS_TIMEOUT, || settings::millis(attempt));
        environment.effective(&settings::METRICS_PROTOCOL, || protocol.value.to_string());
        environment.effective(&settings::METRICS_COMPRESSION, || compression.value.to_string());
        self.metrics_connection(environment, transport, endpoint, (protocol, compression))
    }

    /// Adds the endpoint, the proxy and the certificates.
    fn metrics_connection(
        &self,
        environment: &Environment,
        mut transport: TransportBuilder,
        endpoint: Option<Named<Endpoint>>,
        (protocol, compression): (Named<Protocol>, Named<Compression>),
    ) -> Result<Transport, BuildError> {
        let target = endpoint.as_ref().map(|it| &it.value);
        if let Some(target) = target {
            transport = transport.with_endpoint(target.clone());
        }
        // The transport of spans has reported what has no effect.
        let silent = environment.silent();
        transport = self.resolve_proxy(&silent, target, transport)?;
        let is_https = target.is_some_and(Endpoint::is_https);
        let environment = if is_https { environment } else { &silent };
        let (transport, files) =
            self.resolve_certificates(environment, &OF_METRICS, is_https, transport)?;
        self.record_certificates(environment, &OF_METRICS, &files);
        transport.build().map_err(|error| {
            let endpoint = endpoint.map(|it| it.setting);
            named(error, protocol.setting, endpoint, &files, compression.setting)
        })
    }

    fn metrics_protocol(
        &self,
        export: &MetricsExport,
        environment: &Environment,
    ) -> Result<Named<Protocol>, BuildError> {
        let row = &settings::METRICS_PROTOCOL;
        let own = match export.protocol {
            Some(value) => Named { setting: "MetricsExport::with_protocol", value },
            None => match self.protocol.filter(|_| !environment.has(row.variable())) {
                Some(value) => Named { setting: "with_protocol", value },
                None => name(environment, row, Protocol::default())?,
            },
        };
        let is_of_metrics = own.setting.contains("Metrics") || own.setting == row.variable();
        match own.value {
            Protocol::HttpJson if is_of_metrics => {
                let accepted = format!("accepted are {}", row.kind.accepted());
                Err(BuildError::setting(own.setting, own.value, accepted))
            }
            // Every receiver of OTLP/HTTP takes protobuf.
            Protocol::HttpJson => Ok(Named { value: Protocol::HttpProtobuf, ..own }),
            _ => Ok(own),
        }
    }

    /// `None` selects the transport's default, on this machine.
    fn metrics_endpoint(
        &self,
        export: &MetricsExport,
        environment: &Environment,
        protocol: Protocol,
    ) -> Result<Option<Named<Endpoint>>, BuildError> {
        let row = &settings::METRICS_ENDPOINT;
        let of_spans = self.endpoint.as_ref().filter(|_| !environment.has(row.variable()));
        let (setting, url) = match (&export.endpoint, of_spans) {
            (Some(url), _) => (OF_CODE, url.clone()),
            (None, Some(url)) => (OF_SPANS, url.clone()),
            (None, None) => match environment.required_text(row)? {
                Some(named) => named,
                None => return Ok(None),
            },
        };
        let base = |url: &str| Endpoint::parse_base_of(Signal::Metrics, setting, url);
        let value = if protocol == Protocol::Grpc {
            let insecure = !url.contains("://")
                && (self.of_file.insecure || environment.switch(&settings::METRICS_INSECURE));
            Endpoint::parse_grpc(setting, &url, insecure)?
        } else if setting == row.generic_variable() {
            base(&url)?
        } else {
            match Endpoint::parse(setting, &url)? {
                given if given.unix_path().is_some() => given,
                given if given.path() == "/" && setting != row.variable() => base(&url)?,
                given if setting != OF_SPANS => given,
                given => match without_traces(&url) {
                    Some(url) => base(&url)?,
                    None => {
                        let problem = format!(
                            "metrics cannot go there: accepted is a path that ends in /v1/traces, or an endpoint of \
                             metrics by {OF_CODE} or {}",
                            row.variable()
                        );
                        return Err(BuildError::setting(
                            setting,
                            shown(&given.to_string()),
                            problem,
                        ));
                    }
                },
            }
        };
        Ok(Some(Named { setting, value }))
    }
}

/// The URL without `/v1/traces` at the end of its path.
fn without_traces(url: &str) -> Option<Cow<'_, str>> {
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    let base = path.trim_end().strip_suffix(Signal::Traces.path())?;
    Some(match query {
        Some(query) => Cow::Owned(format!("{base}?{query}")),
        None => Cow::Borrowed(base),
    })
}

/// The name of the variable of metrics, or of the generic one, or else the default.
fn name<T: std::str::FromStr>(
    environment: &Environment,
    row: &'static Setting,
    default: T,
) -> Result<Named<T>, BuildError> {
    let Some((setting, name)) = environment.required_text(row)? else {
        return Ok(Named { setting: row.method(), value: default });
    };
    match name.parse() {
        Ok(value) => Ok(Named { setting, value }),
        Err(_) => {
            let accepted = format!("accepted are {}", row.kind.accepted());
            Err(BuildError::setting(setting, shown_name(&name), accepted))
        }
    }
}

/// `OTEL_METRICS_EXPORTER`: a list of names. Another exporter, of the program's own metrics, does not switch this one off.
fn is_exported(environment: &Environment) -> bool {
    let parse = |name: &str| match name {
        "none" => Some(false),
        "otlp" => Some(true),
        _ => None,
    };
    let names = environment.choices(&settings::METRICS_EXPORTER, parse);
    names.is_none_or(|names| names.contains(&true))
}

const OF_METRICS: CertificateSettings = CertificateSettings {
    trusted: &settings::METRICS_CERTIFICATE,
    client: &settings::METRICS_CLIENT_CERTIFICATE,
    key: &settings::METRICS_CLIENT_KEY,
};
const OF_CODE: &str = "MetricsExport::with_endpoint";
const OF_SPANS: &str = "with_endpoint";
